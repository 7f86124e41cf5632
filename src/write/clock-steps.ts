/**
 * Detects steps of the wall clock: an operator or NTP has set it while the relay runs.
 *
 *     wall − monotonic   ────────┐               constant between two checks, except a slow drift
 *                                └────────       a step, forward or back
 *
 * Checked with every timestamp and every LOOK_EVERY_MS, so that a drift over hours is no step.
 *
 * Limits: it does not detect steps smaller than STEP_MIN_MS, which NTP slews away, nor a step that
 * is reverted before the next check.
 */

import type { Clock, Timer } from '../std/clock.ts'
import { LogThrottle } from '../std/log-throttle.ts'
import type { Logger } from '../std/logger.ts'

export const STEP_MIN_MS = 1_000
const LOOK_EVERY_MS = 1_000
const LOG_INTERVAL_MS = 1_000

export interface ClockStepsOptions {
  readonly clock: Clock
  readonly logger: Logger
}

export class ClockSteps implements Disposable {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #forwardLog: LogThrottle
  readonly #backLog: LogThrottle
  #offsetMs: number
  #count = 0
  #timer: Timer | undefined

  constructor({ clock, logger }: ClockStepsOptions) {
    this.#clock = clock
    this.#logger = logger
    this.#forwardLog = new LogThrottle(clock, LOG_INTERVAL_MS)
    this.#backLog = new LogThrottle(clock, LOG_INTERVAL_MS)
    this.#offsetMs = clock.wallMs() - clock.monotonicMs()
    this.#schedule()
  }

  /** Count of the steps so far. */
  get count(): number {
    return this.#count
  }

  /** Checks for a step. @returns the count of steps so far, including a new one */
  look(): number {
    let offsetMs = this.#clock.wallMs() - this.#clock.monotonicMs()
    if (this.#isStep(offsetMs)) {
      // Measure again: the process may have been suspended between the two clock readings.
      offsetMs = this.#clock.wallMs() - this.#clock.monotonicMs()
      if (this.#isStep(offsetMs)) this.#note(offsetMs - this.#offsetMs)
    }
    this.#offsetMs = offsetMs
    return this.#count
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel()
  }

  #isStep(offsetMs: number): boolean {
    return Math.abs(offsetMs - this.#offsetMs) > STEP_MIN_MS
  }

  #note(stepMs: number): void {
    this.#count++
    const isForward = stepMs > 0
    if ((isForward ? this.#forwardLog : this.#backLog).hit() === undefined) return
    const seconds = Math.abs(stepMs) / 1000
    const where = isForward ? 'forward' : 'back'
    const text = `the wall clock was set ${where} by ${seconds.toFixed(1)} s`
    this.#logger.warn(
      { stepMs: Math.round(stepMs) },
      `${text}: lines without a timestamp follow it at once`,
    )
  }

  #schedule(): void {
    const look = () => {
      this.look()
      this.#schedule()
    }
    this.#timer = this.#clock.startTimer(LOOK_EVERY_MS, look, { isBackground: true })
  }
}
