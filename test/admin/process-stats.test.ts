import assert from 'node:assert/strict'
import { test } from 'node:test'
import { watchProcess } from '../../src/admin/process-stats.ts'
import { sleep, systemClock } from '../../src/std/clock.ts'

const BLOCK_MS = 200

test('the event loop is late by as long as something holds it up, and else hardly at all', async () => {
  using watch = watchProcess()
  await sleep(systemClock, 100)
  const beganAt = performance.now()
  while (performance.now() - beganAt < BLOCK_MS);
  await sleep(systemClock, 100)
  const { eventLoopDelayP50S, eventLoopDelayMaxS } = watch.read()
  const blockedS = BLOCK_MS / 1000
  assert(eventLoopDelayMaxS > blockedS / 2, `${eventLoopDelayMaxS} s at the most`)
  // Of some ten looks at the clock one was late: the usual one has to show nothing of it.
  assert(eventLoopDelayP50S < blockedS / 2, `${eventLoopDelayP50S} s usually`)
  await sleep(systemClock, 50)
  assert(watch.read().eventLoopDelayMaxS < blockedS / 2, 'each reading begins a new window')
})
