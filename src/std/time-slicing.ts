/**
 * Runs long work in time slices, so that the rest of the program can run between the slices.
 *
 *     function* sum(numbers): Steps<number> { …; yield; … }
 *     await timeSliced(sum(numbers), clock)
 */

import type { Clock } from './clock.ts'

/** Length of a slice, which blocks the event loop; one more step may exceed it. */
const SLICE_MS = 20

/** Each step should take a few milliseconds at most. */
export type Steps<T> = Generator<undefined, T, undefined>

/** @returns the result itself when one slice was enough, otherwise a promise */
export function timeSliced<T>(steps: Steps<T>, clock: Clock): T | Promise<T> {
  const step = slice(steps, clock)
  return step.done ? step.value : restTimeSliced(steps, clock)
}

async function restTimeSliced<T>(steps: Steps<T>, clock: Clock): Promise<T> {
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve))
    const step = slice(steps, clock)
    if (step.done) return step.value
  }
}

/** @returns the last step of the slice */
function slice<T>(steps: Steps<T>, clock: Clock): IteratorResult<undefined, T> {
  const untilMs = clock.monotonicMs() + SLICE_MS
  for (;;) {
    const step = steps.next()
    if (step.done || clock.monotonicMs() >= untilMs) return step
  }
}
