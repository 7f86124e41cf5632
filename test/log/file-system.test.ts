// The log on the real disk: what a simulated one takes for granted.
import assert from 'node:assert/strict'
import { lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeFileSystem, readWhole, writeWhole } from '../../src/log/file-system.ts'
import { appendDurably, openTestLog, readAll } from '../support/disk-log-fixture.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

test('a log on the real disk is appended to, rotated, read, trimmed and opened again', async (t) => {
  const folder = join(await temporaryFolder(t), 'made', 'by', 'opening')
  const options = { folder, segmentBytes: 64 * 1024 }
  const expected: [number, string][] = []
  for (let opening = 0; opening < 3; opening++) {
    await using log = await openTestLog(nodeFileSystem, options)
    assert.deepEqual(await readAll(log), expected)
    for (let number = 0; number < 20; number++) {
      const body = `m v=${number} ${'x'.repeat(number * 700)}\n`
      expected.push([await appendDurably(log, body), body])
    }
    assert.deepEqual(await readAll(log), expected)
  }
  await using log = await openTestLog(nodeFileSystem, options)
  await log.trimBelow(40)
  assert.deepEqual(
    await readAll(log, 40),
    expected.filter(([sequence]) => sequence >= 40),
  )
  assert((await readdir(folder)).length < 10)
})

test('the log’s files are for their owner only', async (t) => {
  const folder = join(await temporaryFolder(t), 'log')
  await using log = await openTestLog(nodeFileSystem, { folder })
  await appendDurably(log, 'm v=1\n')
  assert.equal((await stat(folder)).mode & 0o777, 0o700)
  for (const name of await readdir(folder)) {
    assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600)
  }
})

test('a link or a folder in place of a segment is left alone, and what it points to', async (t) => {
  const outside = join(await temporaryFolder(t), 'precious')
  await writeFile(outside, 'precious')
  const folder = await temporaryFolder(t)
  await symlink(outside, join(folder, '0000000000000001.seg'))
  await mkdir(join(folder, '0000000000000002.seg'))
  await using log = await openTestLog(nodeFileSystem, { folder, sequenceAtLeast: 3 })
  assert.equal(await appendDurably(log, 'm v=1\n'), 3)
  assert.equal((await readAll(log)).length, 1)
  assert.equal(await readFile(outside, 'utf8'), 'precious')
  assert((await lstat(join(folder, '0000000000000001.seg'))).isSymbolicLink())
})

test('a link is not opened, in no mode', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'target'), 'precious')
  const link = join(folder, 'link')
  await symlink(join(folder, 'target'), link)
  for (const mode of ['read', 'update', 'replace'] as const) {
    await assert.rejects(nodeFileSystem.open(link, mode), { code: 'ELOOP' })
  }
  await assert.rejects(nodeFileSystem.open(link, 'create'), { code: 'EEXIST' })
  assert.equal(await readFile(join(folder, 'target'), 'utf8'), 'precious')
})

test('reads and writes are whole; past the end there is nothing', async (t) => {
  const path = join(await temporaryFolder(t), 'file')
  const file = await nodeFileSystem.open(path, 'create')
  await writeWhole(file, Buffer.from('abcdef'), 3)
  await file.sync()
  assert.equal(await file.size(), 9)
  assert.equal((await readWhole(file, Buffer.alloc(4), 5)).toString(), 'cdef')
  assert.equal((await readWhole(file, Buffer.alloc(9), 7)).toString(), 'ef')
  assert.equal((await readWhole(file, Buffer.alloc(9), 9)).length, 0)
  await file.truncate(4)
  assert.equal(await file.size(), 4)
  await file.close()
})

test('a file that takes nothing is an error, not a loop', async () => {
  const file = { ...(await nodeFileSystem.open('/dev/null', 'update')), write: async () => 0 }
  await assert.rejects(writeWhole(file, Buffer.from('x'), 0), /nothing was written at byte 0/)
  await file.close()
})
