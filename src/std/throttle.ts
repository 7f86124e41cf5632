/**
 * Repeated log lines, made rare: one at once, then at most one an interval, which tells how many
 * were kept back.
 *
 * What a stranger can cause a thousand times a second (bad datagrams, refused sends) would
 * otherwise fill the disk with log lines. Nothing is lost but text: whoever logs counts as well.
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
   * To be called whenever there is something to log.
   *
   * @returns how many were kept back since the last line that was permitted, or `undefined`: stay
   * silent
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

  /** The next line is no repeat: it is permitted, whenever it comes. */
  reset(): void {
    this.#permittedAtMs = Number.NEGATIVE_INFINITY
  }
}

/** What a line adds that was permitted: how many like it were kept back. */
export function renderRepeats(suppressed: number): string {
  return suppressed === 0 ? '' : ` (${suppressed} more since the last such line)`
}
