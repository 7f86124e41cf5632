/**
 * G8: bounded. Here the time that a client waits, while more is offered than the outputs can take.
 *
 * Goal: an overloaded relay goes on to store, says 503 with Retry-After to the rest, keeps what it
 * acknowledged, and is well once the load is over. That it stores about as much as its outputs can
 * take is held on the tests' clock (test/relay/admission.test.ts) and measured (bench/overload.ts).
 *
 * Method: two outputs that work on one request at a time at a fixed number of bytes per second, and
 * clients in an open loop that offer twice that. `RELAY_TRIALS=8` keeps it up for a minute.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openFakeInflux } from '../support/fake-influx.ts'
import { readMetrics, sumOf, untilNothingPends } from '../support/metrics.ts'
import { offerLoad } from '../support/offered-load.ts'
import { relayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'
import { scaled } from '../support/trials.ts'
import { until } from '../support/wait.ts'

const BYTES_PER_SECOND = 500_000
const WRITE_BYTES = 2_500
const WRITES_PER_SECOND = BYTES_PER_SECOND / WRITE_BYTES
const OFFERED = 2
const LOAD_MS = scaled(8) * 1000
const RESIDENT_BYTES_MAX = 300_000_000

test('offered twice what the outputs take, all of it is answered: 204 is stored everywhere, the rest is 503', async (t) => {
  await using a = await openFakeInflux({ bytesPerSecond: BYTES_PER_SECOND })
  await using b = await openFakeInflux({ bytesPerSecond: BYTES_PER_SECOND })
  const config = await relayConfig({
    outputs: [a, b].map(({ url }) => `{ location = "${url}/write", timeout = "5s" }`),
    http: 'ack-timeout = "2s"',
  })
  await using relay = await startRelayProcess({ config: config.toml })

  const { answers, maxWaitMs } = await offerLoad({
    url: relay.url,
    writesPerSecond: WRITES_PER_SECOND * OFFERED,
    durationMs: LOAD_MS,
    lineOf: (index) => lineOf(index),
  })
  const loaded = await readMetrics(config.adminUrl)
  const isTaken = async () => (await relay.write('next v=1 1\n')).status === 204
  await until(isTaken, { what: 'a write is taken when the load is over' })

  const acknowledged = answers.filter(({ status }) => status === 204)
  const others = answers.filter(({ status }) => status !== 204)
  const capacity = (WRITES_PER_SECOND * LOAD_MS) / 1000
  const goodput = acknowledged.length / capacity
  const resident = sumOf(loaded, 'process_resident_memory_bytes')
  t.diagnostic(
    `${answers.length} writes offered, ${acknowledged.length} stored: ${(goodput * 100).toFixed(0)} % ` +
      `of what the outputs take (goal: 90 %); longest wait ${Math.round(maxWaitMs)} ms; ` +
      `resident ${Math.round(resident / 1e6)} MB`,
  )
  assert.deepEqual(new Set(others.map(({ status }) => status)), new Set([503]))
  assert(
    others.every(({ retryAfter }) => Number(retryAfter) >= 1),
    'all of them say Retry-After',
  )
  assert(others.length > 0, 'it was not too much')
  assert(resident < RESIDENT_BYTES_MAX)

  await untilNothingPends(config.adminUrl)
  for (const influx of [a, b]) {
    const stored = new Set(influx.received.split('\n').map((line) => line.split(' ')[0]))
    const missing = acknowledged.filter(({ index }) => !stored.has(`m,n=${index}`))
    assert.equal(missing.length, 0, `${missing.length} acknowledged writes are not stored`)
  }
})

function lineOf(index: number): string {
  const head = `m,n=${index} v="`
  return `${head}${'x'.repeat(WRITE_BYTES - head.length - 25)}" ${1_700_000_000_000_000_000n}\n`
}
