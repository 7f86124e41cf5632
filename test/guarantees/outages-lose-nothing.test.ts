/**
 * G4, G5, G6: an outage costs nothing. A server that fails in whatever way, and is then well, has
 * every good line, and of each key the last value that was acknowledged.
 *
 * Method: one output takes everything, the other one has outages of every kind and length, one
 * after the other, also in the middle of recovering from the last. A client overwrites eight keys
 * in sequence all the while. Time is the test's, so the default waits between attempts cost none.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { openDiskLog } from '../../src/log/open-disk-log.ts'
import type { Relay } from '../../src/relay/relay.ts'
import { openTestDeadLetters } from '../support/dead-letter-fixture.ts'
import { LOG_FOLDER, simulatedLock } from '../support/disk-log-fixture.ts'
import { FlakyServer, OUTAGES, type Outage } from '../support/flaky-server.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { openTestRelay, outputOf, type Setup, SILENT, writeOf } from '../support/scripted-relay.ts'
import { between, type Random, seededRandom } from '../support/seeded-random.ts'
import { SimulatedFileSystem } from '../support/simulated-file-system.ts'
import { scaled } from '../support/trials.ts'

const KEYS = 8
const OUTAGES_A_RELAY = 10
const RELAYS = scaled(5)
const WRITES_AN_OUTAGE = 30
const OUTAGE_MIN_MS = 50
const OUTAGE_MAX_MS = 300_000
const GAP_MAX_MS = 10_000
const DRAIN_MAX_MS = 3_600_000
/** As a relay has it without a word about it. */
const DEFAULTS = { delayMaxMs: 10_000, timeoutMs: 10_000, bufferBytes: 64e6, batchMaxBytes: 4e6 }

class World {
  readonly clock = new ManualClock()
  readonly b: FlakyServer
  readonly acknowledged = new Map<string, number>()
  readonly #relay: Relay
  #written = 0

  static async open(random: Random, log: 'memory' | 'disk'): Promise<World> {
    const clock = new ManualClock()
    const [a, b] = [0, 1].map(() => new FlakyServer(clock, random)) as [FlakyServer, FlakyServer]
    const disk = log === 'disk' ? await diskSetup(clock) : {}
    const setup: Setup = { clock, output: DEFAULTS, ...disk }
    return new World(clock, b, (await openTestRelay([a, b], setup)).relay)
  }

  private constructor(clock: ManualClock, b: FlakyServer, relay: Relay) {
    this.clock = clock
    this.b = b
    this.#relay = relay
  }

  async outage(kind: Outage, ms: number): Promise<void> {
    this.b.begin(kind)
    for (let i = 0; i < WRITES_AN_OUTAGE; i++) {
      await this.write()
      await this.clock.advance(ms / WRITES_AN_OUTAGE)
    }
    this.b.end()
  }

  async write(): Promise<void> {
    const value = this.#written++
    const key = `k${value % KEYS}`
    let status = 0
    void this.#relay.accept(writeOf(`${key} ${value}\n`)).then((reply) => {
      status = reply.status
    })
    while (status === 0) await this.clock.advance(5)
    assert.equal(status, 204)
    this.acknowledged.set(key, value)
  }

  /** Writes go on now and then, as they do; what waits for a successor gets one. */
  async drain(): Promise<void> {
    for (
      let ms = 0;
      ms < DRAIN_MAX_MS && outputOf(this.#relay, 'b').pendingLines > 0;
      ms += 20_000
    ) {
      await this.write()
      await this.clock.advance(20_000)
    }
  }

  check(what: string): void {
    const { outcomeLines, pendingLines } = outputOf(this.#relay, 'b')
    const { refused, dropped, 'dead-lettered': deadLettered } = outcomeLines
    const none = { pendingLines: 0, refused: 0, dropped: 0, deadLettered: 0 }
    assert.deepEqual({ pendingLines, refused, dropped, deadLettered }, none, what)
    assert.deepEqual(
      new Map([...this.b.values].sort()),
      new Map([...this.acknowledged].sort()),
      what,
    )
  }

  async close(): Promise<void> {
    await this.#relay[Symbol.asyncDispose]()
  }
}

async function diskSetup(clock: ManualClock): Promise<Partial<Setup>> {
  const files = new SimulatedFileSystem()
  const outputs = ['a', 'b'].map((name) => ({ name, boundBytes: 1e9 }))
  const common = { files, clock, logger: SILENT, randomBytes, lock: simulatedLock }
  const disk = await openDiskLog({ ...common, folder: LOG_FOLDER, outputs, maxBytes: 1e9 })
  const deadLetters = [
    await openTestDeadLetters(files, { clock, output: 'a' }),
    await openTestDeadLetters(files, { clock, output: 'b' }),
  ]
  return { disk, deadLetters }
}

/** Short ones are as likely as long ones. */
function outageMs(random: Random): number {
  return OUTAGE_MIN_MS * (OUTAGE_MAX_MS / OUTAGE_MIN_MS) ** random()
}

for (const log of ['memory', 'disk'] as const) {
  test(`outages of every kind and length lose nothing, with the log ${log === 'disk' ? 'on disk' : 'in memory'}`, async () => {
    for (let seed = 1; seed <= RELAYS; seed++) {
      const random = seededRandom(seed)
      const world = await World.open(random, log)
      const seen: string[] = []
      for (let i = 0; i < OUTAGES_A_RELAY; i++) {
        const kind = OUTAGES[between(random, 0, OUTAGES.length - 1)] ?? 'close'
        const ms = outageMs(random)
        seen.push(`${kind} for ${Math.round(ms)} ms`)
        await world.outage(kind, ms)
        if (random() < 0.5) await world.drain()
        else await world.clock.advance(random() * GAP_MAX_MS)
      }
      await world.drain()
      world.check(`seed ${seed}: ${seen.join(', ')}`)
      await world.close()
    }
  })
}
