import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, systemClock } from '../../src/std/clock.ts'
import { LogThrottle } from '../../src/std/log-throttle.ts'

test('the first line is permitted at once, the next one tells how many were kept back', () => {
  let nowMs = 1_000_000
  const clock: Clock = { ...systemClock, monotonicMs: () => nowMs }
  const throttle = new LogThrottle(clock, 5_000)

  assert.equal(throttle.hit(), 0)
  for (let hits = 0; hits < 3; hits++) assert.equal(throttle.hit(), undefined)
  nowMs += 4_999
  assert.equal(throttle.hit(), undefined)
  nowMs += 1
  assert.equal(throttle.hit(), 4)
  assert.equal(throttle.hit(), undefined)
  nowMs += 5_000
  assert.equal(throttle.hit(), 1)
  nowMs += 60_000
  assert.equal(throttle.hit(), 0)
})

test('two throttles know nothing of each other', () => {
  const clock: Clock = { ...systemClock, monotonicMs: () => 0 }
  assert.equal(new LogThrottle(clock, 5_000).hit(), 0)
  assert.equal(new LogThrottle(clock, 5_000).hit(), 0)
})

test('what is no repeat is permitted at once, and still tells what was kept back', () => {
  const throttle = new LogThrottle(systemClock, 60_000)
  assert.equal(throttle.hit(), 0)
  assert.equal(throttle.hit(), undefined)
  throttle.reset()
  assert.equal(throttle.hit(), 1)
})
