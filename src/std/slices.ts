/**
 * Work that takes its time, done in slices, between which everything else of the program has its
 * turn.
 *
 *     function* sum(numbers): Steps<number> { …; yield; … }
 *     await inSlices(sum(numbers), clock)
 */

import type { Clock } from './clock.ts'

/** Longest time in which nothing else of the program runs, but for one step more. */
export const SLICE_MS = 20

/** Each step should take some milliseconds at the most. */
export type Steps<T> = Generator<undefined, T, undefined>

export async function inSlices<T>(steps: Steps<T>, clock: Clock): Promise<T> {
  for (;;) {
    const untilMs = clock.monotonicMs() + SLICE_MS
    do {
      const step = steps.next()
      if (step.done) return step.value
    } while (clock.monotonicMs() < untilMs)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
