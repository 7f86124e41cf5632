/**
 * G8: bounded. Here the time that a client waits, while more is offered than the outputs can take.
 *
 * Goal: an overloaded relay goes on to store about as much as its outputs can take, says 503 with
 * Retry-After to the rest in time, keeps what it acknowledged, and is well as soon as the load is.
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

const BYTES_PER_SECOND = 500_000
const WRITE_BYTES = 2_500
const WRITES_PER_SECOND = BYTES_PER_SECOND / WRITE_BYTES
const OFFERED = 2
const LOAD_MS = scaled(8) * 1000
/** A busy machine must not fail it; what was reached is in the test's output. */
const GOODPUT_MIN = 0.8
const RESIDENT_BYTES_MAX = 300_000_000

test('offered twice what the outputs take, as much as they take is stored, and the rest is answered 503 in time', async (t) => {
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
  const next = await relay.write('next v=1 1\n')

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
  assert(goodput >= GOODPUT_MIN, `${(goodput * 100).toFixed(0)} % of what the outputs take`)
  assert(resident < RESIDENT_BYTES_MAX)
  assert.equal(next.status, 204, 'the load is over')

  await untilNothingPends(config.adminUrl, 30_000)
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
