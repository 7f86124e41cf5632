/**
 * Data that makes a server fail blocks nobody; a server that fails by itself costs no data.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Payload, Verdict } from '../../src/destinations/destination.ts'
import type { Relay } from '../../src/relay/relay.ts'
import { ManualClock, turns } from '../support/manual-clock.ts'
import {
  BUSY,
  DECLINED,
  DELIVERED,
  RESET,
  ScriptedDestination,
  UNREACHABLE,
} from '../support/scripted-destination.ts'
import { openTestRelay, outputOf, writeOf } from '../support/scripted-relay.ts'

/** Stores what does not say `bad`; at that it fails with `failure`. */
class Fragile extends ScriptedDestination {
  failure: Verdict = BUSY
  /** A reset that ends the server: it is down until the next probe. */
  isKilled = false
  readonly #sent: string[] = []

  override verdict = (payload: Payload): Verdict | Promise<Verdict> => {
    const lines = payload.writes.map(({ body }) => String(body)).join('')
    if (lines.includes('bad')) return this.failure
    this.#sent.push(...lines.split('\n').filter((line) => line !== ''))
    return DELIVERED
  }

  /** In the order in which they were stored last: what follows poison is stored again. */
  get stored(): readonly string[] {
    return [...new Set(this.#sent.toReversed())].reverse()
  }
}

async function open(failure: Verdict) {
  const clock = new ManualClock()
  const [a, b] = [new Fragile(), new ScriptedDestination()]
  a.failure = failure
  const { relay } = await openTestRelay([a, b], { clock })
  return { a, relay, clock }
}

async function settle(relay: Relay, clock: ManualClock): Promise<void> {
  for (let i = 0; i < 300 && outputOf(relay, 'a').pendingLines > 0; i++) await clock.advance(1000)
}

function write(relay: Relay, ...bodies: readonly string[]): void {
  for (const body of bodies) void relay.accept(writeOf(body))
}

for (const [name, failure] of [
  ['answers 500 to', BUSY],
  ['resets the connection on', RESET],
] as const) {
  test(`a line that a server ${name} again and again is given up once what follows is accepted`, async () => {
    const { a, relay, clock } = await open(failure)
    write(relay, '1\n', '2\nbad\n3\n', '4\n', '5\n')
    await settle(relay, clock)
    assert.deepEqual(a.stored, ['1', '2', '3', '4', '5'])
    const { outcomeLines, pendingLines } = outputOf(relay, 'a')
    assert.deepEqual([outcomeLines.refused, outcomeLines.delivered, pendingLines], [1, 5, 0])
  })

  test(`as long as nothing follows it, a line that a server ${name} is kept`, async () => {
    const { a, relay, clock } = await open(failure)
    write(relay, '1\n', 'bad\n')
    for (let i = 0; i < 100; i++) await clock.advance(1000)
    assert.equal(outputOf(relay, 'a').pendingLines, 1)
    write(relay, '2\n')
    await settle(relay, clock)
    assert.deepEqual(a.stored, ['1', '2'])
    assert.equal(outputOf(relay, 'a').outcomeLines.refused, 1)
  })

  test(`a client that repeats a line that a server ${name} blocks nobody either`, async () => {
    const { a, relay, clock } = await open(failure)
    write(relay, 'bad 1\n', 'bad 2\n', 'bad 3\n', '1\n')
    await settle(relay, clock)
    assert.deepEqual(a.stored, ['1'])
    assert.equal(outputOf(relay, 'a').outcomeLines.refused, 3)
  })
}

test('a server that fails at everything for a long time loses nothing, and nothing is overtaken', async () => {
  for (const failure of [BUSY, RESET, DECLINED]) {
    const { a, relay, clock } = await open(failure)
    const serve = a.verdict
    a.verdict = () => failure
    const bodies = Array.from({ length: 20 }, (_, i) => `${i}\n`)
    write(relay, ...bodies)
    for (let i = 0; i < 200; i++) await clock.advance(1000)
    assert.equal(outputOf(relay, 'a').pendingLines, 20)
    a.verdict = serve
    await settle(relay, clock)
    assert.deepEqual(
      a.stored,
      bodies.map((body) => body.trim()),
    )
    assert.equal(outputOf(relay, 'a').outcomeLines.refused, 0)
  }
})

test('a server that a line ends each time, and that is started anew, is spared it in the end', async () => {
  const { a, relay, clock } = await open(RESET)
  const serve = a.verdict
  a.verdict = (payload) => {
    if (!a.isUp) return UNREACHABLE
    const verdict = serve(payload)
    if (verdict === RESET) a.isUp = false // Until its supervisor has it up again, below.
    return verdict
  }
  write(relay, '1\n', 'bad\n', '2\n', '3\n')
  for (let i = 0; i < 200 && outputOf(relay, 'a').pendingLines > 0; i++) {
    await clock.advance(3000)
    a.isUp = true
  }
  assert.deepEqual(a.stored, ['1', '2', '3'])
  assert.equal(outputOf(relay, 'a').outcomeLines.refused, 1)
})

test('poison in a backlog is found without a wait for each halving', async () => {
  for (const failure of [BUSY, RESET]) {
    const { a, relay, clock } = await open(failure)
    a.isUp = false
    const serve = a.verdict
    a.verdict = (payload) => (a.isUp ? serve(payload) : UNREACHABLE)
    write(relay, ...Array.from({ length: 210 }, (_, i) => (i % 21 === 0 ? 'bad\n' : `${i}\n`)))
    await clock.advance(1_000)
    a.isUp = true
    const beganAtMs = clock.monotonicMs()
    while (outputOf(relay, 'a').outcomeLines.refused === 0) {
      write(relay, 'next\n')
      await clock.advance(100)
    }
    // The only waits between attempts left are those before data is a poison candidate, and those
    // before a line is poison.
    const waits = failure === BUSY ? 2 * 20 : 2 * 3
    const tookMs = clock.monotonicMs() - beganAtMs
    assert(tookMs <= waits * 1_000, `${tookMs} ms for ${waits} waits of a second at the most`)
  }
})

/** Ends with every request that is in flight when one says `bad`, and is started again. */
class Mortal extends Fragile {
  readonly #clock: ManualClock
  #dies = Promise.withResolvers<void>()
  deaths = 0

  constructor(clock: ManualClock) {
    super()
    this.#clock = clock
    const store = this.verdict
    this.verdict = async (payload) => {
      if (!this.isUp) return UNREACHABLE
      const dies = this.#dies.promise
      const took = new Promise<'took'>((resolve) =>
        this.#clock.startTimer(20, () => resolve('took')),
      )
      if (payload.writes.some(({ body }) => body.includes('bad'))) this.#die()
      if ((await Promise.race([took, dies])) !== 'took') return RESET
      return store(payload)
    }
  }

  #die(): void {
    this.deaths++
    this.isUp = false
    this.#dies.resolve()
    this.#dies = Promise.withResolvers()
    this.#clock.startTimer(2_000, () => {
      this.isUp = true
    })
  }
}

test('the poison of one database that ends the server puts no blame on the lines of another', async () => {
  const clock = new ManualClock()
  const a = new Mortal(clock)
  const { relay } = await openTestRelay([a, new ScriptedDestination()], { clock })
  const names: string[] = []
  // Each database has something in flight at all times; one of them has the poison.
  for (let i = 0; i < 2_000; i++) {
    const database = `db${i % 4}`
    const body = i === 40 ? 'bad\n' : `${database} ${i}\n`
    if (i !== 40) names.push(body.trim())
    void relay.accept(writeOf(body, database))
    await clock.advance(10)
  }
  for (let i = 0; i < 900 && outputOf(relay, 'a').pendingLines > 0; i++) {
    await clock.advance(1_000)
  }
  const { outcomeLines, pendingLines } = outputOf(relay, 'a')
  assert.deepEqual([outcomeLines.refused, pendingLines], [1, 0], `it died ${a.deaths} times`)
  for (let database = 0; database < 4; database++) {
    const its = (line: string) => line.startsWith(`db${database} `)
    assert.deepEqual(a.stored.filter(its), names.filter(its))
  }
})

test('overload that is said to be overload never makes a poison candidate of data', async () => {
  const { a, relay, clock } = await open(DECLINED)
  write(relay, 'bad\n', '1\n')
  for (let i = 0; i < 200; i++) await clock.advance(1000)
  assert.deepEqual(a.stored, [])
  assert.equal(outputOf(relay, 'a').outcomeLines.refused, 0)
  assert.equal(outputOf(relay, 'a').pendingLines, 2)
  await turns()
})

test('a line that every server fails at keeps no other write out for ever', async () => {
  for (const failure of [BUSY, RESET]) {
    const clock = new ManualClock()
    const [a, b] = [new Fragile(), new Fragile()]
    for (const each of [a, b]) each.failure = failure
    const { relay } = await openTestRelay([a, b], { clock })
    const statusOf = async (body: string) => {
      const reply = relay.accept(writeOf(body))
      await clock.advance(5000)
      return (await reply).status
    }
    const statuses: number[] = []
    assert.equal(await statusOf('bad\n'), 503)
    // Clients come back with what was answered 503, the one with the bad line as well.
    for (let i = 0; i < 100 && statuses.at(-1) !== 204; i++) {
      statuses.push(await statusOf(i % 5 === 4 ? 'bad\n' : 'good\n'))
    }
    assert.equal(statuses.at(-1), 204)
    for (let i = 0; i < 300; i++) await clock.advance(1000)
    assert.equal(await statusOf('next\n'), 204)
    for (const each of [a, b]) assert.deepEqual(each.stored.at(-1), 'next')
    assert.equal(outputOf(relay, 'a').pendingLines, 0)
  }
})
