/** Goal: what a shell sees of `relay log` with much output. Method: real processes and pipes. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { test } from 'node:test'
import { openLogOnDisk, recordOf } from '../../support/log-on-disk.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const ROOT = join(import.meta.dirname, '../../..')

function start(...args: string[]) {
  return spawn(process.execPath, ['src/main.ts', 'log', ...args], { cwd: ROOT })
}

test('an export arrives whole through a pipe, and in a file; a reader may go early', async (t) => {
  const log = await openLogOnDisk(t)
  const body = Buffer.from(`${'m v=1 1\n'.repeat(50_000)}`)
  for (let count = 0; count < 20; count++) await log.append(recordOf({ body, lineCount: 50_000 }))
  const expected =
    body.length * 20 + '# DML\n# CONTEXT-DATABASE: db\n# CONTEXT-RETENTION-POLICY:\n'.length

  const piped = start('export', '-dir', log.folder)
  const [bytes, err, [code]] = await Promise.all([
    buffer(piped.stdout),
    text(piped.stderr),
    once(piped, 'exit'),
  ])
  assert.equal(code, 0, err)
  assert.equal(bytes.length, expected)
  assert.match(err, /^exported 20 writes, 1000000 lines, 8\.0 MB; /)

  const path = join(await temporaryFolder(t), 'pending.txt')
  const [toFile] = await once(start('export', path, '-dir', log.folder), 'exit')
  assert.equal(toFile, 0)
  assert(bytes.equals(await readFile(path)))

  const dumped = start('dump', '-lines', '-dir', log.folder)
  dumped.stdout.once('data', () => dumped.stdout.destroy())
  const [[ended], errors] = await Promise.all([once(dumped, 'exit'), text(dumped.stderr)])
  assert.deepEqual([ended, errors], [0, ''])
})

test('a folder that is not there: one line, exit 1; a mistake in the command: exit 2', async () => {
  const check = async (args: string[], code: number, message: RegExp) => {
    const child = start(...args)
    const [err, [exit]] = await Promise.all([text(child.stderr), once(child, 'exit')])
    assert.equal(exit, code)
    assert.match(err, message)
  }
  await check(['status', '-dir', '/nonexistent'], 1, /^relay: there is no folder \/nonexistent\n$/)
  await check(['status'], 2, /^relay: relay log status needs -config FILE or -dir FOLDER\n/)
})
