/**
 * Who gives way at the bound of a backlog in memory: an output that keeps pace loses nothing, and
 * one that does not keep pace stops the clients for a moment only.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../support/manual-clock.ts'
import { BUSY, DELIVERED, ScriptedDestination } from '../support/scripted-destination.ts'
import { openTestRelay, outputOf, SILENT, writeOf } from '../support/scripted-relay.ts'

const BOUND = { bufferBytes: 20_000, batchMaxBytes: 100 }
/** One request carries all that waits. */
const LARGE_BATCHES = { bufferBytes: 20_000, batchMaxBytes: 20_000 }

async function openPair(logger = SILENT, output: object = BOUND) {
  const clock = new ManualClock()
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  const { relay } = await openTestRelay([a, b], { clock, logger, output })
  let next = 0
  return {
    ...{ relay, clock, a, b },
    /** Writes until one is refused, or `most` were taken. @returns how many were taken */
    async fill(most: number): Promise<number> {
      for (let count = 0; count < most; count++) {
        const { status } = await relay.accept(writeOf(`m v=1 ${next}\n`))
        if (status === 503) return count
        assert.equal(status, 204)
        next++
      }
      return most
    },
    dropped: () => outputOf(relay, 'b').droppedLines['backlog-full'],
  }
}

test('at its bound an output that is up and merely a little behind loses nothing', async () => {
  const { relay, clock, a, b, fill, dropped } = await openPair()
  await using _ = relay
  for (let round = 0; round < 20; round++) {
    b.hold()
    assert((await fill(100)) < 100, 'new writes are refused at the bound')
    assert.equal(relay.snapshot().refusedWrites['backlog-full'], round + 1)
    await clock.advance(700)
    b.release()
    await clock.advance(300)
    assert.equal(outputOf(relay, 'b').pendingLines, 0)
  }
  assert.equal(dropped(), 0)
  assert.equal(b.attempts.items.join(''), a.attempts.items.join(''))
})

test('an output with a line that it fails on, and that waits for a successor, keeps pace', async () => {
  const { relay, clock, b, fill, dropped } = await openPair()
  await using _ = relay
  const serve = b.verdict
  b.verdict = (payload, ...rest) => {
    return payload.target.database === 'poison' ? BUSY : serve(payload, ...rest)
  }
  void relay.accept(writeOf('bad v=1 1\n', 'poison'))
  for (let i = 0; i < 100; i++) await clock.advance(1_000)
  for (let round = 0; round < 20; round++) {
    b.hold()
    assert((await fill(100)) < 100, `new writes are refused at the bound, in round ${round}`)
    await clock.advance(700)
    b.release()
    await clock.advance(300)
    assert.equal(outputOf(relay, 'b').pendingLines, 1)
  }
  assert.equal(dropped(), 0)
})

test('a log line names the output whose full backlog has new writes refused', async () => {
  const lines: string[] = []
  const warn = (_: object, text: string) => void lines.push(text)
  const { relay, b, fill } = await openPair({ ...SILENT, warn })
  await using _ = relay
  b.hold()
  assert((await fill(100)) < 100)
  const [line = '', ...rest] = lines
  assert.match(
    line,
    /^output "b": backlog of .* is full \(buffer-size-mb\): new writes are refused/,
  )
  assert.deepEqual(rest, [])
  b.release()
})

test('the output whose full backlog has writes refused is known: how many, and whether it still does so', async () => {
  const { relay, clock, b, fill } = await openPair()
  await using _ = relay
  const state = (name: string) => {
    const { backlogFullRefusals, isRefusing } = outputOf(relay, name)
    return [backlogFullRefusals, isRefusing]
  }
  b.hold()
  assert((await fill(100)) < 100)
  assert.equal(await fill(1), 0)
  assert.deepEqual(
    [state('a'), state('b')],
    [
      [0, false],
      [2, true],
    ],
  )
  b.release()
  await clock.advance(15_000)
  assert.deepEqual(state('b'), [2, false])

  b.hold()
  assert((await fill(100)) < 100)
  assert.deepEqual(state('b'), [3, true])
  b.isUp = false
  await clock.advance(10_000)
  assert.equal(await fill(100), 100)
  assert.deepEqual(state('b'), [3, false], 'it gives way')
  b.release()
})

/** `b` takes what it is sent, but only one request a second. @returns writes taken in each */
async function pass(seconds: number, { clock, b, fill }: Awaited<ReturnType<typeof openPair>>) {
  const delivery: number[] = []
  for (let second = 0; second < seconds; second++) {
    delivery.push(await fill(100))
    b.release()
    b.hold()
    await clock.advance(1_000)
  }
  return delivery
}

test('an output that is up but too slow stops the clients once, for seconds, and then gives way', async () => {
  const pair = await openPair()
  await using _ = pair.relay
  pair.b.hold()
  const delivery = await pass(60, pair)
  const given = delivery.indexOf(100)
  assert(given > 1 && given <= 15, `it gave way in second ${given}`)
  assert.deepEqual(new Set(delivery.slice(given)), new Set([100]), 'from then on it stops nobody')
  assert.equal(outputOf(pair.relay, 'b').isUp, true)
  assert(pair.dropped() > 0)
  assert.equal(outputOf(pair.relay, 'a').outcomeLines.dropped, 0)

  pair.b.release()
  await pair.clock.advance(1_000)
  const before = pair.dropped()
  pair.b.hold()
  assert((await pair.fill(100)) < 100, 'it has caught up: it loses nothing again')
  assert.equal(pair.dropped(), before)
  pair.b.release()
})

test('an output that is too slow gives way as soon for clients that write seldom', async () => {
  const { relay, clock, b, fill, dropped } = await openPair()
  await using _ = relay
  b.hold()
  assert((await fill(100)) < 100, 'new writes are refused at the bound')
  for (let request = 0; request < 4; request++) {
    b.release()
    b.hold()
    await clock.advance(2_000)
  }
  assert.equal(outputOf(relay, 'b').isUp, true)
  assert.equal(await fill(100), 100, 'with the next write it stops nobody any more')
  assert(dropped() > 0)
  b.release()
})

/** Longer than the relay lets an output that is too slow stop the clients. */
const LONG_S = 120

/** Offers eight writes of 1 kB every 100 ms. @returns for each second, how many were refused */
async function load(
  seconds: number,
  { relay, clock }: Awaited<ReturnType<typeof openPair>>,
  beforeStep: (step: number) => void = () => {},
): Promise<number[]> {
  const refused: number[] = []
  const total = () => relay.snapshot().refusedWrites['backlog-full']
  for (let second = 0; second < seconds; second++) {
    const before = total()
    for (let step = second * 10; step < second * 10 + 10; step++) {
      beforeStep(step)
      for (let i = 0; i < 8; i++) {
        const write = writeOf(`m v="${'x'.repeat(1_000)}" ${step * 8 + i}\n`)
        // Not awaited: a client of an output that is slow may wait for seconds.
        void relay.accept(write)
      }
      await clock.advance(100)
    }
    refused.push(total() - before)
  }
  return refused
}

/** From now on each request takes this long, however much it carries. */
function slowDown(destination: ScriptedDestination, clock: ManualClock, ms: number) {
  destination.verdict = () =>
    new Promise((resolve) => clock.startTimer(ms, () => resolve(DELIVERED)))
}

test('an output that is too slow for the load gives way, also when it works its small backlog off in no time', async () => {
  const pair = await openPair(SILENT, LARGE_BATCHES)
  await using _ = pair.relay
  slowDown(pair.b, pair.clock, 400)
  const refused = await load(LONG_S, pair)
  assert(refused.slice(0, 10).some((count) => count > 0))
  assert.deepEqual(new Set(refused.slice(60)), new Set([0]), 'it stops nobody any more')
  assert(pair.dropped() > 0)
  assert.equal(outputOf(pair.relay, 'a').outcomeLines.dropped, 0)
})

test('an output that hangs again and again gives way, although it catches up in between', async () => {
  const pair = await openPair(SILENT, LARGE_BATCHES)
  await using _ = pair.relay
  const { relay, clock, b } = pair
  const flap = (step: number) => (step % 50 < 30 ? b.hold() : b.release())
  const refused = await load(LONG_S, pair, flap)
  assert(refused.slice(0, 10).some((count) => count > 0))
  assert.deepEqual(new Set(refused.slice(60)), new Set([0]), 'it stops nobody any more')
  assert.equal(outputOf(relay, 'b').isUp, true)

  b.release()
  await clock.advance(59_000)
  b.hold()
  await load(1, pair)
  const before = pair.dropped()
  assert(before > 0)
  b.release()
  await clock.advance(61_000)
  b.hold()
  const [again = 0] = await load(1, pair)
  assert(again > 0, 'it was not full for a minute: it loses nothing again')
  assert.equal(pair.dropped(), before)
  b.release()
})

test('outputs that are all too slow for the load lose nothing: the load has to fall', async () => {
  const pair = await openPair(SILENT, LARGE_BATCHES)
  await using _ = pair.relay
  const { relay, clock, a, b } = pair
  slowDown(a, clock, 400)
  slowDown(b, clock, 410)
  const refused = await load(LONG_S, pair)
  assert(refused.slice(60).every((count) => count > 0))
  assert.equal(outputOf(relay, 'a').outcomeLines.dropped, 0)
  assert.equal(outputOf(relay, 'b').outcomeLines.dropped, 0)
})

test('an output that is down gives way at once', async () => {
  const { relay, clock, b, fill, dropped } = await openPair()
  await using _ = relay
  b.isUp = false
  await clock.advance(20_000)
  assert.equal(outputOf(relay, 'b').isUp, false)
  assert.equal(await fill(100), 100)
  assert(dropped() > 0)
})

test('an output that goes down while it sends all of its full backlog gives way to bursts too', async () => {
  const pair = await openPair(SILENT, LARGE_BATCHES)
  await using _ = pair.relay
  const { relay, clock, b, fill } = pair
  b.hold()
  assert((await fill(100)) < 100, 'new writes are refused at the bound')
  b.release()
  b.hold()
  await clock.advance(0)
  b.isUp = false
  await clock.advance(20_000)
  assert.equal(outputOf(relay, 'b').isUp, false)
  assert.deepEqual(await load(2, pair), [0, 0])
  assert(pair.dropped() > 0)
})

test('datagrams cannot be refused to anyone who would send them again: the slower output gives way', async () => {
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  const relay = { kind: 'udp' } as unknown as object
  const opened = await openTestRelay([a, b], { clock: new ManualClock(), relay, output: BOUND })
  await using _ = opened.relay
  b.hold()
  for (let i = 0; i < 100; i++) {
    assert.equal(opened.relay.acceptUnanswered(writeOf(`m v=1 ${i}\n`)), undefined)
    await a.attempts.next()
  }
  assert.equal(outputOf(opened.relay, 'a').outcomeLines.delivered, 100)
  assert(outputOf(opened.relay, 'b').droppedLines['backlog-full'] > 0)
})
