/** Every test of the listener beside this one, once more with `fast-lane = false`. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'

test('without the fast path the listener keeps every promise as well', async (t) => {
  const beside = globSync(join(import.meta.dirname, '*.test.ts'))
  const files = beside.filter((path) => path !== import.meta.filename)
  assert(files.length >= 5)
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const child = spawn(process.execPath, ['--test', ...files], {
    env: { ...env, RELAY_TEST_FAST_PATH: 'false' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  const passed = Number(/^. pass (\d+)$/m.exec(output)?.[1])
  t.diagnostic(`${passed} tests passed`)
  assert.equal(exitCode, 0, output)
  assert(passed > 50, output)
})
