import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/std/clock.ts'
import { inSlices, SLICE_MS, type Steps } from '../../src/std/slices.ts'

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
  const work = count(10 * SLICE_MS, () => nowMs++)
  assert.equal(await inSlices(work, clock), 10 * SLICE_MS)
  assert(turns >= 9, `others had ${turns} turns`)
})

test('short work is done in one slice', async () => {
  let others = 0
  setImmediate(() => others++)
  assert.equal(
    await inSlices(
      count(3, () => {}),
      { ...systemClock, monotonicMs: () => 0 },
    ),
    3,
  )
  assert.equal(others, 0)
})
