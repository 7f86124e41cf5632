/**
 * Work that takes its turn: a share of the time at the most, however often it is asked for.
 *
 * Metrics take milliseconds to render. A client that asks for them again and again would have the
 * data path wait for it.
 */

import { type Clock, sleep } from '../std/clock.ts'

/** Of all time: one part in five. */
const REST_FACTOR = 4

/** @returns `work`, one call after the other, with a rest of four times as long behind each */
export function paced<T>(clock: Clock, work: () => T): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  let freeAtMs = 0
  return () => {
    const turn = last.then(async () => {
      const waitMs = freeAtMs - clock.monotonicMs()
      if (waitMs > 0) await sleep(clock, waitMs)
      const begunAtMs = clock.monotonicMs()
      try {
        return work()
      } finally {
        const endedAtMs = clock.monotonicMs()
        freeAtMs = endedAtMs + REST_FACTOR * (endedAtMs - begunAtMs)
      }
    })
    last = turn.catch(() => {})
    return turn
  }
}
