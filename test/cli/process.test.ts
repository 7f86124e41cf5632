/** Goal: what a shell, a supervisor or a pipe sees of the program. Method: real processes. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { temporaryFolder } from '../support/temporary-folder.ts'

const ROOT = join(import.meta.dirname, '../..')

async function relay(...args: string[]) {
  const child = spawn(process.execPath, ['src/main.ts', ...args], { cwd: ROOT })
  const exited = once(child, 'exit')
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = await exited
  return { code, out, err }
}

test('-version answers and exits 0', async () => {
  const { code, out, err } = await relay('-version')
  assert.match(out, /^relay \d+\.\d+\.\d+ \(commit [\da-z]+, Node \d+\.\d+\.\d+\)\n$/)
  assert.deepEqual([code, err], [0, ''])
})

test('without arguments: the missing file, the usage, exit 1, as the original', async () => {
  const { code, out, err } = await relay()
  assert.match(err, /^Missing configuration file\n/)
  assert.deepEqual([code, out], [1, ''])
})

test('a flag that does not exist exits 2', async () => {
  const { code, out, err } = await relay('-confg', 'x')
  assert.match(err, /^relay: flag provided but not defined: -confg; did you mean -config\?\n/)
  assert.deepEqual([code, out], [2, ''])
})

test('a broken configuration: every problem on its own line, exit 1, no stack', async (t) => {
  const path = join(await temporaryFolder(t), 'relay.toml')
  await writeFile(path, '[[http]]\nbind-addr = 7\nunknown = 1\n')
  for (const args of [['-check'], []]) {
    const { code, out, err } = await relay(...args, '-config', path)
    assert.deepEqual([code, out], [1, ''])
    assert(err.trimEnd().split('\n').length >= 3, err)
    for (const line of err.trimEnd().split('\n')) assert.match(line, /^relay: /)
    assert.doesNotMatch(err, /\n\s+at /)
  }
})

test('all of `relay config` arrives, and a reader that goes away early is no failure', async () => {
  const { code, out } = await relay('config')
  assert.deepEqual([code, out], [0, await readFile(join(ROOT, 'relay.toml.example'), 'utf8')])

  const child = spawn(process.execPath, ['src/main.ts', 'config'], { cwd: ROOT })
  child.stdout.destroy()
  const [[early], err] = await Promise.all([once(child, 'exit'), text(child.stderr)])
  assert.deepEqual([early, err], [0, ''])
})

test('a program whose log nobody reads goes on and can end', async () => {
  // Not the relay itself: only its logger, into a pipe of which nothing is ever read.
  const script = `
    import { createLogger } from './src/process/create-logger.ts'
    process.stdout.on('error', () => {}) // As main.ts does: from here on the pipe does not block.
    const options = { level: 'info', format: 'json', descriptor: 1, isTerminal: false }
    const { logger, flush } = createLogger(options)
    for (let count = 0; count < 20_000; count++) logger.info({ count }, 'x'.repeat(80))
    await flush()
    process.stderr.write('flushed')
    process.exit(0)
  `
  const args = ['--input-type=module-typescript', '-e', script]
  const child = spawn(process.execPath, args, { cwd: ROOT })
  child.stdout.pause()
  const [[code], err] = await Promise.all([once(child, 'exit'), text(child.stderr)])
  child.stdout.destroy()
  assert.deepEqual([code, err], [0, 'flushed'])
})
