/** The end of `npm test` says what was skipped and why, and then what the test runner says. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { temporaryFolder } from './support/temporary-folder.ts'

const REPORTER = join(import.meta.dirname, '../tools/test-reporter.ts')
const MISSING = join(import.meta.dirname, 'support/missing.ts')

/** Two files as a run has them: one process each. */
const FILE = `
import { test } from 'node:test'
import { skipWithout } from '${MISSING}'
for (const name of ['one', 'two']) {
  test(name, (t) => skipWithout(t, 'no server; install it: apt-get install server'))
}
test('three', (t) => t.skip('not on this machine'))
test('four', () => {})
`

async function run(folder: string, environment: Record<string, string>) {
  const { NODE_TEST_CONTEXT: _, CI: _ci, ...env } = process.env
  const args = ['--test', `--test-reporter=${REPORTER}`, 'a.test.mjs', 'b.test.mjs']
  const child = spawn(process.execPath, args, { cwd: folder, env: { ...env, ...environment } })
  const [out, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return { out, code }
}

test('each reason for skipping is told once, with its tests counted, right before the totals', async (t) => {
  const folder = await temporaryFolder(t)
  for (const name of ['a', 'b']) await writeFile(join(folder, `${name}.test.mjs`), FILE)
  const { out, code } = await run(folder, {})
  assert.equal(code, 0, out)
  const lines = out.trimEnd().split('\n')
  const totals = lines.findIndex((line) => line.endsWith('tests 8'))
  assert.deepEqual(lines.slice(totals - 2, totals), [
    '! 4 tests were skipped: no server; install it: apt-get install server',
    '! 2 tests were skipped: not on this machine',
  ])
  assert.match(lines.at(-1) ?? '', /duration_ms/)
  assert(lines.slice(totals).some((line) => line.endsWith('skipped 6')))
})

test('under CI=true what can be had and is missing is a failure', async (t) => {
  const folder = await temporaryFolder(t)
  for (const name of ['a', 'b']) await writeFile(join(folder, `${name}.test.mjs`), FILE)
  const { out, code } = await run(folder, { CI: 'true' })
  assert.equal(code, 1)
  assert.match(out, /^. fail 4$/m)
  assert.match(out, /no server; install it: apt-get install server/)
})
