import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeepingPace, LAG_MAX_MS } from '../../src/log/keeping-pace.ts'

const STEP_MS = 1_000

/** An output that does `rate` in each step, beside one that does 100. @returns when it fell out */
function fallsOut(watch: KeepingPace, rate: (step: number) => number): number | undefined {
  let below = 0
  for (let step = 0; step < 100; step++) {
    const [isInSync] = watch.update([{ below, othersBelow: step * 100 }], step * STEP_MS)
    if (isInSync === false) return step * STEP_MS
    below = Math.min(below + rate(step), (step + 1) * 100)
  }
  return undefined
}

test('one that is a little behind stays in sync, however much there is in that little', () => {
  assert.equal(
    fallsOut(new KeepingPace(), () => 100),
    undefined,
  )
  // Nothing for three of four steps, and then all.
  assert.equal(
    fallsOut(new KeepingPace(), (step) => (step % 4 === 3 ? 400 : 0)),
    undefined,
  )
})

test('one that stands still, or cannot keep pace, is out of sync within twice the bound', () => {
  const stood = fallsOut(new KeepingPace(), () => 0) ?? Number.POSITIVE_INFINITY
  assert(stood >= LAG_MAX_MS && stood <= 2 * LAG_MAX_MS, String(stood))
  const slow = fallsOut(new KeepingPace(), () => 50) ?? Number.POSITIVE_INFINITY
  assert(slow >= LAG_MAX_MS && slow <= 4 * LAG_MAX_MS, String(slow))
})

test('one that was out of sync is in sync again where the others stood when it fell out', () => {
  const watch = new KeepingPace()
  const look = (below: number, nowMs: number) => watch.update([{ below, othersBelow: 100 }], nowMs)
  for (let nowMs = 0; nowMs <= LAG_MAX_MS; nowMs += STEP_MS) look(10, nowMs)
  assert.deepEqual(look(99, LAG_MAX_MS + STEP_MS), [false])
  assert.deepEqual(look(100, LAG_MAX_MS + 2 * STEP_MS), [true])
})

test('a pause of the whole process puts nobody out of sync', () => {
  const watch = new KeepingPace()
  const look = (nowMs: number) => watch.update([{ below: 10, othersBelow: 100 }], nowMs)
  look(0)
  look(20)
  assert.deepEqual(look(3_600_000), [true])
  assert.deepEqual(look(3_600_020), [true])
})

test('each output has its own mark', () => {
  const watch = new KeepingPace(0)
  const cursors = [
    { below: 50, othersBelow: 100 },
    { below: 100, othersBelow: 50 },
  ]
  assert.deepEqual(watch.update(cursors, 0), [true, true])
  assert.deepEqual(watch.update(cursors, 1), [false, true])
})
