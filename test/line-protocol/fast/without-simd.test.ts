/**
 * Goal: where there is no SIMD, everything works as it does with it. Method: processes that are
 * told to do without it.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { openFakeInflux } from '../../support/fake-influx.ts'
import { freePort } from '../../support/free-port.ts'
import { startRelayProcess } from '../../support/relay-process.ts'

const ROOT = join(import.meta.dirname, '../../..')

test('without WebAssembly a body is scanned all the same', async () => {
  const script = `
    // Node strips types with WebAssembly of its own, which it gets with the first file.
    await import('./src/line-protocol/bytes.ts')
    delete globalThis.WebAssembly
    const { scanLines } = await import('./src/line-protocol/scan/scan.ts')
    const { simdModule, simdProblem } = await import('./src/line-protocol/fast/simd-module.ts')
    const body = Buffer.from('m v=1 1\\nm v=2\\n'.repeat(1000))
    const options = { precision: 'ns', stamp: () => '7', unsignedIntegers: false }
    const { lines, lineCount } = scanLines(body, options, 0)
    const isRight = lines.equals(Buffer.from('m v=1 1\\nm v=2 7\\n'.repeat(1000)))
    console.log(JSON.stringify([simdModule === undefined, simdProblem, lineCount, isRight]))
  `
  const args = ['--input-type=module', '-e', script]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT })
  const problem = 'ReferenceError: WebAssembly is not defined'
  assert.deepEqual(JSON.parse(stdout), [true, problem, 2000, true])
})

// V8 can be told so on x86 only.
test('on an old processor the relay serves, and says at level debug why it is slower', {
  skip: process.arch !== 'x64' && 'only V8 on x64 can be told to do without SIMD',
}, async () => {
  await using influx = await openFakeInflux()
  const port = await freePort()
  await using relay = await startRelayProcess({
    config: `
      log-level = "debug"
      [[http]]
      bind-addr = "127.0.0.1:${port}"
      ack-timeout = "1h"
      output = [{ name = "a", location = "${influx.url}/write" }]
      [admin]
      bind-addr = ""
    `,
    under: ['sh', '-c', 'node=$1; shift; exec "$node" --no-enable-sse4-1 "$@"', 'sh'],
  })
  await relay.line(({ msg }) => /^lines are checked without SIMD: .*unsupported/.test(msg))
  assert.equal((await relay.write('m v=1 1\n'.repeat(1000))).status, 204)
})
