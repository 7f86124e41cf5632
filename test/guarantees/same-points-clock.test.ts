/**
 * G3: a line without a timestamp gets one, and it is the wall clock's. Here: while that is set
 * under a running relay, by HTTP in every precision and by UDP.
 *
 * Method: the whole program with libfaketime, whose offset is changed while it runs.
 */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { test } from 'node:test'
import { nsPer, PRECISIONS } from '../../src/line-protocol/precision.ts'
import { openFakeInflux } from '../support/fake-influx.ts'
import { openFakeWallClock } from '../support/faketime.ts'
import { freePort } from '../support/free-port.ts'
import { readMetrics } from '../support/metrics.ts'
import { relayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'

const YEAR_MS = 365 * 24 * 3_600_000
const OFFSETS_MS: Readonly<Record<string, number>> = {
  '+10y': 10 * YEAR_MS,
  '-1h': -3_600_000,
  '+0': 0,
}
/** libfaketime's years, a busy machine, and the coarsest precision. */
const TOLERANCE_MS = 4 * 24 * 3_600_000
const CLOSE_MS = 120_000

test('a clock that is set ten years ahead, back, an hour back and right again is followed at once', async (t) => {
  const clock = await openFakeWallClock(t)
  if (clock === undefined) return
  await using influx = await openFakeInflux()
  const udpPort = await freePort()
  const config = await relayConfig({
    outputs: [influx.url],
    more: `[[udp]]
name = "datagrams"
bind-addr = "127.0.0.1:${udpPort}"
output = [{ name = "u", location = "${influx.url}/write" }]
`,
  })
  await using relay = await startRelayProcess({ config: config.toml, env: clock.env })
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  let n = 0
  const assertStamped = async (line: string, unitNs: bigint, offset: string) => {
    const { body } = await influx.receives(line)
    const [, stamp = ''] = new RegExp(`${line} (\\d+)`).exec(body) ?? []
    const stampMs = Number((BigInt(stamp) * unitNs) / 1_000_000n)
    const expectedMs = Date.now() + (OFFSETS_MS[offset] ?? 0)
    const unitMs = Number(unitNs) / 1e6
    const allowedMs = (offset === '+10y' ? TOLERANCE_MS : CLOSE_MS) + unitMs
    assert(Math.abs(stampMs - expectedMs) < allowedMs, `${offset}: ${stamp} in ${unitNs} ns`)
  }
  const steps = ['+0', '+10y', '+0', '-1h', '+0']
  for (const offset of steps) {
    await clock.setBy(offset)
    for (const precision of PRECISIONS) {
      const line = `m n=${++n}i`
      const query = precision === 'ns' ? 'n' : precision === 'us' ? 'u' : precision
      assert.equal((await relay.write(line, `db=db&precision=${query}`)).status, 204)
      await assertStamped(line, nsPer(precision), offset)
    }
    const line = `m n=${++n}i`
    socket.send(line, udpPort, '127.0.0.1')
    await assertStamped(line, 1n, offset)
  }
  await relay.line(({ msg }) => msg.startsWith('the wall clock was set forward by'))
  await relay.line(({ msg }) => msg.startsWith('the wall clock was set back by'))
  const samples = await readMetrics(config.adminUrl)
  const counted = samples.find(({ name }) => name === 'relay_clock_steps_total')?.value
  assert.equal(counted, steps.length - 1)
})
