import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/std/clock.ts'
import { type Steps, timeSliced } from '../../src/std/time-slicing.ts'

function* count(to: number, onStep: () => void): Steps<number> {
  for (let i = 0; i < to; i++) {
    onStep()
    yield
  }
  return to
}

test('whatever else is due has its turn while long work goes on', async () => {
  let nowMs = 0
  let turns = 0
  const clock = { ...systemClock, monotonicMs: () => nowMs }
  const takeTurn = () => {
    turns++
    if (turns < 100) setImmediate(takeTurn)
  }
  setImmediate(takeTurn)
  const work = count(200, () => nowMs++)
  assert.equal(await timeSliced(work, clock), 200)
  assert(turns >= 9, `others had ${turns} turns`)
})

test('short work is done at once', () => {
  const steps = count(3, () => {})
  assert.equal(timeSliced(steps, { ...systemClock, monotonicMs: () => 0 }), 3)
})
