/**
 * Work that takes its time, done in slices, between which everything else of the program has its
 * turn.
 *
 *     function* sum(numbers): Steps<number> { …; yield; … }
 *     await inSlices(sum(numbers), clock)
 */

import type { Clock } from './clock.ts'

/** Longest time in which nothing else of the program runs, but for one step more. */
const SLICE_MS = 20

/** Each step should take some milliseconds at the most. */
export type Steps<T> = Generator<undefined, T, undefined>

/** @returns the result at once, where one slice was enough for it */
export function inSlices<T>(steps: Steps<T>, clock: Clock): T | Promise<T> {
  const step = slice(steps, clock)
  return step.done ? step.value : restInSlices(steps, clock)
}

async function restInSlices<T>(steps: Steps<T>, clock: Clock): Promise<T> {
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
