/**
 * Clients that write until they are stopped. They send each write again until it is answered 204,
 * and record which points were sent and which were acknowledged.
 *
 *     const clients = new KeptClients(relay, url, { small: 'db', large: 'db2' }, random)
 *     …
 *     await clients.stop()
 *     assert.deepEqual(clients.findings({ small: …, large: … }), [])
 *
 * Two clients write v=1, 2, 3 … to one key after the other, each value when the one before is
 * acknowledged; three write lines without a timestamp; one writes bodies of many lines.
 */
import type { MortalRelay } from './mortal-relay.ts'
import type { Random } from './seeded-random.ts'
import { openWriteClient, type WriteClient } from './write-client.ts'
import { type JournalPoint, type Note, WriteJournal } from './write-journal.ts'

const COUNTERS = 2
const UNSTAMPED = 3
const T0 = 1_700_000_000_000_000_000n
const LARGE_LINES_MAX = 2000

export interface Databases<T> {
  readonly small: T
  readonly large: T
}

/** Which points may be in a database, and which must be. */
class Points {
  readonly #sent = new Set<string>()
  readonly #acknowledged = new Set<string>()

  send(ids: readonly string[]): void {
    for (const id of ids) this.#sent.add(id)
  }

  acknowledge(ids: readonly string[]): void {
    for (const id of ids) this.#acknowledged.add(id)
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.size
  }

  findings(stored: readonly string[]): string[] {
    const there = new Set(stored)
    const lost = this.#acknowledged.difference(there)
    const invented = there.difference(this.#sent)
    return [
      ...[...lost].map((id) => `${id}: lost, though it was acknowledged`),
      ...[...invented].map((id) => `${id}: nobody sent it`),
    ]
  }
}

export class KeptClients {
  readonly #relay: MortalRelay
  readonly #databases: Databases<string>
  readonly #random: Random
  readonly #journal = new WriteJournal()
  readonly #unstamped = new Points()
  readonly #large = new Points()
  readonly #done: Promise<unknown>
  #isStopped = false

  constructor(relay: MortalRelay, url: string, databases: Databases<string>, random: Random) {
    this.#relay = relay
    this.#databases = databases
    this.#random = random
    const run = async (work: (client: WriteClient) => Promise<void>) => {
      using client = openWriteClient(url)
      await work(client)
    }
    const counters = Array.from({ length: COUNTERS }, (_, index) =>
      run((client) => this.#count(client, index)),
    )
    const unstamped = Array.from({ length: UNSTAMPED }, (_, index) =>
      run((client) => this.#writeUnstamped(client, index)),
    )
    this.#done = Promise.all([...counters, ...unstamped, run((client) => this.#writeLarge(client))])
    this.#done.catch(() => {}) // `stop` reports the error.
  }

  /** Each client finishes its current write. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#done
  }

  get summary(): string {
    const { keyCount } = this.#journal
    const points = `${this.#unstamped.acknowledgedCount} unstamped points`
    return `${keyCount} keys, ${points}, ${this.#large.acknowledgedCount} points in large bodies`
  }

  /** What is wrong with a server, in words. @param stored all points, as `Influxd.points` does */
  findings(stored: Databases<readonly string[]>): string[] {
    const isUnstamped = (line: string) => line.startsWith('u,')
    const withoutTime = (line: string) => line.slice(0, line.lastIndexOf(' '))
    const unstamped = stored.small.filter(isUnstamped).map(withoutTime)
    return [
      ...this.#journal.findings(stored.small.filter((line) => !isUnstamped(line))),
      ...this.#unstamped.findings(unstamped),
      ...this.#large.findings(stored.large),
    ]
  }

  async #count(client: WriteClient, index: number): Promise<void> {
    for (let key = 0; !this.#isStopped; key++) {
      const series = `c,client=${index},host=h${key % 20}`
      for (const value of [1, 2, 3]) {
        await this.#journalled(client, { series, field: `v=${value}i`, time: T0 + BigInt(key) })
      }
    }
  }

  async #journalled(client: WriteClient, point: JournalPoint): Promise<void> {
    const { series, field, time } = point
    const body = `${series} ${field} ${time}`
    const query = `db=${this.#databases.small}`
    for (;;) {
      let note: Note | undefined
      const onSend = () => {
        note = this.#journal.begin(point)
      }
      const answer = await this.#relay.send(client, { body, query, onSend })
      if (note === undefined) throw new Error('BUG: it was not sent')
      if (answer === undefined) this.#journal.died(note)
      else this.#journal.answered(note, answer.status)
      if (answer?.status === 204) return
    }
  }

  async #writeUnstamped(client: WriteClient, index: number): Promise<void> {
    for (let n = 0; !this.#isStopped; n++) {
      const lines = Array.from(
        { length: 1 + (n % 3) },
        (_, line) => `u,client=${index},line=${line} n=${n}i`,
      )
      await this.#deliver(client, this.#unstamped, lines, this.#databases.small)
    }
  }

  async #writeLarge(client: WriteClient): Promise<void> {
    for (let at = 0; !this.#isStopped; ) {
      // Most bodies are small, so that other clients get their turn.
      const count = 1 + Math.floor(this.#random() ** 4 * LARGE_LINES_MAX)
      const lines = Array.from({ length: count }, (_, line) => {
        const n = at + line
        return `large,part=${n % 10} n=${n}i,text="the text of line ${n}" ${T0 + BigInt(n)}`
      })
      await this.#deliver(client, this.#large, lines, this.#databases.large)
      at += count
    }
  }

  async #deliver(
    client: WriteClient,
    points: Points,
    lines: readonly string[],
    database: string,
  ): Promise<void> {
    points.send(lines)
    const write = { body: lines.join('\n'), query: `db=${database}` }
    while ((await this.#relay.send(client, write))?.status !== 204);
    points.acknowledge(lines)
  }
}
