/**
 * `rate-limit` and `burst-limit`: a token bucket that counts requests.
 *
 * The bucket starts full. A request takes one token or is refused; no request waits.
 */

import type { RateLimit } from '../../config/config.ts'
import type { Clock } from '../../std/clock.ts'

export class TokenBucket {
  readonly #limit: RateLimit
  readonly #clock: Clock
  #tokens: number
  #filledAtMs: number

  constructor(limit: RateLimit, clock: Clock) {
    this.#limit = limit
    this.#clock = clock
    this.#tokens = limit.burst
    this.#filledAtMs = clock.monotonicMs()
  }

  /** @returns false when the rate is exceeded */
  tryTake(): boolean {
    const nowMs = this.#clock.monotonicMs()
    const filled = this.#tokens + ((nowMs - this.#filledAtMs) / 1000) * this.#limit.perSecond
    this.#tokens = Math.min(filled, this.#limit.burst)
    this.#filledAtMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
