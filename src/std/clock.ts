/**
 * Time as an argument: wall time for timestamps, monotonic time for waits, and timers.
 *
 * The only file that reads the machine's clock or starts timers, so that tests can do without sleeping.
 * Wall time may jump (NTP, operators); nothing but timestamps and file names may be derived from it.
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
  /** Nanoseconds since the Unix epoch; microsecond resolution at best. */
  wallNs(): bigint
  /** Calls `fire` once after `delayMs`. Keeps the process alive unless `isBackground`. */
  startTimer(delayMs: number, fire: () => void, options?: { isBackground: boolean }): Timer
}

/** Wall time of `performance.now() === 0`, refreshed below when the wall clock was set. */
let originWallMs = performance.timeOrigin
/** Beyond this difference the wall clock was set and the origin is taken anew. */
const WALL_DRIFT_MAX_MS = 2

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  wallNs() {
    // `Date.now()` has milliseconds only; the monotonic clock fills in the microseconds.
    const monotonicMs = performance.now()
    const wallMs = Date.now()
    if (Math.abs(originWallMs + monotonicMs - wallMs) > WALL_DRIFT_MAX_MS) {
      originWallMs = wallMs - monotonicMs
    }
    return BigInt(Math.floor((originWallMs + monotonicMs) * 1000)) * 1000n
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
