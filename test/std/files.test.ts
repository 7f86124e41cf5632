import assert from 'node:assert/strict'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { endOfLastLine, writeAll } from '../../src/std/files.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

test('the end of the last line is found, however far it is from the end of the file', async (t) => {
  const path = join(await temporaryFolder(t), 'f')
  const check = async (text: string, expected: number) => {
    await writeFile(path, text)
    await using handle = await open(path, 'r')
    const read = async (into: Buffer, at: number) =>
      (await handle.read(into, 0, into.length, at)).bytesRead
    assert.equal(await endOfLastLine(read, text.length), expected, `${text.length} bytes`)
  }
  await check('', 0)
  await check('\n', 1)
  await check('torn', 0)
  await check('a\nb\n', 4)
  await check('a\nb\ntorn', 4)
  await check(`a\n${'x'.repeat(64 * 1024)}`, 2)
  await check(`a\n${'x'.repeat(64 * 1024 - 1)}`, 2)
  await check(`a\n${'x'.repeat(300_000)}`, 2)
  await check('x'.repeat(300_000), 0)
})

test('all buffers are written, however short the system makes its writes', async (t) => {
  const path = join(await temporaryFolder(t), 'f')
  await using handle = await open(path, 'a')
  const writev = handle.writev.bind(handle)
  // Three bytes at the most, as if the disk were almost full.
  t.mock.method(handle, 'writev', async ([first]: Buffer[]) => {
    assert(first !== undefined && first.length > 0)
    return await writev([first.subarray(0, 3)])
  })
  await writeAll(
    handle,
    ['', 'abcdefg', 'hi', '', 'jklm'].map((text) => Buffer.from(text)),
  )
  await writeAll(handle, [])
  assert.equal(await readFile(path, 'utf8'), 'abcdefghijklm')
})
