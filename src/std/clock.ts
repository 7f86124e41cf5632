/**
 * The clock as a parameter: wall time for timestamps, monotonic time for waits, and timers.
 *
 * The only file that reads the machine's clock or starts timers, so that tests need not sleep. Wall
 * time may jump (NTP, operators); only timestamps and file names may be derived from it.
 */

/** A running timer. */
export interface Timer {
  /** Stops the timer; allowed after it has fired and more than once. */
  cancel(): void
}

export interface Clock {
  /** Milliseconds since an arbitrary point; never goes back. For every wait and every duration. */
  monotonicMs(): number
  /** Milliseconds since the Unix epoch. */
  wallMs(): number
  /** Nanoseconds since the Unix epoch. */
  wallNs(): bigint
  /** Calls `fire` once after `delayMs`. Keeps the process alive unless `isBackground`. */
  startTimer(delayMs: number, fire: () => void, options?: { isBackground: boolean }): Timer
}

/** A larger difference means that the wall clock was set; then the origin is computed again. */
const WALL_DRIFT_MAX_MS = 2
const NS_PER_MS = 1_000_000

/** Wall time at monotonic zero, in milliseconds and nanoseconds: one number is not exact enough. */
let originMs = Math.floor(performance.timeOrigin)
let originNsOfMs = Math.floor((performance.timeOrigin % 1) * NS_PER_MS)

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  wallNs() {
    // `Date.now()` has only milliseconds; the monotonic clock provides the fraction.
    const monotonicMs = performance.now()
    const wallMs = Date.now()
    if (Math.abs(originMs + monotonicMs - wallMs) > WALL_DRIFT_MAX_MS) {
      originMs = wallMs - Math.floor(monotonicMs)
      originNsOfMs = 0
    }
    const wholeMs = Math.floor(monotonicMs)
    const nsOfMs = Math.floor((monotonicMs - wholeMs) * NS_PER_MS) + originNsOfMs
    return BigInt(originMs + wholeMs) * 1_000_000n + BigInt(nsOfMs)
  },
  startTimer(delayMs, fire, options) {
    const handle = setTimeout(fire, delayMs)
    if (options?.isBackground) handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}

/** Resolves after `delayMs`, or as soon as `signal` is aborted. Never rejects. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const finish = () => {
      timer.cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = clock.startTimer(delayMs, finish)
    signal?.addEventListener('abort', finish)
  })
}
