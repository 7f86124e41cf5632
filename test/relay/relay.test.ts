/**
 * One relay before scripted destinations: order, merging, acks, bounds and books, without a
 * network.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Verdict } from '../../src/destinations/destination.ts'
import { ManualClock } from '../support/manual-clock.ts'
import {
  BUSY,
  DECLINED,
  DELIVERED,
  REFUSED,
  RESET,
  ScriptedDestination,
  SPLIT,
  UNREACHABLE,
} from '../support/scripted-destination.ts'
import { openTestRelay, outputOf, writeOf } from '../support/scripted-relay.ts'

test('what arrives while a request is out leaves as one, in order', async () => {
  const a = new ScriptedDestination()
  const { relay } = await openTestRelay([a])
  await using _ = relay
  a.hold()
  const first = relay.accept(writeOf('1\n'))
  await a.attempts.atLeast(1)
  const others = ['2\n', '3\n', '4\n'].map((body) => relay.accept(writeOf(body)))
  a.release()
  await Promise.all([first, ...others])
  assert.deepEqual(a.attempts.items, ['1\n', '2\n3\n4\n'])
})

test('only neighbours of one target are merged, and not beyond max-batch-kb', async () => {
  const a = new ScriptedDestination()
  const { relay } = await openTestRelay([a], { output: { batchMaxBytes: 6 } })
  await using _ = relay
  a.hold()
  const other = { ...writeOf('r\n'), target: { ...writeOf('').target, key: 'other' } }
  const writes = [writeOf('1\n'), other, ...['2\n', '3\n', '4\n', '5\n'].map((x) => writeOf(x))]
  const replies = writes.map((write) => relay.accept(write))
  await a.attempts.atLeast(1)
  a.release()
  await Promise.all(replies)
  assert.deepEqual(a.attempts.items, ['1\n', 'r\n', '2\n3\n4\n', '5\n'])
})

test('streams do not wait for each other', async () => {
  const a = new ScriptedDestination()
  const { relay } = await openTestRelay([a])
  await using _ = relay
  a.verdict = ({ target }) => (target.database === 'stuck' ? BUSY : DELIVERED)
  const stuck = relay.accept(writeOf('s\n', 'stuck'))
  assert.equal((await relay.accept(writeOf('g\n', 'good'))).status, 204)
  a.verdict = () => DELIVERED
  await stuck
})

test('a failed attempt keeps its place: order holds over any number of retries', async () => {
  const verdicts: Verdict[] = [BUSY, RESET, UNREACHABLE, DELIVERED]
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...verdicts), { maxLength: 12 }), async (script) => {
      const a = new ScriptedDestination()
      const stored: string[] = []
      a.verdict = (payload, attempt) => {
        const verdict = script[attempt - 1] ?? DELIVERED
        if (verdict === DELIVERED) for (const { body } of payload.writes) stored.push(String(body))
        return verdict
      }
      const { relay } = await openTestRelay([a])
      await using _ = relay
      const bodies = Array.from({ length: 20 }, (_, i) => `${i}\n`)
      for (const body of bodies) relay.acceptUnanswered(writeOf(body))
      while (outputOf(relay, 'a').pendingLines > 0) await new Promise(setImmediate)
      assert.deepEqual(stored, bodies)
    }),
    { numRuns: 30 },
  )
})

test('a refused merged request is halved, in order, down to the writes; only the refused one is refused', async () => {
  const a = new ScriptedDestination()
  const { relay } = await openTestRelay([a])
  await using _ = relay
  a.verdict = ({ writes }) => {
    if (!writes.some(({ body }) => String(body).includes('bad'))) return DELIVERED
    return writes.length > 1 ? SPLIT : REFUSED
  }
  const replies = await Promise.all(
    ['1\n', 'bad\n', '3\n'].map((body) => relay.accept(writeOf(body))),
  )
  assert.deepEqual(
    replies.map(({ status }) => status),
    [204, 400, 204],
  )
  assert.deepEqual(a.attempts.items, ['1\nbad\n3\n', '1\nbad\n', '1\n', 'bad\n', '3\n'])
  assert.equal(outputOf(relay, 'a').outcomeLines.refused, 1)
})

test('any: the first output that stores it is enough, and the other gets it all the same', async () => {
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  const { relay } = await openTestRelay([a, b])
  await using _ = relay
  b.hold()
  assert.equal((await relay.accept(writeOf('1\n'))).status, 204)
  b.release()
  while (outputOf(relay, 'b').pendingLines > 0) await new Promise(setImmediate)
  assert.deepEqual(b.attempts.items, ['1\n'])
})

test('a write that nobody could take is answered 503 and withdrawn everywhere', async () => {
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  const { relay, memory } = await openTestRelay([a, b])
  await using _ = relay
  for (const each of [a, b]) {
    each.verdict = () => UNREACHABLE
    each.isUp = false
  }
  const reply = await relay.accept(writeOf('1\n'))
  assert.equal(reply.status, 503)
  assert.equal(reply.retryAfterS, 1)
  assert.equal(outputOf(relay, 'a').outcomeLines.withdrawn, 1)
  assert.equal(outputOf(relay, 'b').outcomeLines.withdrawn, 1)
  assert.equal(memory.usedBytes, 0)
  // Now that both are known to be down, nothing is even appended.
  assert.equal((await relay.accept(writeOf('2\n'))).status, 503)
  assert.equal(relay.snapshot().refusedWrites['no-output-up'], 1)
})

test('a down output is no voter: a refusal by the other is the answer at once', async () => {
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  a.isUp = false
  const { relay } = await openTestRelay([a, b])
  await using _ = relay
  b.verdict = () => REFUSED
  assert.equal((await relay.accept(writeOf('1\n'))).status, 400)
  assert.equal(outputOf(relay, 'a').pendingLines, 1)
})

test('over its bound an output that is down loses its oldest that is stored elsewhere; else the new write is refused', async () => {
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  b.isUp = false
  const { relay } = await openTestRelay([a, b], { output: { bufferBytes: 1000 } })
  await using _ = relay
  for (let i = 0; i < 6; i++) assert.equal((await relay.accept(writeOf(`${i}\n`))).status, 204)
  const { outcomeLines, pendingBytes, droppedLines } = outputOf(relay, 'b')
  assert(outcomeLines.dropped > 0 && pendingBytes <= 1000)
  assert.equal(droppedLines['backlog-full'], outcomeLines.dropped)
  a.hold()
  const replies = Array.from({ length: 8 }, (_, i) => relay.accept(writeOf(`n${i}\n`)))
  await new Promise(setImmediate)
  a.release()
  const statuses = (await Promise.all(replies)).map(({ status }) => status)
  assert(statuses.includes(503), 'what nobody had stored was given up')
  assert.equal(outputOf(relay, 'a').outcomeLines.dropped, 0)
})

test('buffer-size-mb = 0: one attempt each, the failed one is dropped and counted', async () => {
  const a = new ScriptedDestination()
  const { relay } = await openTestRelay([a], { output: { bufferBytes: 0 } })
  await using _ = relay
  a.verdict = (_batch, attempt) => (attempt === 1 ? BUSY : DELIVERED)
  assert.equal((await relay.accept(writeOf('1\n'))).status, 503)
  assert.equal((await relay.accept(writeOf('2\n'))).status, 204)
  assert.deepEqual(a.attempts.items, ['1\n', '2\n'])
  assert.equal(outputOf(relay, 'a').droppedLines['one-attempt'], 1)
})

test('not decided within ack-timeout: 503; what was begun is delivered all the same', async () => {
  const a = new ScriptedDestination()
  const clock = new ManualClock()
  const { relay } = await openTestRelay([a], { relay: { ackTimeoutMs: 20 }, clock })
  await using _ = relay
  a.hold()
  const begun = relay.accept(writeOf('1\n'))
  await a.attempts.atLeast(1)
  const waiting = relay.accept(writeOf('2\n'))
  await clock.advance(20)
  assert.equal((await begun).status, 503)
  assert.equal((await waiting).status, 503)
  a.release()
  while (outputOf(relay, 'a').pendingLines > 0) await new Promise(setImmediate)
  assert.deepEqual(a.attempts.items, ['1\n'])
  const { outcomeLines } = outputOf(relay, 'a')
  assert.deepEqual([outcomeLines.delivered, outcomeLines.withdrawn], [1, 1])
})

test('all: every output must have stored it; one that is down fails it before anything is appended', async () => {
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  const { relay } = await openTestRelay([a, b], { relay: { acknowledgement: 'all' } })
  await using _ = relay
  b.hold()
  let isAnswered = false
  const reply = relay.accept(writeOf('1\n')).then((answer) => {
    isAnswered = true
    return answer
  })
  await b.attempts.atLeast(1)
  await new Promise(setImmediate)
  assert.equal(isAnswered, false)
  b.release()
  assert.equal((await reply).status, 204)
})

test("consistency=all strengthens the relay's any", async () => {
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  const { relay } = await openTestRelay([a, b])
  await using _ = relay
  b.verdict = () => REFUSED
  assert.equal((await relay.accept(writeOf('1\n'), { policy: 'all' })).status, 400)
  assert.equal((await relay.accept(writeOf('2\n'))).status, 204)
})

test('an output that comes back and refuses what it missed is a voter again', async () => {
  const a = new ScriptedDestination()
  const { relay } = await openTestRelay([a])
  await using _ = relay
  const settled = Promise.withResolvers<Verdict>()
  a.verdict = (_batch, _attempt, events) => {
    events.onTimeout() // Down, then up again by the probe, while the request hangs.
    return settled.promise
  }
  assert.equal((await relay.accept(writeOf('1\n'))).status, 503)
  settled.resolve(REFUSED)
  while (outputOf(relay, 'a').pendingLines > 0) await new Promise(setImmediate)
  a.verdict = () => DELIVERED
  assert.equal(outputOf(relay, 'a').isInSync, true)
  assert.equal((await relay.accept(writeOf('2\n'))).status, 204)
})

test('one attempt each: what waits behind a failed attempt still has its own', async () => {
  const a = new ScriptedDestination()
  const { relay } = await openTestRelay([a], { output: { bufferBytes: 0 } })
  await using _ = relay
  a.verdict = (_batch, attempt) => (attempt === 1 ? BUSY : DELIVERED)
  a.hold()
  const first = relay.accept(writeOf('1\n'))
  await a.attempts.atLeast(1)
  const second = relay.accept(writeOf('2\n'))
  a.release()
  assert.equal((await first).status, 503)
  assert.equal((await second).status, 204)
})

test('one attempt each: nothing piles up at an output that is down or hangs', async () => {
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  const { relay, memory } = await openTestRelay([a, b], {
    output: { bufferBytes: 0, batchMaxBytes: 2000 },
    memoryBytes: 50_000,
  })
  await using _ = relay
  a.hold()
  for (let i = 0; i < 500; i++) assert.equal((await relay.accept(writeOf(`${i}\n`))).status, 204)
  assert(outputOf(relay, 'a').pendingBytes <= 2000)
  a.verdict = () => UNREACHABLE
  a.isUp = false
  a.release()
  while (outputOf(relay, 'a').isUp) await new Promise(setImmediate)
  for (let i = 0; i < 500; i++) assert.equal((await relay.accept(writeOf(`${i}\n`))).status, 204)
  assert.equal(outputOf(relay, 'a').pendingLines, 0)
  assert.equal(outputOf(relay, 'a').droppedLines['one-attempt'], 1000)
  assert.equal(memory.usedBytes, 0)
})

test('a stream that was emptied by a withdrawal never drains beside its successor', async () => {
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  const { relay, memory } = await openTestRelay([a, b])
  await using _ = relay
  for (let round = 0; round < 50; round++) {
    a.verdict = () => DECLINED
    b.verdict = () => DECLINED
    assert.equal((await relay.accept(writeOf('1\n'))).status, 503)
    a.verdict = () => DELIVERED
    b.verdict = (_batch, attempt) => (attempt % 2 === 0 ? DECLINED : DELIVERED)
    const replies = [relay.accept(writeOf('2\n')), relay.accept(writeOf('3\n'))]
    for (const reply of replies) assert.equal((await reply).status, 204)
    while (relay.snapshot().logWrites > 0) await new Promise(setImmediate)
  }
  outputOf(relay, 'a')
  outputOf(relay, 'b')
  assert.equal(memory.usedBytes, 0)
})

test('nothing is given up for a write that is refused in the end', async () => {
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  b.isUp = false
  const { relay } = await openTestRelay([a, b], { output: { bufferBytes: 1000 } })
  await using _ = relay
  for (let i = 0; i < 3; i++) assert.equal((await relay.accept(writeOf(`${i}\n`))).status, 204)
  a.hold() // What comes now is stored nowhere, so it fills both and may not be given up.
  const waiting = Array.from({ length: 6 }, (_, i) => relay.accept(writeOf(`w${i}\n`)))
  await new Promise(setImmediate)
  const before = outputOf(relay, 'b').outcomeLines.dropped
  assert.equal((await relay.accept(writeOf(`${'x'.repeat(900)}\n`))).status, 503)
  assert.equal(outputOf(relay, 'b').outcomeLines.dropped, before)
  a.release()
  await Promise.all(waiting)
})

test('disposing answers who waits, drops what is left and counts it', async () => {
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  const { relay, memory } = await openTestRelay([a, b], { relay: { acknowledgement: 'all' } })
  b.hold()
  const reply = relay.accept(writeOf('1\n'))
  await b.attempts.atLeast(1)
  await relay[Symbol.asyncDispose]()
  assert.equal((await reply).status, 503)
  assert.equal(outputOf(relay, 'b').droppedLines.shutdown, 1)
  assert.equal(memory.usedBytes, 0)
  assert.equal((await relay.accept(writeOf('2\n'))).status, 503)
})

test('under any mix of verdicts the books balance and all memory comes back', async () => {
  const verdicts: Verdict[] = [DELIVERED, BUSY, REFUSED, RESET, UNREACHABLE]
  const script = fc.array(fc.constantFrom(...verdicts), { minLength: 1, maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(script, script, async (scriptA, scriptB) => {
      const destinations = [scriptA, scriptB].map((verdictsOf) => {
        const destination = new ScriptedDestination()
        destination.verdict = ({ writes }, attempt) => {
          const verdict = verdictsOf[attempt - 1] ?? DELIVERED
          return verdict === REFUSED && writes.length > 1 ? SPLIT : verdict
        }
        return destination
      })
      const { relay, memory } = await openTestRelay(destinations)
      await using _ = relay
      const replies: Promise<unknown>[] = []
      for (let i = 0; i < 30; i++) {
        replies.push(relay.accept(writeOf(`${i}\n`, `db${i % 3}`)))
        if (i % 5 === 0) await new Promise(setImmediate)
      }
      await Promise.all(replies)
      while (['a', 'b'].some((name) => outputOf(relay, name).pendingLines > 0)) {
        await new Promise(setImmediate)
      }
      assert.equal(memory.usedBytes, 0)
      assert.equal(relay.snapshot().streams, 0)
    }),
    { numRuns: 30 },
  )
})
