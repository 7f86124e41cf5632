import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sleep, systemClock } from '../../src/std/clock.ts'

test('wall time in nanoseconds agrees with wall time, and is finer than a microsecond', () => {
  const samples = Array.from({ length: 1000 }, () => systemClock.wallNs())
  const earliestMs = systemClock.wallMs()
  const atMs = Number(systemClock.wallNs()) / 1e6
  const latestMs = systemClock.wallMs()
  assert(atMs > earliestMs - 5 && atMs < latestMs + 5, `${earliestMs}, ${atMs}, ${latestMs} ms`)
  assert(samples.some((ns) => ns % 1000n !== 0n))
})

test('a sleep ends early when it is aborted, before or during', async () => {
  const controller = new AbortController()
  const sleeping = sleep(systemClock, 60_000, controller.signal)
  controller.abort()
  await sleeping
  await sleep(systemClock, 60_000, controller.signal)
})

test('a cancelled timer never fires', async () => {
  let hasFired = false
  const timer = systemClock.startTimer(0, () => {
    hasFired = true
  })
  timer.cancel()
  timer.cancel()
  await new Promise<void>((resolve) => systemClock.startTimer(1, resolve))
  assert.equal(hasFired, false)
})
