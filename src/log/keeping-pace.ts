/**
 * Decides which outputs keep pace with the others. Outputs that keep pace give up nothing when the
 * log reaches its bound.
 *
 *     numbers   ├──────────── b ─────── a ──▶        a leads; b is always a little behind
 *     time      position of a LAG_MAX_MS ago ──▶ b has reached it: b keeps pace
 *                                            └── it has not: b gives up records
 *
 * An output keeps pace when it has reached the position that the leading output had LAG_MAX_MS ago.
 * As with Kafka's `replica.lag.time.max.ms`, time decides, not distance: two healthy outputs can be
 * further apart than a small log is long.
 *
 * Limit: a lag is noticed up to LAG_MAX_MS late. A pause of the whole process counts as at most
 * UPDATE_MAX_MS.
 */

/** Longest time that an output may be behind another one and still keep pace. */
export const LAG_MAX_MS = 5_000
/** Longest time between two updates; a longer one was a pause of the whole process. */
const UPDATE_MAX_MS = 1_500

export interface OutputProgress {
  /** Position of one output: it has done all records below. */
  readonly below: number
  /** Position of the leading other output. */
  readonly othersBelow: number
}

interface Mark {
  /** Position of the leading other output when the mark was set. */
  readonly number: number
  lagMs: number
}

export class KeepingPace {
  readonly #lagMaxMs: number
  #updatedAtMs = 0
  #marks: Mark[] = []

  constructor(lagMaxMs = LAG_MAX_MS) {
    this.#lagMaxMs = lagMaxMs
  }

  /**
   * @param cursors always the same outputs in the same order
   * @returns for each output whether it keeps pace
   */
  update(cursors: readonly OutputProgress[], nowMs: number): readonly boolean[] {
    const passedMs = Math.min(UPDATE_MAX_MS, nowMs - this.#updatedAtMs)
    this.#updatedAtMs = nowMs
    return cursors.map(({ below, othersBelow }, index) => {
      const mark = this.#marks[index]
      const isReached = mark === undefined || below >= mark.number
      if (isReached) this.#marks[index] = { number: othersBelow, lagMs: 0 }
      else mark.lagMs += passedMs
      return isReached || mark.lagMs < this.#lagMaxMs
    })
  }
}
