/**
 * Outputs behind a long way: the clients of one request come back together, and go together again.
 *
 * Method: clients in a closed loop, each sending its next write as soon as the last is answered,
 * before an output that takes a fixed time; all in virtual time.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../support/manual-clock.ts'
import { DELIVERED, ScriptedDestination } from '../support/scripted-destination.ts'
import { openTestRelay, writeOf } from '../support/scripted-relay.ts'

const CLIENTS = 8

async function open(answerMs: number) {
  const clock = new ManualClock()
  const output = new ScriptedDestination()
  const after = (ms: number) => new Promise<void>((resolve) => clock.startTimer(ms, resolve))
  output.verdict = async () => {
    await after(answerMs)
    return DELIVERED
  }
  const { relay } = await openTestRelay([output], { clock })
  const writesOf = () => output.attempts.items.map((body) => body.split('\n').length - 1)
  return { clock, relay, output, after, writesOf }
}

test('clients behind a long way go together, and not by turns', async () => {
  const { clock, relay, after, writesOf } = await open(50)
  let isOver = false
  const loop = async (client: number) => {
    for (let n = 0; !isOver; n++) {
      assert.equal((await relay.accept(writeOf(`m v=${client} ${n}\n`))).status, 204)
      await after(client % 2) // Not all come back in the same moment.
    }
  }
  const loops = Array.from({ length: CLIENTS }, (_, client) => loop(client))
  await clock.advance(1000)
  isOver = true
  await clock.advance(1000)
  await Promise.all(loops)
  const requests = writesOf().slice(2, 12)
  assert.deepEqual(requests, Array(10).fill(CLIENTS))
})

test('a client that is alone is not kept waiting, nor is anybody before an output that is near', async () => {
  for (const [answerMs, clients] of [
    [50, 1],
    [5, CLIENTS],
  ] as const) {
    const { clock, relay, output } = await open(answerMs)
    let answered = 0
    for (let i = 0; i < clients; i++) void relay.accept(writeOf('m v=1 1\n')).then(() => answered++)
    await clock.advance(answerMs)
    assert.equal(answered, clients)
    const before = output.attempts.items.length
    void relay.accept(writeOf('m v=2 2\n'))
    await clock.advance(0)
    assert.equal(output.attempts.items.length, before + 1)
  }
})

test('who has left is waited for no longer than a tenth of the way', async () => {
  const { clock, relay, output } = await open(50)
  for (let i = 0; i < CLIENTS; i++) void relay.accept(writeOf('m v=1 1\n'))
  await clock.advance(50)
  const before = output.attempts.items.length
  void relay.accept(writeOf('m v=2 2\n'))
  await clock.advance(4)
  assert.equal(output.attempts.items.length, before)
  await clock.advance(1)
  assert.equal(output.attempts.items.length, before + 1)
})

test('a large write waits for nobody', async () => {
  const { clock, relay, output } = await open(50)
  for (let i = 0; i < CLIENTS; i++) void relay.accept(writeOf('m v=1 1\n'))
  await clock.advance(50)
  const before = output.attempts.items.length
  void relay.accept(writeOf('m v=2 2\n'.repeat(100_000)))
  await clock.advance(0)
  assert.equal(output.attempts.items.length, before + 1)
})
