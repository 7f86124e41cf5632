/**
 * Limits work to a share of the time, however often clients request it.
 *
 * Metrics take milliseconds to render. A client that requests them continuously would delay the
 * data path.
 */

import { type Clock, sleep } from '../std/clock.ts'

/** The rest after a call, as a multiple of the call's duration: work gets one fifth of the time. */
const REST_FACTOR = 4

/** @returns `work`, called in sequence, with a rest of four times its duration after each call */
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
