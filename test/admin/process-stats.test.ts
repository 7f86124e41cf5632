import assert from 'node:assert/strict'
import { createHistogram } from 'node:perf_hooks'
import { test } from 'node:test'
import { watchProcess } from '../../src/admin/process-stats.ts'
import { sleep, systemClock } from '../../src/std/clock.ts'

const BLOCK_MS = 200
const NS_PER_MS = 1e6

test('the event loop is late by as long as something holds it up', async () => {
  using watch = watchProcess()
  await sleep(systemClock, 100) // The first look at the clock is one of node's own.
  const beganAt = performance.now()
  while (performance.now() - beganAt < BLOCK_MS);
  await sleep(systemClock, 100)
  const { eventLoopDelayMaxS } = watch.read()
  assert(eventLoopDelayMaxS > BLOCK_MS / 1000 / 2, `${eventLoopDelayMaxS} s at the most`)
})

test('the usual lateness shows nothing of a single hold-up, and each reading begins anew', () => {
  const histogram = createHistogram()
  const delays = Object.assign(histogram, { enable: () => true, disable: () => true })
  using watch = watchProcess(delays)
  for (let look = 0; look < 10; look++) histogram.record(20 * NS_PER_MS)
  histogram.record((20 + BLOCK_MS) * NS_PER_MS)
  const { eventLoopDelayP50S, eventLoopDelayMaxS } = watch.read()
  assert(eventLoopDelayP50S < 0.001, `${eventLoopDelayP50S} s usually`)
  assert(Math.abs(eventLoopDelayMaxS - BLOCK_MS / 1000) < 0.001, `${eventLoopDelayMaxS} s`)
  histogram.record(20 * NS_PER_MS)
  assert(watch.read().eventLoopDelayMaxS < 0.001, 'each reading begins a new window')
})
