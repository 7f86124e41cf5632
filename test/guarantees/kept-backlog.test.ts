/**
 * G5: a 204 is kept. Here: what outputs miss, over stops and starts, and far more of it than memory
 * holds.
 *
 * With `log-dir` a backlog is no reason to wait when the relay stops. What every output is owed is
 * on the disk: it is sent in the order of the log, after however many starts, and the memory of the
 * relay does not grow with it.
 */
import assert from 'node:assert/strict'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type FakeInflux, openFakeInflux } from '../support/fake-influx.ts'
import { httpRequest } from '../support/http-request.ts'
import { readMetrics, sumOf, untilNothingPends } from '../support/metrics.ts'
import { relayConfig, type TestRelayConfig } from '../support/relay-config.ts'
import { type RelayProcess, startRelayProcess } from '../support/relay-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { TRIALS } from '../support/trials.ts'
import { until } from '../support/wait.ts'
import { openWriteClient } from '../support/write-client.ts'

const SMALL_SEGMENTS = join(import.meta.dirname, '../support/small-segments-program.ts')
const MEGABYTE = 1_000_000
/** More than an output has in memory of the log, several times. */
const FAR_BYTES = 250 * MEGABYTE * Math.min(10, Math.max(1, TRIALS))
const BODY_BYTES = 500_000
/** Windows, requests and garbage; far less than the backlog. */
const GROWTH_MAX_BYTES = 150 * MEGABYTE

function configOf(
  folder: string,
  outputs: readonly FakeInflux[],
  http = '',
): Promise<TestRelayConfig> {
  const keys = 'max-delay-interval = "200ms"'
  return relayConfig({
    outputs: outputs.map(({ url }) => `{ location = "${url}/write", ${keys} }`),
    http: `log-dir = "${folder}"\nhonor-consistency = true\n${http}`,
  })
}

async function writeNumbers(relay: RelayProcess, from: number, to: number): Promise<void> {
  using client = openWriteClient(relay.url)
  for (let n = from; n <= to; n++) {
    assert.equal((await client.write(`m n=${n}i ${n}\n`)).status, 204, `write ${n}`)
  }
}

/** Every number once or more, the first time in order. */
function assertHasNumbers({ received }: FakeInflux, from: number, to: number): void {
  const numbers = new Set([...received.matchAll(/ n=(\d+)i/g)].map(([, n]) => Number(n)))
  assert.deepEqual(
    [...numbers],
    Array.from({ length: to - from + 1 }, (_, index) => from + index),
  )
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} with a backlog: exit 0 at once, and it is sent after the next start`, async (t) => {
    await using a = await openFakeInflux()
    await using b = await openFakeInflux()
    const config = await configOf(await temporaryFolder(t), [a, b])
    await b.stop()
    {
      await using relay = await startRelayProcess({ config: config.toml })
      await writeNumbers(relay, 1, 50)
      // At once: an output that is waited for has an hour (relay-config.ts).
      assert.deepEqual(await relay.kill(signal), { code: 0, signal: null })
      assert(!relay.output.includes('lost'), relay.output)
      assert(!relay.output.includes('everything was delivered'), relay.output)
    }
    {
      await using relay = await startRelayProcess({ config: config.toml })
      await writeNumbers(relay, 51, 60)
      assert.deepEqual(await relay.kill(signal), { code: 0, signal: null })
    }
    await b.start()
    await using relay = await startRelayProcess({ config: config.toml })
    await b.receives(' n=60i')
    await untilNothingPends(config.adminUrl)
    assertHasNumbers(b, 1, 60)
    // What was delivered before a clean stop is not sent again.
    assert.equal(a.received.split('\n').length - 1, 60)
    assert.equal(relay.logs.filter(({ level }) => level === 'error').length, 0, relay.output)
  })
}

for (const ack of ['any', 'log']) {
  test(`ack = "${ack}": 204 while all outputs are down; all of it arrives in order`, async (t) => {
    await using a = await openFakeInflux()
    await using b = await openFakeInflux()
    await Promise.all([a.stop(), b.stop()])
    const config = await configOf(await temporaryFolder(t), [a, b], `ack = "${ack}"`)
    {
      await using relay = await startRelayProcess({ config: config.toml })
      await writeNumbers(relay, 1, 100) // None waits for an output: it would have an hour.
      await relay.kill('SIGKILL')
    }
    await using relay = await startRelayProcess({ config: config.toml })
    await writeNumbers(relay, 101, 110)
    await Promise.all([a.start(), b.start()])
    for (const influx of [a, b]) await influx.receives(' n=110i')
    await writeNumbers(relay, 111, 120)
    await untilNothingPends(config.adminUrl)
    for (const influx of [a, b]) assertHasNumbers(influx, 1, 120)
  })
}

test('quorum and all: 503 while too few outputs are up, and nothing is kept of it', async (t) => {
  await using a = await openFakeInflux()
  await using b = await openFakeInflux()
  const config = await configOf(await temporaryFolder(t), [a, b])
  await using relay = await startRelayProcess({ config: config.toml })
  await Promise.all([a.stop(), b.stop()])
  await writeNumbers(relay, 1, 3) // The outputs are found to be down.
  const isDown = (output: string) => relay.line((line) => line.msg.includes(`"${output}" is down`))
  await Promise.all([isDown('a'), isDown('b')])
  for (const consistency of ['quorum', 'all']) {
    const answer = await relay.write('m n=999i 999\n', `db=db&consistency=${consistency}`)
    assert.equal(answer.status, 503)
    assert.match(answer.headers['retry-after'] ?? '', /^\d+$/)
  }
  assert.equal(sumOf(await readMetrics(config.adminUrl), 'relay_accepted_writes_total'), 3)
  await Promise.all([a.start(), b.start()])
  for (const influx of [a, b]) await influx.receives(' n=3i')
  await untilNothingPends(config.adminUrl)
  assert.equal((await relay.write('m n=4i 4\n', 'db=db&consistency=all')).status, 204)
  for (const influx of [a, b]) assertHasNumbers(influx, 1, 4)
})

/** Numbered bodies of about BODY_BYTES, of which an output notes the numbers alone. */
class Bodies {
  readonly #text = 'x'.repeat(1000)
  #last = 0

  get last(): number {
    return this.#last
  }

  next(): string {
    const n = ++this.#last
    const lines = Math.floor(BODY_BYTES / 1050)
    return Array.from(
      { length: lines },
      (_, i) => `m,i=${i} n=${n}i,s="${this.#text}" ${n}\n`,
    ).join('')
  }
}

/** Which bodies have come, in order; the bodies themselves are let go. */
async function openNotingInflux(): Promise<{ influx: FakeInflux; numbers: Set<number> }> {
  const numbers = new Set<number>()
  const influx: FakeInflux = await openFakeInflux({
    answer: (request) => {
      for (const [, n] of request.body.matchAll(/m,i=0 n=(\d+)i/g)) numbers.add(Number(n))
      influx.forget()
      return 204
    },
  })
  return { influx, numbers }
}

test('an output that missed far more than memory holds gets all of it, and is live again', async (t) => {
  const a = await openNotingInflux()
  const b = await openNotingInflux()
  await using _a = a.influx
  await using _b = b.influx
  const config = await configOf(await temporaryFolder(t), [a.influx, b.influx])
  await using relay = await startRelayProcess({ config: config.toml })
  using client = openWriteClient(relay.url)
  const bodies = new Bodies()
  let peakBytes = 0
  const write = async () => {
    assert.equal((await client.write(bodies.next())).status, 204)
    if (bodies.last % 4 !== 0) return
    const samples = await readMetrics(config.adminUrl)
    peakBytes = Math.max(peakBytes, sumOf(samples, 'process_resident_memory_bytes'))
  }
  for (let i = 0; i < 20; i++) await write()
  await untilNothingPends(config.adminUrl)
  const calmBytes = peakBytes
  await b.influx.stop()
  while (bodies.last * BODY_BYTES < FAR_BYTES) await write()
  const missed = sumOf(await readMetrics(config.adminUrl), 'relay_output_pending_bytes', {
    output: 'b',
  })
  assert(missed > 0.9 * (FAR_BYTES - 20 * BODY_BYTES), `${missed} bytes pend`)
  await b.influx.start()
  const isCatchingUp = () => b.numbers.size < bodies.last
  for (let i = 0; i < 20 && isCatchingUp(); i++) await write()
  const isThere = () => b.numbers.size === bodies.last && a.numbers.size === bodies.last
  await until(isThere, { what: () => `b has all; it has ${b.numbers.size}` })
  await untilNothingPends(config.adminUrl)
  const inOrder = Array.from({ length: bodies.last }, (_, index) => index + 1)
  assert.deepEqual([...a.numbers], inOrder)
  assert.deepEqual([...b.numbers], inOrder)
  t.diagnostic(
    `${(missed / MEGABYTE).toFixed(0)} MB missed; resident ${(calmBytes / MEGABYTE).toFixed(0)} MB, then at most ${(peakBytes / MEGABYTE).toFixed(0)} MB`,
  )
  assert(peakBytes - calmBytes < GROWTH_MAX_BYTES, `grew by ${peakBytes - calmBytes} bytes`)

  // Live: its word counts again, and what is written reaches it at once.
  for (let i = 0; i < 5; i++) {
    const { status } = await relay.write(bodies.next(), 'db=db&consistency=all')
    assert.equal(status, 204)
    assert(b.numbers.has(bodies.last))
  }
})

test('what waits in a short backlog at the start stays when more than memory holds follows', async (t) => {
  const a = await openNotingInflux()
  const b = await openNotingInflux()
  await using _a = a.influx
  await using _b = b.influx
  await b.influx.stop()
  const config = await configOf(await temporaryFolder(t), [a.influx, b.influx])
  const bodies = new Bodies()
  for (const count of [10, 60]) {
    await using relay = await startRelayProcess({ config: config.toml })
    using client = openWriteClient(relay.url)
    for (let i = 0; i < count; i++) assert.equal((await client.write(bodies.next())).status, 204)
    if (count === 10) await relay.kill('SIGKILL')
    else await b.influx.start()
    const isThere = () => count === 10 || b.numbers.size === bodies.last
    await until(isThere, { what: () => `b has all; it has ${b.numbers.size}` })
    if (count > 10) await untilNothingPends(config.adminUrl)
  }
  const inOrder = Array.from({ length: bodies.last }, (_, index) => index + 1)
  assert.deepEqual([...a.numbers], inOrder)
  assert.deepEqual([...b.numbers], inOrder)
})

test('after a restart the metrics tell the whole backlog, also what is not read yet', async (t) => {
  const a = await openNotingInflux()
  const b = await openNotingInflux()
  await using _a = a.influx
  await using _b = b.influx
  await b.influx.stop()
  const config = await configOf(await temporaryFolder(t), [a.influx, b.influx])
  const bodies = new Bodies()
  const count = 80
  {
    await using relay = await startRelayProcess({ config: config.toml })
    using client = openWriteClient(relay.url)
    for (let i = 0; i < count; i++) assert.equal((await client.write(bodies.next())).status, 204)
    assert.deepEqual(await relay.kill('SIGTERM'), { code: 0, signal: null })
  }
  const ofB = async (...names: string[]) => {
    const samples = await readMetrics(config.adminUrl)
    return names.map((name) => sumOf(samples, `relay_output_${name}`, { output: 'b' }))
  }
  {
    await using relay = await startRelayProcess({ config: config.toml })
    await relay.line(({ msg }) => msg.includes('"b" is down'))
    const [pending = 0, writes = 0, bytes = 0] = await ofB(
      'pending_writes',
      'unread_writes',
      'unread_bytes',
    )
    assert.equal(pending + writes, count)
    assert(writes > count / 4, 'memory holds nearly all of it')
    assert(Math.abs(bytes / writes / BODY_BYTES - 1) < 0.2, `${bytes} bytes in ${writes} writes`)
    const health = await httpRequest(`${config.adminUrl}/health`)
    const [{ outputs }] = JSON.parse(String(health.body)).relays
    assert(outputs[1].unread_writes > count / 4 && outputs[1].unread_bytes > 0)
    await relay.kill('SIGTERM')
    const left = relay.logs.find(({ msg }) => msg.includes('did not get'))
    assert.equal(Number(left?.['writes']) + Number(left?.['formerLagWrites']), count)
  }
  await using _ = await startRelayProcess({ config: config.toml })
  await b.influx.start()
  const isThere = () => b.numbers.size === bodies.last
  await until(isThere, { what: () => `b has all; it has ${b.numbers.size}` })
  await untilNothingPends(config.adminUrl)
  assert.deepEqual(await ofB('unread_writes', 'unread_bytes'), [0, 0])
})

test('what cannot be put on record is not given up, and nothing near it is lost', async (t) => {
  await using a = await openFakeInflux()
  await using b = await openFakeInflux()
  const folder = await temporaryFolder(t)
  // A folder in the place of the file: no gap can be put on record.
  const gaps = join(folder, 'gaps.jsonl')
  await mkdir(gaps)
  const bounded = `{ location = "${b.url}/write", buffer-size-mb = 1, max-delay-interval = "200ms" }`
  const config = await relayConfig({ outputs: [a.url, bounded], http: `log-dir = "${folder}"` })
  await b.stop()
  const count = 150
  const padding = 'x'.repeat(20_000)
  const errors = ({ logs }: RelayProcess) => logs.filter(({ level }) => level === 'error')
  await using relay = await startRelayProcess({ config: config.toml, program: SMALL_SEGMENTS })
  using client = openWriteClient(relay.url)
  for (let n = 1; n <= count; n++) {
    assert.equal((await client.write(`m n=${n}i,s="${padding}" ${n}\n`)).status, 204)
  }
  await relay.line(({ level, output }) => level === 'error' && output === 'b')
  for (let n = 0; n < 20; n++) await client.write(`other n=${n} ${n}\n`)
  assert(errors(relay).length < 10, 'it is said again and again')
  await rm(gaps, { recursive: true })
  await b.start()
  await until(() => b.received.includes('other n=19'), { what: 'b has the last' })
  await untilNothingPends(config.adminUrl)
  const recorded = (await readFile(gaps, 'utf8')).trim().split('\n')
  const given = recorded.reduce((sum, line) => sum + Number(JSON.parse(line).writes), 0)
  const received = new Set([...b.received.matchAll(/m n=(\d+)i/g)].map(([, n]) => n))
  assert.equal(received.size + given, count)
})
