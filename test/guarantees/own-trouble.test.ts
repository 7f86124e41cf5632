/**
 * G7: one output's trouble is its own.
 *
 * Down, hung, slow or lying: the other outputs and the clients do not notice.
 *
 * Method: the trouble lasts until every client has its answer, so whoever waited for its end would
 * wait for ever. No test here compares times.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FakeInflux, openFakeInflux } from '../support/fake-influx.ts'
import { type FaultProxy, openFaultProxy } from '../support/fault-proxy.ts'
import { openInfluxdPair, requireInfluxd } from '../support/influxd.ts'
import {
  assertBooksBalance,
  booksOf,
  readMetrics,
  sumOf,
  untilNothingPends,
} from '../support/metrics.ts'
import { relayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'
import { scaled } from '../support/trials.ts'
import { openWriteClient } from '../support/write-client.ts'

const CLIENTS = 8
const WRITES_EACH = scaled(25)

interface Trouble {
  readonly what: string
  readonly begin: (influx: FakeInflux, proxy: FaultProxy) => void | Promise<void>
  readonly end: (influx: FakeInflux, proxy: FaultProxy) => void | Promise<void>
  /** Some of the writes may arrive in spite of it. */
  readonly isSlow?: boolean
}

const wellAgain = (influx: FakeInflux, proxy: FaultProxy) => {
  influx.answer = 204
  proxy.fault = { kind: 'none' }
}

function answering(what: string, answer: FakeInflux['answer']): Trouble {
  const begin = (influx: FakeInflux) => {
    influx.answer = answer
  }
  return { what, begin, end: wellAgain }
}

function onLine(what: string, fault: FaultProxy['fault'], isSlow = false): Trouble {
  const begin = (_: FakeInflux, proxy: FaultProxy) => {
    proxy.fault = fault
  }
  return { what, begin, end: wellAgain, isSlow }
}

const TROUBLES: readonly Trouble[] = [
  onLine('hangs', { kind: 'stall' }),
  onLine('takes writes and never answers', { kind: 'stall', direction: 'down' }),
  onLine('is on a line of 1 kB/s', { kind: 'rate', bytesPerSecond: 1000 }, true),
  onLine('sends garbage', { kind: 'garbage' }),
  onLine('loses connections in the middle', { kind: 'cut', afterBytes: 100, direction: 'up' }),
  {
    what: 'refuses connections',
    begin: (_, proxy) => proxy.refuse(),
    end: (_, proxy) => proxy.accept(),
  },
  answering('answers 503', 503),
  answering('answers 503 and asks for a long wait', {
    status: 503,
    headers: { 'Retry-After': '1' },
  }),
  answering('answers 500', 500),
  answering('resets connections', 'reset'),
  answering('closes without an answer', 'close'),
  answering('breaks off its answers', 'half'),
  answering('redirects', { status: 307, headers: { Location: 'http://127.0.0.1:1/write' } }),
]

for (const { what, begin, end, isSlow = false } of TROUBLES) {
  test(`while one output ${what} all writes are answered 204, and it has them all afterwards`, async () => {
    await using a = await openFakeInflux()
    await using b = await openFakeInflux()
    await using proxy = await openFaultProxy(b.port)
    const troubled = `{ location = "${proxy.url}/write", max-delay-interval = "100ms" }`
    const config = await relayConfig({ outputs: [a.url, troubled] })
    await using relay = await startRelayProcess({ config: config.toml })
    assert.equal((await relay.write('before v=1 1\n')).status, 204)
    await untilNothingPends(config.adminUrl)

    await begin(b, proxy)
    await writeFromAll(relay.url)
    const total = 1 + CLIENTS * WRITES_EACH
    const during = await readMetrics(config.adminUrl)
    assertBooksBalance(booksOf(during, 'b'))
    if (!isSlow) assert.equal(booksOf(during, 'b').outcomes['delivered'], 1, 'it was in trouble')
    assert.equal(booksOf(during, 'a').outcomes['delivered'], total)

    await end(b, proxy)
    const after = booksOf(await untilNothingPends(config.adminUrl), 'b')
    assertBooksBalance(after)
    assert.equal(after.outcomes['delivered'], total)
    for (let client = 0; client < CLIENTS; client++) assertInOrder(b.received, client)
  })
}

/** Every client sends each write when the one before is answered; all must be 204. */
async function writeFromAll(url: string): Promise<void> {
  const run = async (name: number) => {
    using client = openWriteClient(url)
    for (let i = 0; i < WRITES_EACH; i++) {
      assert.equal((await client.write(`c${name} v=${i}i ${i}\n`)).status, 204)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, name) => run(name)))
}

/** Of what came more than once the last time counts. */
function assertInOrder(received: string, client: number): void {
  const lines = received.split('\n')
  const last = Array.from({ length: WRITES_EACH }, (_, i) =>
    lines.lastIndexOf(`c${client} v=${i}i ${i}`),
  )
  assert(!last.includes(-1), `client ${client}: a write is missing`)
  const sorted = last.toSorted((x, y) => x - y)
  assert.deepEqual(last, sorted, `client ${client}: out of order`)
}

test("while one output is down a refusal by the other is the client's answer, and both agree afterwards", async (t) => {
  if (!requireInfluxd(t)) return
  const [a, b] = await openInfluxdPair(t)
  const troubled = `{ location = "${b.url}/write", max-delay-interval = "100ms" }`
  const config = await relayConfig({ outputs: [a.url, troubled] })
  await using relay = await startRelayProcess({ config: config.toml })
  assert.equal((await relay.write('m v=0.5 0')).status, 204)
  await untilNothingPends(config.adminUrl)
  await b.kill('SIGKILL')
  for (let i = 1; i <= 20; i++) {
    assert.equal((await relay.write(`m v=${i} ${i}`)).status, 204)
    const refused = await relay.write(`m v="x" ${i}\nm,part=1 v=${i} ${i}`)
    assert.equal(refused.status, 400)
    assert.match(refused.body, /"partial write: field type conflict: .* dropped=1"/)
  }
  assert.equal(booksOf(await readMetrics(config.adminUrl), 'b').outcomes['refused'], 0)
  await b.start()
  const samples = await untilNothingPends(config.adminUrl)
  for (const name of ['a', 'b']) assert.equal(booksOf(samples, name).outcomes['refused'], 20)
  const points = await a.points('db')
  assert.equal(points.length, 41)
  assert.deepEqual(await b.points('db'), points)
})

test('a client that spells its database wrong does not disturb one that spells it right', async (t) => {
  if (!requireInfluxd(t)) return
  const [a, b] = await openInfluxdPair(t, ['good'])
  const config = await relayConfig({ outputs: [a.url, b.url] })
  await using relay = await startRelayProcess({ config: config.toml })
  const run = async (database: string, expected: number) => {
    using client = openWriteClient(relay.url)
    for (let i = 0; i < scaled(100); i++) {
      const answer = await client.write(`m v=${i}i ${i}`, `db=${database}`)
      assert.equal(answer.status, expected, answer.body)
    }
  }
  await Promise.all([run('good', 204), run('goood', 404)])
  const samples = await untilNothingPends(config.adminUrl)
  assert.equal(sumOf(samples, 'relay_streams'), 0)
  const points = await a.points('good')
  assert.equal(points.length, scaled(100))
  assert.deepEqual(await b.points('good'), points)
})
