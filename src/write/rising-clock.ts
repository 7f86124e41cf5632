/**
 * Timestamps for lines without one: strictly rising wall time, which goes back only when the wall
 * clock is set back.
 *
 * Invariant: between two steps of the wall clock, every timestamp is at least one nanosecond above
 * the last, before it is cut to a precision. A step of more than STEP_MIN_MS, forward or back,
 * takes effect at once: a clock that was wrong for a moment must not make all later timestamps
 * wrong. So two requests of one relay never overwrite each other by chance, however fast they come,
 * unless the clock is set back to before the first. As in InfluxDB, they do share a timestamp
 * within one unit of a coarser precision.
 */

import type { Precision } from '../line-protocol/precision.ts'
import type { Clock } from '../std/clock.ts'
import { unreachable } from '../std/errors.ts'
import { STEP_MIN_MS } from './clock-steps.ts'

const NS_PER_MS = 1_000_000
const NS_PER_MS_BIG = 1_000_000n

export interface Steps {
  /** @returns a number that rises with every step of the wall clock */
  look(): number
}

export class RisingClock {
  readonly #clock: Clock
  readonly #steps: Steps
  #stepsSeen: number
  // Two numbers instead of one bigint: half the cost, and each is exact.
  #lastMs = -1
  #lastNsOfMs = 0

  constructor(clock: Clock, steps: Steps) {
    this.#clock = clock
    this.#steps = steps
    this.#stepsSeen = steps.look()
  }

  /**
   * @returns `max(now, last + 1 ns)`, or `now` after a step of the clock; cut to `precision`, in
   *   decimal digits
   */
  next(precision: Precision): string {
    const steps = this.#steps.look()
    const nowNs = this.#clock.wallNs()
    const nowMs = Number(nowNs / NS_PER_MS_BIG)
    const nowNsOfMs = Number(nowNs % NS_PER_MS_BIG)
    // Many small steps back, each below STEP_MIN_MS, may add up to more than that.
    const isFarAhead = this.#lastMs - nowMs > STEP_MIN_MS
    if (steps !== this.#stepsSeen || isFarAhead) {
      this.#stepsSeen = steps
      this.#lastMs = nowMs
      this.#lastNsOfMs = nowNsOfMs
    } else if (nowMs > this.#lastMs || (nowMs === this.#lastMs && nowNsOfMs > this.#lastNsOfMs)) {
      this.#lastMs = nowMs
      this.#lastNsOfMs = nowNsOfMs
    } else if (++this.#lastNsOfMs === NS_PER_MS) {
      this.#lastMs++
      this.#lastNsOfMs = 0
    }
    return digits(this.#lastMs, this.#lastNsOfMs, precision)
  }
}

function digits(ms: number, nsOfMs: number, precision: Precision): string {
  switch (precision) {
    case 'ns':
      return joined(ms, nsOfMs, 6)
    case 'us':
      return joined(ms, Math.floor(nsOfMs / 1000), 3)
    case 'ms':
      return String(ms)
    case 's':
      return String(Math.floor(ms / 1000))
    case 'm':
      return String(Math.floor(ms / 60_000))
    case 'h':
      return String(Math.floor(ms / 3_600_000))
    default:
      return unreachable(precision)
  }
}

function joined(ms: number, rest: number, width: number): string {
  // Without whole milliseconds (just after 1970), padding would add leading zeros.
  return ms === 0 ? String(rest) : String(ms) + String(rest).padStart(width, '0')
}
