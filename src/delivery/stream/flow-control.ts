/**
 * Flow control of one stream at one output: how much to send in one request (batch sizing), how
 * long to linger for more writes, and how long a new write would wait.
 *
 * The estimates come from the duration of recent attempts, weighted so that an attempt MEMORY_MS
 * ago counts a third. A running attempt counts with the time it has taken so far: a server that
 * stops answering looks slow before it is marked down.
 *
 * Small requests say little about the speed of large ones. So a batch may grow with each attempt,
 * up to what the last attempt would have processed in BATCH_TARGET_MS. A wait is expected
 * only if the oldest write has waited for EVIDENCE_MS and the next request cannot carry the rest.
 */

/** Time constant of the exponential decay. */
const MEMORY_MS = 2_000
/** A shorter wait is no evidence: the next merged request may carry all that waits. */
const EVIDENCE_MS = 250
/**
 * Target duration of a merged request. A longer request would make all of its clients wait for the
 * last one, and would make a slow output look like an output that is down.
 */
const BATCH_TARGET_MS = 1_000
/**
 * Linger, as a share of the duration of the last request: time for its clients to send their next
 * write. Without it, clients behind a long network path would take turns, half of them in each
 * request, and each client would wait for two requests.
 */
const LINGER_SHARE = 1 / 10
const LINGER_MAX_MS = 10
/** No linger with more bytes than this: they are worth a request of their own. */
const LINGER_MAX_BYTES = 1024 * 1024
/** Timers cannot wait for less. */
const LINGER_MIN_MS = 1
/** A request may always carry this much, however slow the output seems. */
const BATCH_MIN_BYTES = 4 * 1024

export class FlowControl {
  #bytes = 0
  #busyMs = 0
  #updatedAtMs = 0
  #beganAtMs: number | undefined
  #runningBytes = 0
  /** Bytes that the last attempt that did not fail would have processed in BATCH_TARGET_MS. */
  #lastTargetBytes = Number.POSITIVE_INFINITY
  #lastMs = 0
  #lingerUntilMs = 0
  #lingerCount = 0

  /** An attempt with `bytes` begins. Times are monotonic milliseconds. */
  begin(nowMs: number, bytes: number): void {
    this.#beganAtMs = nowMs
    this.#runningBytes = bytes
  }

  /** @param bytes what the attempt has processed; 0 when it failed */
  end(nowMs: number, bytes: number): void {
    if (this.#beganAtMs === undefined) return
    const tookMs = nowMs - this.#beganAtMs
    const weight = Math.exp((this.#updatedAtMs - nowMs) / MEMORY_MS)
    this.#bytes = this.#bytes * weight + bytes
    this.#busyMs = this.#busyMs * weight + tookMs
    this.#updatedAtMs = nowMs
    this.#beganAtMs = undefined
    this.#lastMs = tookMs
    if (bytes > 0) this.#lastTargetBytes = (bytes / Math.max(tookMs, 1)) * BATCH_TARGET_MS
  }

  /**
   * Call when a whole request was stored: the next request lingers.
   *
   * @param count its writes plus the waiting ones
   */
  linger(nowMs: number, count: number): void {
    this.#lingerUntilMs = nowMs + Math.min(this.#lastMs * LINGER_SHARE, LINGER_MAX_MS)
    this.#lingerCount = count
  }

  /**
   * How long the next request should linger for writes of clients that have just been answered.
   *
   * @param waiting what the request would carry now
   * @returns milliseconds; 0 = send now
   */
  lingerMs(nowMs: number, waiting: { readonly count: number; readonly bytes: number }): number {
    const leftMs = this.#lingerUntilMs - nowMs
    if (leftMs < LINGER_MIN_MS || waiting.count >= this.#lingerCount) return 0
    return waiting.bytes < this.batchMaxBytes(LINGER_MAX_BYTES) ? leftMs : 0
  }

  /** The most that the next merged request should carry, within `limitBytes`. */
  batchMaxBytes(limitBytes: number): number {
    const averageTargetBytes = (this.#bytes / Math.max(this.#busyMs, 1)) * BATCH_TARGET_MS
    const targetBytes = Math.max(this.#lastTargetBytes, averageTargetBytes, BATCH_MIN_BYTES)
    return Math.min(limitBytes, targetBytes)
  }

  /**
   * Milliseconds until a write that is appended now would be sent; 0 without evidence for a wait.
   * The bytes behind the running attempt count only if the next request cannot carry all of them.
   *
   * @param waiting the bytes of all waiting writes, and how long the oldest has waited
   */
  expectedWaitMs(
    nowMs: number,
    waiting: { readonly bytes: number; readonly oldestMs: number },
  ): number {
    if (this.#beganAtMs === undefined || waiting.oldestMs < EVIDENCE_MS) return 0
    const runningMs = nowMs - this.#beganAtMs
    const unsentBytes = waiting.bytes - this.#runningBytes
    if (unsentBytes <= this.batchMaxBytes(Number.POSITIVE_INFINITY)) return runningMs
    return runningMs + (unsentBytes * this.#busyMs) / this.#bytes
  }
}
