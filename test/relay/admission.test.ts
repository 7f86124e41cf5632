/**
 * What is known to end in a 503 is refused before it is appended, and nothing else is.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, turns } from '../support/manual-clock.ts'
import { DELIVERED, ScriptedDestination } from '../support/scripted-destination.ts'
import { openTestRelay, outputOf, writeOf } from '../support/scripted-relay.ts'

test('all: while an output is down nothing is appended, so that retries leave no copies', async () => {
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  b.isUp = false
  let freedBytes = 0
  const { relay } = await openTestRelay([a, b], {
    relay: { acknowledgement: 'all' },
    onFreed: (bytes) => {
      freedBytes += bytes
    },
  })
  await using _ = relay
  assert.equal((await relay.accept(writeOf('1\n'))).status, 503)
  assert.equal(relay.snapshot().refusedWrites['too-few-outputs-up'], 1)
  assert.equal(freedBytes, writeOf('1\n').body.length, 'its body is garbage')
  assert.equal(relay.snapshot().logWrites, 0)
})

/** Outputs that take so many bytes per second, one request after the other. */
function limited(clock: ManualClock, bytesPerSecond: number): ScriptedDestination {
  const destination = new ScriptedDestination()
  destination.verdict = ({ bytes }) => {
    const done = Promise.withResolvers<typeof DELIVERED>()
    clock.startTimer((bytes / bytesPerSecond) * 1000, () => done.resolve(DELIVERED))
    return done.promise
  }
  return destination
}

interface Load {
  readonly offeredPerSecond: number
  readonly takenPerSecond: number
  readonly seconds: number
}

/** Writes of 1,000 bytes in an open loop. @returns answers by status */
async function offer({ offeredPerSecond, takenPerSecond, seconds }: Load) {
  const clock = new ManualClock()
  const destinations = [1, 2].map(() => limited(clock, takenPerSecond * 1000))
  const { relay, memory } = await openTestRelay(destinations, {
    clock,
    output: { bufferBytes: 64e6, batchMaxBytes: 4e6 },
    memoryBytes: 256e6,
  })
  const answers = { 204: 0, 503: 0, other: 0 }
  const write = writeOf(`${'x'.repeat(999)}\n`)
  const count = (status: number) => {
    if (status === 204 || status === 503) answers[status]++
    else answers.other++
  }
  let peakBytes = 0
  for (let tick = 0; tick < seconds * 20; tick++) {
    for (let i = 0; i < offeredPerSecond / 20; i++) {
      void relay.accept(write).then(({ status }) => count(status))
    }
    await clock.advance(50)
    peakBytes = Math.max(peakBytes, memory.usedBytes)
  }
  const afterwards = relay.accept(write)
  await clock.advance(4000)
  const wasTakenAtOnce = (await afterwards).status === 204
  await relay[Symbol.asyncDispose]()
  return { answers, peakBytes, wasTakenAtOnce, unappended: relay.snapshot().refusedWrites }
}

test('outputs at half of the offered load do all they can, and the rest is told to come back', async () => {
  const load = { offeredPerSecond: 400, takenPerSecond: 200, seconds: 60 }
  const { answers, peakBytes, unappended } = await offer(load)
  const possible = load.takenPerSecond * load.seconds
  assert(answers[204] >= possible * 0.9, `${answers[204]} of ${possible}`)
  assert.equal(answers.other, 0)
  assert(unappended.overloaded > 0)
  // What waits is what can be done within ack-timeout, and not more.
  assert(peakBytes <= 4 * load.takenPerSecond * 1500, `${peakBytes} bytes`)
})

test('ten times too much does not make the outputs do less', async () => {
  const load = { offeredPerSecond: 1000, takenPerSecond: 100, seconds: 60 }
  const { answers } = await offer(load)
  const possible = load.takenPerSecond * load.seconds
  assert(answers[204] >= possible * 0.9, `${answers[204]} of ${possible}`)
})

test('outputs that keep up refuse nothing, however much comes at once', async () => {
  const clock = new ManualClock()
  const a = new ScriptedDestination()
  a.verdict = () => {
    const done = Promise.withResolvers<typeof DELIVERED>()
    clock.startTimer(100, () => done.resolve(DELIVERED))
    return done.promise
  }
  const { relay } = await openTestRelay([a], { clock, output: { bufferBytes: 64e6 } })
  await using _ = relay
  const replies = []
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < (round === 5 ? 5000 : 1); i++) replies.push(relay.accept(writeOf('1\n')))
    await clock.advance(100)
  }
  await clock.advance(500)
  const statuses = new Set((await Promise.all(replies)).map(({ status }) => status))
  assert.deepEqual([...statuses], [204])
})

test('an output that hangs stops taking more than can be answered, without an ack of the other', async () => {
  const clock = new ManualClock()
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  const { relay } = await openTestRelay([a, b], { clock })
  await using _ = relay
  b.hold()
  for (let i = 0; i < 100; i++) {
    const reply = relay.accept(writeOf(`${i}\n`))
    await clock.advance(50)
    assert.equal((await reply).status, 204)
  }
  b.release()
  await turns()
  assert.equal(outputOf(relay, 'b').pendingLines, 0)
})
