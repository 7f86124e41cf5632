/**
 * Which outputs keep pace with the others, so that the bound of the log takes nothing from them.
 *
 *     numbers   ├──────────── b ─────── a ──▶        b is behind a, as one of two always is
 *     time      where a stood LAG_MAX_MS ago ──▶ b has got there: in sync
 *                                            └── it has not: really behind
 *
 * As with Kafka's replicas, time decides and not distance: a log of a few megabytes is smaller than
 * what two healthy outputs are apart while requests are out.
 *
 * Limit: measured from mark to mark, so that an output may be seen to be behind up to LAG_MAX_MS
 * late. Time in which nobody looked (a process that was stopped) counts as one look at the most.
 */

/** So far may an output be behind another and count as in sync. */
export const LAG_MAX_MS = 5_000
/** Looks are at least as frequent; what is longer was a pause of the whole process. */
const LOOK_MAX_MS = 1_500

export interface SyncedPlace {
  /** It is through with all records below. */
  readonly below: number
  /** The number that the furthest of the others that count has reached. */
  readonly othersBelow: number
}

interface Mark {
  /** Where the furthest of the others stood when it was set. */
  readonly number: number
  lagMs: number
}

export class InSync {
  readonly #lagMaxMs: number
  #lookedAtMs = 0
  #marks: Mark[] = []

  constructor(lagMaxMs = LAG_MAX_MS) {
    this.#lagMaxMs = lagMaxMs
  }

  /** @param places always the same, in one order. @returns of each whether it is in sync */
  look(cursors: readonly SyncedPlace[], nowMs: number): readonly boolean[] {
    const passedMs = Math.min(LOOK_MAX_MS, nowMs - this.#lookedAtMs)
    this.#lookedAtMs = nowMs
    return cursors.map(({ below, othersBelow }, index) => {
      const mark = this.#marks[index]
      const isReached = mark === undefined || below >= mark.number
      if (isReached) this.#marks[index] = { number: othersBelow, lagMs: 0 }
      else mark.lagMs += passedMs
      return isReached || mark.lagMs < this.#lagMaxMs
    })
  }
}
