/**
 * Limits repeated log lines: the first one at once, then at most one per interval, with the count
 * of suppressed lines.
 *
 * Events that strangers can cause a thousand times a second (bad datagrams, refused sends) would
 * otherwise fill the disk with log lines. Only text is lost: the caller also counts the events.
 */

import type { Clock } from './clock.ts'

export class LogThrottle {
  readonly #clock: Clock
  readonly #intervalMs: number
  #permittedAtMs = Number.NEGATIVE_INFINITY
  #suppressed = 0

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock
    this.#intervalMs = intervalMs
  }

  /**
   * Call this for every event that may be logged.
   *
   * @returns the count of lines suppressed since the last permitted line; `undefined` = do not log
   */
  hit(): number | undefined {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#permittedAtMs < this.#intervalMs) {
      this.#suppressed++
      return undefined
    }
    const suppressed = this.#suppressed
    this.#permittedAtMs = nowMs
    this.#suppressed = 0
    return suppressed
  }

  /** Permits the next line in any case: it is not a repetition. */
  reset(): void {
    this.#permittedAtMs = Number.NEGATIVE_INFINITY
  }
}

/** The suffix for a permitted line: the count of suppressed lines like it. */
export function renderRepeats(suppressed: number): string {
  return suppressed === 0 ? '' : ` (${suppressed} more since the last such line)`
}
