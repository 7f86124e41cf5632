/**
 * What an output gives up at its bound, or gives back when memory is full, beside what it is
 * sending, has on hold, or cannot settle yet: each write has one fate, and what is delivered is in
 * order.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { type Clock, systemClock } from '../../src/std/clock.ts'
import { drained, openDurableRelay, Server } from '../support/durable-relay.ts'
import { statementOf } from '../support/fresh-server.ts'
import { hurriedClock } from '../support/hurried-clock.ts'
import { outputOf, writeOf } from '../support/scripted-relay.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { scaled } from '../support/trials.ts'
import { until } from '../support/wait.ts'

let firedTimers = 0
const clock: Clock = {
  ...hurriedClock,
  startTimer(delayMs, fire, options) {
    const count = () => {
      firedTimers++
      fire()
    }
    return hurriedClock.startTimer(delayMs, count, options)
  },
}
const BOUNDED = { boundBytes: 10_000, windowBytes: 1e6, clock, lagMaxMs: 0 }

/** The log on disk has saved its cursors, and what is over its bound is being given up. */
async function boundsLookedAt(): Promise<void> {
  const before = firedTimers
  await until(() => firedTimers > before + 2, { what: 'the log has looked at its bounds' })
}

/** Of each write its number, in the order in which they were stored. */
function timesOf({ stored }: Pick<Server, 'stored'>): number[] {
  return stored.map((body) => Number(body.split(' ')[2]))
}

function assertRising(times: readonly number[]): void {
  assert.deepEqual(
    times,
    times.toSorted((x, y) => x - y),
  )
}

test('what was taken and waits is given up as well, though another database is on hold', async (t) => {
  const servers = [new Server(), new Server()]
  const [a, b] = servers as [Server, Server]
  b.busyWith = 'x'
  b.missing = 'y'
  const { relay, disk } = await openDurableRelay(await temporaryFolder(t), servers, BOUNDED)
  let next = 0
  const write = () => relay.accept(writeOf(`m v=1 ${next++}\n`, next % 2 === 0 ? 'y' : 'x'))
  for (let i = 0; i < 20; i++) await write()
  await until(() => outputOf(relay, 'b').holds === 1, { what: 'y is on hold' })
  const isToDrop = async () => {
    for (let i = 0; i < 20; i++) await write()
    // The oldest is one of x, and was sent and answered "busy".
    return disk.cursorOf(1).done.below > 1
  }
  await until(isToDrop, { what: 'the oldest is given up' })
  assert(outputOf(relay, 'b').holds === 1)
  b.busyWith = ''
  b.missing = ''
  await drained(relay, ['a', 'b'])
  const { dropped, refused, delivered } = outputOf(relay, 'b').outcomeLines
  assert.equal(dropped + refused + delivered, next)
  assert.equal(b.stored.length, delivered)
  assert.equal(a.stored.length, next)
  for (const half of [0, 1]) assertRising(timesOf(b).filter((time) => time % 2 === half))
  await relay[Symbol.asyncDispose]()
})

test('at the log’s bound one that is up gives up nothing until it is really behind', async (t) => {
  const servers = [new Server(), new Server()]
  const [a, b] = servers as [Server, Server]
  let nowMs = 0
  const { relay, disk } = await openDurableRelay(await temporaryFolder(t), servers, {
    ...{ maxBytes: 60_000, windowBytes: 1e6 },
    clock: { ...clock, monotonicMs: () => nowMs },
  })
  let delivery = 0
  const fill = async () => {
    const isFull = async () => {
      // Until one is refused: what was taken before it is on the disk by then, or on its way.
      for (let i = 0; i < 10; i++) {
        const refusal = relay.acceptUnanswered(
          writeOf(`m v=1,text="${'x'.repeat(500)}" ${delivery}\n`),
        )
        if (refusal === undefined) delivery++
        else return refusal === 'log-full'
      }
      return false
    }
    await until(isFull, { what: 'the log is full' })
    const isOnDisk = () => relay.snapshot().acceptedWrites === delivery
    await until(isOnDisk, { what: 'all that was taken is on the disk' })
    await drained(relay, ['a'])
    await boundsLookedAt()
  }
  const dropped = () => outputOf(relay, 'b').droppedLines['backlog-full']
  for (let round = 0; round < 3; round++) {
    b.hold()
    await fill()
    assert.equal(outputOf(relay, 'b').isUp, true)
    assert.equal(dropped(), 0)
    b.release()
    await drained(relay, ['b'])
    await until(() => disk.canAppend, { what: 'there is room again' })
  }
  assert.equal(a.stored.length, delivery)
  assert.deepEqual(b.stored, a.stored)

  b.hold()
  await fill()
  const isToDrop = () => {
    nowMs += 1_000
    return dropped() > 0
  }
  await until(isToDrop, { what: 'it is really behind, and gives up' })
  b.release()
  await drained(relay, ['b'])
  assert.equal(b.stored.length + dropped(), delivery)
  await until(() => disk.canAppend, { what: 'there is room again' })
  await relay[Symbol.asyncDispose]()
})

test('with a full log no write on hold is refused that no other output is through with', async (t) => {
  const servers = [new Server(), new Server()]
  const [a, b] = servers as [Server, Server]
  a.isUp = false
  b.missing = 'y'
  const { relay, disk } = await openDurableRelay(await temporaryFolder(t), servers, {
    ...{ maxBytes: 60_000, windowBytes: 1e6, clock, lagMaxMs: 0 },
  })
  let delivery = 0
  const isFull = async () => {
    for (let i = 0; i < 10; i++) {
      const refusal = relay.acceptUnanswered(
        writeOf(`m v=1,text="${'x'.repeat(500)}" ${delivery}\n`, 'y'),
      )
      if (refusal === undefined) delivery++
      else return refusal === 'log-full'
    }
    return false
  }
  await until(isFull, { what: 'the log is full' })
  const areSynced = () => relay.snapshot().acceptedWrites === delivery
  await until(areSynced, { what: 'all that was offered is on the disk' })
  await until(() => outputOf(relay, 'b').heldWrites > 10, { what: 'y is on hold' })
  for (let i = 0; i < 3; i++) await boundsLookedAt()
  assert.equal(disk.canAppend, false)
  const { refused, dropped } = outputOf(relay, 'b').outcomeLines
  assert.deepEqual([refused, dropped], [0, 0])
  b.missing = ''
  await drained(relay, ['b'])
  assert.equal(outputOf(relay, 'b').outcomeLines.delivered, delivery)
  await relay[Symbol.asyncDispose]()
})

test('a write whose dead letter cannot be kept is not sent again, nor given up', async (t) => {
  const servers = [new Server(), new Server()]
  const [, b] = servers as [Server, Server]
  b.refuses = 'bad'
  const folder = await temporaryFolder(t)
  const { relay } = await openDurableRelay(folder, servers, { ...BOUNDED, letters: 'failing' })
  assert.equal((await relay.accept(writeOf('bad 0\n'))).status, 204)
  const isRefused = () => outputOf(relay, 'b').outcomeLines['dead-lettered'] === 1
  await until(isRefused, { what: 'it is refused' })
  const attempts = () => b.attempts.items.filter((body) => body.includes('bad')).length
  const attempted = attempts()
  b.isUp = false
  let next = 1
  const isToDrop = async () => {
    for (let i = 0; i < 50; i++) await relay.accept(writeOf(`m v=1 ${next++}\n`))
    return outputOf(relay, 'b').outcomeLines.dropped > 0
  }
  await until(isToDrop, { what: 'b gives up' })
  b.isUp = true
  await drained(relay, ['a', 'b'])
  assert.equal(outputOf(relay, 'b').outcomeLines['dead-lettered'], 1)
  assert.equal(attempts(), attempted)
  await relay[Symbol.asyncDispose]()
})

test('a probe that waits for its output when that gives up goes back to its hold', async (t) => {
  const servers = [new Server(), new Server()]
  const [, b] = servers as [Server, Server]
  b.busyWith = 'x'
  b.missing = 'y'
  const { relay, disk } = await openDurableRelay(await temporaryFolder(t), servers, BOUNDED)
  let next = 0
  // Of now: what is read again from the disk is as old as that, and a hold has its grace.
  const write = (to: string) =>
    relay.accept({ ...writeOf(`m v=1 ${next++}\n`, to), receivedAtMs: systemClock.wallMs() })
  for (let i = 0; i < 80; i++) await write('x')
  for (let i = 0; i < 3; i++) await write('y')
  await until(() => outputOf(relay, 'b').heldWrites > 1, { what: 'y is on hold' })
  b.isUp = false
  await until(() => !outputOf(relay, 'b').isUp, { what: 'the output is down' })
  // Not one segment more than its bound: the oldest one is given up, and y stands in the next.
  while (disk.snapshot().bytes <= BOUNDED.boundBytes) await write('x')
  await until(() => outputOf(relay, 'b').outcomeLines.dropped > 0, { what: 'b gives up' })
  assert.equal(outputOf(relay, 'b').holds, 1)
  Object.assign(b, { isUp: true, busyWith: '', missing: '' })
  await drained(relay, ['a', 'b'])
  const { dropped, delivered } = outputOf(relay, 'b').outcomeLines
  assert.equal(dropped + delivered, next)
  assert(dropped < 80)
  assertRising(timesOf(b).filter((time) => time >= 80 && time < 83))
  await relay[Symbol.asyncDispose]()
})

/** Databases and retention policies; holds are of the latter, streams of the former. */
const TARGETS = ['x', 'y'].flatMap((db) => ['one', 'two'].map((rp) => [db, rp] as const))

type Step =
  | { readonly kind: 'write'; readonly count: number; readonly to: readonly [string, string] }
  | { readonly kind: 'statement'; readonly database: string }
  | { readonly kind: 'server'; readonly index: number; readonly change: Change }
  | { readonly kind: 'wait' }

/** What becomes of a server, until the next change. */
type Change = { readonly [K in 'isUp' | 'isHanging']?: boolean } & {
  readonly [K in 'busyWith' | 'missing']?: string
}

const WELL: Change = { isUp: true, isHanging: false, busyWith: '', missing: '' }

const change: fc.Arbitrary<Change> = fc.record(
  {
    isUp: fc.boolean(),
    isHanging: fc.boolean(),
    busyWith: fc.constantFrom('', 'x', 'y'),
    missing: fc.constantFrom('', 'one', 'one', 'two'),
  },
  { requiredKeys: [] },
)

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      count: fc.integer({ min: 1, max: 60 }),
      to: fc.constantFrom(...TARGETS),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('server' as const), index: fc.nat(1), change }),
  },
  { weight: 6, arbitrary: fc.constant({ kind: 'wait' as const }) },
)

const withStatements: fc.Arbitrary<Step> = fc.oneof(
  { weight: 16, arbitrary: step },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('statement' as const),
      database: fc.constantFrom('x', 'y'),
    }),
  },
)

function apply(server: Server, { isHanging, ...state }: Change): void {
  Object.assign(server, state)
  if (isHanging === true) server.hold()
  if (isHanging === false) server.release()
}

function oneFateForEach(t: TestContext, steps = step) {
  return fc.asyncProperty(
    fc.array(steps, { minLength: 10, maxLength: 60, size: 'max' }),
    fc.constantFrom(2_000, 1e6),
    fc.constantFrom(40_000, 1e8),
    async (played, windowBytes, memoryBytes) => {
      await play(await temporaryFolder(t), played, { windowBytes, memoryBytes })
    },
  )
}

test('whatever is given up, on hold or failing: one fate for each write, and all in order', (t) =>
  fc.assert(oneFateForEach(t), { numRuns: scaled(12) }))

test('the same with statements, which are never given up', (t) =>
  fc.assert(oneFateForEach(t, withStatements), { numRuns: scaled(12) }))

test('records that come back after reading has begun anew are not taken for the next ones', (t) =>
  fc.assert(oneFateForEach(t), { seed: -1432925552, path: '33', endOnFailure: true, numRuns: 1 }))

async function play(
  folder: string,
  steps: readonly Step[],
  sizes: { readonly windowBytes: number; readonly memoryBytes: number },
): Promise<void> {
  const servers = [new Server(), new Server()]
  const opened = await openDurableRelay(folder, servers, { ...BOUNDED, ...sizes })
  const { relay, memory } = opened
  let number = 0
  const statements: string[] = []
  for (const each of steps) {
    if (each.kind === 'wait') await boundsLookedAt()
    else if (each.kind === 'statement') {
      const statement = {
        ...statementOf(each.database),
        body: Buffer.from(`statement ${number++}`),
      }
      if (relay.acceptUnanswered(statement) === undefined) statements.push(String(statement.body))
    } else if (each.kind === 'server') apply(servers[each.index] ?? new Server(), each.change)
    else {
      const to = each.to.join()
      const bodies = Array.from({ length: each.count }, () => `m,to=${to} v=1 ${number++}\n`)
      for (const body of bodies) relay.acceptUnanswered(writeOf(body, each.to))
    }
  }
  for (const server of servers) apply(server, WELL)
  // What comes in one go may be more than memory holds before it is on the disk.
  const refused = relay.snapshot().refusedWrites['memory-full']
  const isTaken = () =>
    relay.snapshot().outputs.every((each) => each.acceptedLines === number - refused)
  await until(isTaken, { what: 'all is on the disk' })
  await drained(relay, ['a', 'b'])
  assert.equal(memory.usedBytes, 0)
  for (const [index, server] of servers.entries()) {
    const { delivered } = outputOf(relay, index === 0 ? 'a' : 'b').outcomeLines
    assert.equal(server.stored.length, delivered)
    assert.equal(new Set(server.stored).size, delivered, 'one was stored twice')
    for (const statement of statements) assert(server.stored.includes(statement), statement)
    for (const to of TARGETS) {
      const its = server.stored.filter((body) => body.includes(`to=${to.join()} `))
      assertRising(timesOf({ stored: its }))
    }
  }
  await relay[Symbol.asyncDispose]()
}
