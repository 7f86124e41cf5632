/**
 * G4: same order everywhere.
 *
 * Writes of one relay to one database are applied by every output in the one order of the log, also
 * across retries, outages and restarts. Overwritten points and racing field types end the same on
 * all outputs.
 *
 * Method: clients note what they send and what they are told (write-journal.ts), before two real
 * servers, of which one is in trouble; then both databases are read back. `RELAY_TRIALS=4` tries
 * four times as much: 1,000 races of a kind, a pause of 10 s, 20 large bodies.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type FaultProxy, openFaultProxy } from '../support/fault-proxy.ts'
import { type Influxd, openInfluxdPair, requireInfluxd } from '../support/influxd.ts'
import { untilNothingPends } from '../support/metrics.ts'
import { openRawConnection } from '../support/raw-http.ts'
import { relayConfig, type TestRelayConfig } from '../support/relay-config.ts'
import { type RelayProcess, startRelayProcess } from '../support/relay-process.ts'
import { scaled, TRIALS } from '../support/trials.ts'
import { openWriteClient } from '../support/write-client.ts'
import { type JournalPoint, WriteJournal } from '../support/write-journal.ts'

const T0 = 1_700_000_000_000_000_000n
const WEEK_NS = 7n * 24n * 3600n * 1_000_000_000n
const PAUSE_MS = TRIALS > 1 ? 10_000 : 1000

interface Setting extends AsyncDisposable {
  readonly relay: RelayProcess
  readonly config: TestRelayConfig
  readonly servers: readonly [Influxd, Influxd]
  /** Before the second server. */
  readonly proxy: FaultProxy
}

/**
 * Two real servers, the second one behind a proxy, and the relay before both.
 *
 * @param timeouts after which each of them counts as down: never, unless the test is about that
 */
async function open(t: TestContext, timeouts: readonly string[] = []): Promise<Setting> {
  await using opened = new AsyncDisposableStack()
  const servers = await openInfluxdPair(t)
  const proxy = opened.use(await openFaultProxy(servers[1].port))
  const outputs = [servers[0], proxy].map(({ url }, index) => {
    const keys = `timeout = "${timeouts[index] ?? '1h'}", max-delay-interval = "200ms"`
    return `{ location = "${url}/write", ${keys} }`
  })
  const config = await relayConfig({ outputs })
  const relay = opened.use(await startRelayProcess({ config: config.toml }))
  const owned = opened.move()
  return { relay, config, servers, proxy, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Both hold the same points of the same types, and what the clients were told. */
async function assertAgreed(setting: Setting, journal: WriteJournal): Promise<void> {
  const [a, b] = setting.servers
  await untilNothingPends(setting.config.adminUrl)
  const [pointsA, pointsB] = [await a.points('db'), await b.points('db')]
  assert.deepEqual(journal.findings(pointsA).slice(0, 10), [], 'the first server')
  assert.deepEqual(journal.findings(pointsB).slice(0, 10), [], 'the second server')
  assert.deepEqual(pointsB, pointsA)
  const fieldTypes = (server: Influxd) => server.query('SHOW FIELD KEYS', 'db')
  assert.deepEqual(await fieldTypes(b), await fieldTypes(a))
}

/** The same key from two clients at once, and each of them again only when both are answered. */
async function race(
  { relay }: Setting,
  rounds: number,
  pointsOf: (round: number) => readonly [JournalPoint, JournalPoint],
): Promise<WriteJournal> {
  const journal = new WriteJournal()
  using one = openWriteClient(relay.url)
  using two = openWriteClient(relay.url)
  for (let round = 0; round < rounds; round++) {
    const [first, second] = pointsOf(round)
    await Promise.all([journal.write(one, first), journal.write(two, second)])
  }
  return journal
}

/** A field that is new in each round, in a measurement that is new in each second one. */
function newField(round: number): readonly [JournalPoint, JournalPoint] {
  const isNewMeasurement = round % 2 === 0
  const series = isNewMeasurement ? `m${round}` : `wide${Math.floor(round / 50)}`
  const name = isNewMeasurement ? 'v' : `v${round}`
  const time = T0 + BigInt(round)
  return [
    { series, time, field: `${name}=1i` },
    { series, time, field: `${name}=1.5` },
  ]
}

function onePoint(round: number): readonly [JournalPoint, JournalPoint] {
  const [series, time] = [`p,host=h${round % 20}`, T0 + BigInt(round)]
  return [
    { series, time, field: 'v=1i' },
    { series, time, field: 'v=2i' },
  ]
}

const RACES = [
  { what: 'both servers well', delayMs: 0, rounds: scaled(250) },
  { what: 'one server 20 ms away', delayMs: 20, rounds: scaled(15) },
] as const

for (const { what, delayMs, rounds } of RACES) {
  test(`two clients race on a new field: the same type wins everywhere, the other is told (${what})`, async (t) => {
    if (!requireInfluxd(t)) return
    await using setting = await open(t)
    if (delayMs > 0) setting.proxy.fault = { kind: 'delay', ms: delayMs }
    const journal = await race(setting, rounds, newField)
    setting.proxy.fault = { kind: 'none' }
    assert.deepEqual(journal.statuses, { 204: rounds, 400: rounds })
    await assertAgreed(setting, journal)
  })

  test(`two clients race on one point: the same value stands everywhere (${what})`, async (t) => {
    if (!requireInfluxd(t)) return
    await using setting = await open(t)
    if (delayMs > 0) setting.proxy.fault = { kind: 'delay', ms: delayMs }
    const journal = await race(setting, rounds, onePoint)
    setting.proxy.fault = { kind: 'none' }
    assert.deepEqual(journal.statuses, { 204: rounds * 2 })
    await assertAgreed(setting, journal)
  })
}

/**
 * Writes v=1, 2, 3 to one key after the other until it is stopped, each value when the one before
 * is acknowledged; what is answered 5xx it sends again, as Telegraf does.
 */
class CountingClient {
  readonly journal = new WriteJournal()
  #isStopped = false
  readonly #done: Promise<void>
  #progress: { readonly keys: number; readonly reached: () => void } | undefined

  constructor(url: string) {
    this.#done = this.#run(url)
  }

  /** Resolves when so many more keys have been written. */
  async keys(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#progress = { keys: this.journal.keyCount + count, reached: resolve }
    await Promise.race([promise, this.#done])
  }

  async stop(): Promise<WriteJournal> {
    this.#isStopped = true
    await this.#done
    return this.journal
  }

  async #run(url: string): Promise<void> {
    using client = openWriteClient(url)
    for (let key = 0; !this.#isStopped; key++) {
      for (const value of [1, 2, 3]) {
        const [series, time] = [`c,host=h${key % 20}`, T0 + BigInt(key)]
        const send = () => this.journal.write(client, { series, time, field: `v=${value}i` })
        while ((await send()).status >= 500);
      }
      if (this.journal.keyCount >= (this.#progress?.keys ?? Infinity)) this.#progress?.reached()
    }
  }
}

interface Trouble {
  readonly what: string
  /** The one that is in trouble; the other is waited for, however long it takes. */
  readonly server: 0 | 1
  /** Makes and ends the trouble, while the client goes on. */
  readonly make: (setting: Setting, client: CountingClient) => Promise<void>
}

const isDown = ({ msg }: { readonly msg: string }) => msg.includes('is down')

const TROUBLES: readonly Trouble[] = [
  {
    what: 'is paused for a while',
    server: 0,
    make: async ({ relay, servers: [a] }, client) => {
      const startedAt = performance.now()
      await a.pause()
      await relay.nextLog(isDown)
      do await client.keys(scaled(100))
      while (performance.now() - startedAt < PAUSE_MS)
      a.resume()
    },
  },
  {
    what: 'is killed and comes back',
    server: 0,
    make: async ({ relay, servers: [a] }, client) => {
      await a.kill('SIGKILL')
      await relay.nextLog(isDown)
      await client.keys(scaled(100))
      await a.start()
    },
  },
  {
    what: 'is on a line of 1 kB/s',
    server: 1,
    make: async ({ proxy, relay }, client) => {
      proxy.fault = { kind: 'rate', bytesPerSecond: 1000 }
      await relay.nextLog(isDown)
      await client.keys(scaled(100))
      proxy.fault = { kind: 'none' }
    },
  },
]

for (const { what, server, make } of TROUBLES) {
  test(`a client counts up in every key while a server ${what}: no key lost, none stale`, async (t) => {
    if (!requireInfluxd(t)) return
    await using setting = await open(t, server === 0 ? ['1s', '1h'] : ['1h', '1s'])
    const client = new CountingClient(setting.relay.url)
    await client.keys(scaled(50))
    await make(setting, client)
    await client.keys(scaled(50))
    const { statuses, keyCount } = await client.stop()
    t.diagnostic(`${keyCount} keys, answers ${JSON.stringify(statuses)}`)
    assert.deepEqual(Object.keys(statuses), ['204'], JSON.stringify(statuses))
    await assertAgreed(setting, client.journal)
  })
}

const LINES = 4000
/** In the first week, with the refused line among them; all others are in the second. */
const FIRST_WEEK_LINES = 50
const REFUSED_LINE = 25
/** Of the lines of the second week each so many-th is overwritten by the next write. */
const OVERWRITTEN_EVERY = 40

/** InfluxDB keeps each week in a shard of its own, and answers as soon as one has refused. */
function bodyLine(trial: number, line: number, value: string): string {
  const week = line < FIRST_WEEK_LINES ? T0 : T0 + WEEK_NS
  return `m${trial},n=${line} v=${value} ${week + BigInt(line)}`
}

const lineNumbers = Array.from({ length: LINES }, (_, line) => line)
const isOverwritten = (line: number) =>
  line >= FIRST_WEEK_LINES && line % OVERWRITTEN_EVERY === OVERWRITTEN_EVERY - 1

test('a body that is refused in part is not overtaken by the next write', async (t) => {
  if (!requireInfluxd(t)) return
  await using setting = await open(t)
  const { relay, config, servers } = setting
  const expected: string[] = []
  for (let trial = 0; trial < scaled(5); trial++) {
    const before = `m${trial} v=0.5 ${T0}`
    assert.equal((await relay.write(before)).status, 204)
    const sentValue = (line: number) => (line === REFUSED_LINE ? '"text"' : '1')
    const body = lineNumbers.map((line) => bodyLine(trial, line, sentValue(line)))
    const next = lineNumbers.filter(isOverwritten).map((line) => bodyLine(trial, line, '2'))
    // The next write waits in the socket, or is sent as soon as the client has its answer.
    const [refused, stored] = await sendInOrder(relay, [body, next], trial % 2 === 0)
    assert.equal(refused?.status, 400)
    assert.match(refused.body, /"partial write: .* dropped=1"/)
    assert.equal(stored?.status, 204)
    const final = (line: number) => bodyLine(trial, line, isOverwritten(line) ? '2' : '1')
    expected.push(before, ...lineNumbers.filter((line) => line !== REFUSED_LINE).map(final))
  }
  await untilNothingPends(config.adminUrl)
  for (const [index, server] of servers.entries()) {
    const stored = await server.points('db')
    const has = new Set(stored)
    const missing = expected.filter((line) => !has.has(line))
    t.diagnostic(`server ${index + 1}: ${missing.length} of ${expected.length} points wrong`)
    assert.deepEqual(missing.slice(0, 10), [])
    assert.equal(stored.length, expected.length)
  }
})

/** Both on one connection, which is what says which of them is first. */
async function sendInOrder(
  relay: RelayProcess,
  writes: readonly (readonly string[])[],
  atOnce: boolean,
): Promise<{ readonly status: number; readonly body: string }[]> {
  await using connection = await openRawConnection(relay.url)
  const requests = writes.map((lines) => {
    const body = lines.join('\n')
    return `POST /write?db=db HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  })
  const answers: { readonly status: number; readonly body: string }[] = []
  if (atOnce) await connection.send(requests.join(''))
  for (const request of requests) {
    if (!atOnce) await connection.send(request)
    answers.push(await connection.response())
  }
  return answers
}
