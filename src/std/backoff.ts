/**
 * The wait between attempts: exponential backoff with full jitter, so that many waiters do not
 * retry at once.
 */

/** Upper bound of the first wait. */
const BACKOFF_FIRST_MS = 500
/**
 * Longest `Retry-After` that the relay honours. Instead of a longer wait the relay tries again: the
 * destination's clock may be wrong.
 */
export const RETRY_AFTER_MAX_MS = 10 * 60_000

export interface BackoffOptions {
  /** Attempts that have failed in a row; 1 after the first. */
  readonly failures: number
  readonly delayMaxMs: number
  /** The wait that the destination asked for, if any. */
  readonly retryAfterMs: number | undefined
  /** In [0, 1). */
  readonly random: number
}

/**
 * Milliseconds to wait before the next attempt: at least the wait that the destination asked for,
 * up to RETRY_AFTER_MAX_MS.
 */
export function backoffMs(options: BackoffOptions): number {
  const { failures, delayMaxMs, retryAfterMs, random } = options
  // 2 ** 40 is far beyond any configurable delay; larger exponents would only lose precision.
  const ceilingMs = Math.min(delayMaxMs, BACKOFF_FIRST_MS * 2 ** Math.min(failures - 1, 40))
  const jitteredMs = Math.round(ceilingMs * random)
  return Math.max(jitteredMs, Math.min(retryAfterMs ?? 0, RETRY_AFTER_MAX_MS))
}

/**
 * The wait that the destination asks for before the next attempt.
 *
 * Reads both forms of RFC 9110 §10.2.3: whole seconds, or an HTTP date.
 *
 * @param header the `Retry-After` value as received
 * @param nowMs wall clock, milliseconds since the Unix epoch
 * @returns milliseconds in [0, RETRY_AFTER_MAX_MS], or `undefined` when the value is neither form.
 *   Never throws: a bad header must not make the relay lose the write.
 */
export function retryAfterMs(header: string, nowMs: number): number | undefined {
  let delayMs = Number.NaN
  if (/^\d+$/.test(header)) delayMs = Number(header) * 1000
  // Only the date form that the RFC defines: Date.parse alone would accept '-1' as a year.
  else if (header.endsWith(' GMT')) delayMs = Date.parse(header) - nowMs

  if (Number.isNaN(delayMs)) return undefined
  return Math.min(Math.max(delayMs, 0), RETRY_AFTER_MAX_MS)
}
