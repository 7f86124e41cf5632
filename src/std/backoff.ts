/**
 * Wait between attempts: exponential, with full jitter, so that many waiters do not come back at
 * once.
 */

/** Upper end of the first wait. */
const BACKOFF_FIRST_MS = 500
/**
 * Longest wait we grant a destination that names one. Beyond it we would rather ask than trust its
 * clock.
 */
export const RETRY_AFTER_MAX_MS = 10 * 60_000

export interface BackoffOptions {
  /** Attempts that have failed in a row; 1 after the first. */
  readonly failures: number
  readonly delayMaxMs: number
  /** What the destination asked for, if it did. */
  readonly retryAfterMs: number | undefined
  /** In [0, 1). */
  readonly random: number
}

/**
 * Milliseconds to wait before the next attempt: never less than the destination asked for, within
 * its bound.
 */
export function backoffMs(options: BackoffOptions): number {
  const { failures, delayMaxMs, retryAfterMs, random } = options
  // 2 ** 40 is far beyond any configurable delay; larger exponents would only lose precision.
  const ceilingMs = Math.min(delayMaxMs, BACKOFF_FIRST_MS * 2 ** Math.min(failures - 1, 40))
  const jitteredMs = Math.round(ceilingMs * random)
  return Math.max(jitteredMs, Math.min(retryAfterMs ?? 0, RETRY_AFTER_MAX_MS))
}

/**
 * How long the destination asks us to wait before the next attempt.
 *
 * Reads both forms of RFC 9110 §10.2.3: whole seconds, or an HTTP date.
 *
 * @param header the `Retry-After` value as received
 * @param nowMs wall clock, milliseconds since the Unix epoch
 * @returns milliseconds in [0, RETRY_AFTER_MAX_MS], or `undefined` when the value is neither form.
 *   Never throws: a bad header must not cost us the write.
 */
export function retryAfterMs(header: string, nowMs: number): number | undefined {
  let delayMs = Number.NaN
  if (/^\d+$/.test(header)) delayMs = Number(header) * 1000
  // Only the date form the RFC defines: Date.parse alone would accept '-1' as a year.
  else if (header.endsWith(' GMT')) delayMs = Date.parse(header) - nowMs

  if (Number.isNaN(delayMs)) return undefined
  return Math.min(Math.max(delayMs, 0), RETRY_AFTER_MAX_MS)
}
