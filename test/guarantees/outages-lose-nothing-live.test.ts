/**
 * G4, G5, G6 with the whole program and real sockets: an outage costs nothing. The sister of
 * outages-lose-nothing.test.ts, which tries far more of them on a clock of its own.
 *
 * Method: a fake server fails in one way until it has been asked a random number of times, and is
 * then well, while a client overwrites eight keys in sequence. The other output takes everything.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type FakeAnswer,
  type FakeInflux,
  openFakeInflux,
  type ReceivedRequest,
} from '../support/fake-influx.ts'
import { assertBooksBalance, booksOf, untilNothingPends } from '../support/metrics.ts'
import { relayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'
import { between, type Random, seededRandom } from '../support/seeded-random.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { scaled } from '../support/trials.ts'
import { openWriteClient, type WriteClient } from '../support/write-client.ts'

const KEYS = 8
const OUTAGES = scaled(3)
const FAILURES_MAX = 25
const WRITES_BETWEEN_MAX = 20
const KINDS = ['close', 'half', 'reset', '500', 'hang', 'slow'] as const
type Kind = (typeof KINDS)[number]

/** Holds the last value of each key, and fails on order. */
class Database {
  readonly values = new Map<string, number>()
  readonly #random: Random
  #kind: Kind | undefined
  #failuresLeft = 0
  #ended = Promise.withResolvers<void>()

  constructor(random: Random, influx: FakeInflux) {
    this.#random = random
    influx.answer = (request) => this.#answer(request)
  }

  get isFailing(): boolean {
    return this.#kind !== undefined
  }

  fail(kind: Kind): void {
    this.#kind = kind
    const isOnce = kind === 'hang' || kind === 'slow'
    this.#failuresLeft = isOnce ? 1 : between(this.#random, 1, FAILURES_MAX)
  }

  /** What hangs goes on. */
  release(): void {
    this.#ended.resolve()
    this.#ended = Promise.withResolvers()
  }

  async #answer(request: ReceivedRequest): Promise<FakeAnswer> {
    const kind = this.#kind
    if (kind === undefined) return this.#store(request)
    if (--this.#failuresLeft <= 0) this.#kind = undefined
    if (kind === 'hang' || kind === 'slow') await this.#ended.promise
    if (kind === 'slow') return this.#store(request)
    if (this.#random() < 0.3) this.#store(request)
    if (kind === 'hang') return 'reset'
    return kind === '500' ? 500 : kind
  }

  #store({ body }: ReceivedRequest): FakeAnswer {
    for (const [, key = '', value] of body.matchAll(/^(\w+) v=(\d+)i /gm)) {
      this.values.set(key, Number(value))
    }
    return 204
  }
}

class KeyWriter {
  readonly acknowledged = new Map<string, number>()
  #written = 0
  readonly #client: WriteClient

  constructor(client: WriteClient) {
    this.#client = client
  }

  async write(): Promise<void> {
    const value = this.#written++
    const key = `k${value % KEYS}`
    const { status } = await this.#client.write(`${key} v=${value}i 1\n`)
    assert.equal(status, 204)
    this.acknowledged.set(key, value)
  }
}

for (const log of ['in memory', 'on disk'] as const) {
  test(`a server that fails and is well again has every line and every last value, with the log ${log}`, async (t) => {
    const random = seededRandom(Date.now())
    await using a = await openFakeInflux()
    await using b = await openFakeInflux()
    const database = new Database(random, b)
    const troubled = `{ location = "${b.url}/write", max-delay-interval = "100ms" }`
    const http = log === 'on disk' ? `log-dir = "${await temporaryFolder(t)}"` : ''
    const config = await relayConfig({ outputs: [a.url, troubled], http })
    await using relay = await startRelayProcess({ config: config.toml })
    using client = openWriteClient(relay.url)
    const writer = new KeyWriter(client)

    const seen: Kind[] = []
    for (let i = 0; i < OUTAGES; i++) {
      const kind = KINDS[between(random, 0, KINDS.length - 1)] ?? 'close'
      seen.push(kind)
      database.fail(kind)
      while (database.isFailing) await writer.write()
      for (let n = between(random, 0, WRITES_BETWEEN_MAX); n > 0; n--) await writer.write()
      database.release()
    }
    await writer.write() // What follows.
    const books = booksOf(await untilNothingPends(config.adminUrl), 'b')
    assertBooksBalance(books)
    assert.equal(books.outcomes['delivered'], books.accepted, seen.join(', '))
    assert.deepEqual(database.values, writer.acknowledged, seen.join(', '))
  })
}
