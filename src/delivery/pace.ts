/**
 * How fast an output takes the writes of one stream: how much to send at once, and how long a new
 * write would wait.
 *
 * Judged by what attempts have taken in the recent past, weighted so that an attempt of MEMORY_MS
 * ago counts a third. An attempt that is out counts with the time it has taken so far: a server
 * that stops answering becomes slow before it becomes down.
 *
 * Small requests say little about how fast large ones go. So a batch may grow with each attempt, as
 * far as the last one would have gone in BATCH_TARGET_MS; and a wait is expected only while
 * something has really been waiting for EVIDENCE_MS, and more than the next request would carry.
 */

/** Time constant of forgetting. */
const MEMORY_MS = 2_000
/** What has waited less than this tells nothing: the next merged request may carry all of it. */
const EVIDENCE_MS = 250
/**
 * A merged request is to take no longer than about this: longer ones would make all clients in it
 * wait for the last, and a slow output look like one that is down.
 */
const BATCH_TARGET_MS = 1_000
/**
 * Of the time that a request has taken, how long its clients are given to come back: behind a long
 * way they would else go by turns, half of them in each request, and each wait for two.
 */
const GATHER_SHARE = 1 / 10
const GATHER_MAX_MS = 10
/** More is worth a request of its own. */
const GATHER_MAX_BYTES = 1024 * 1024
/** Shorter ones cannot be waited for. */
const GATHER_MIN_MS = 1
/** However slow an output seems, so much may go at once. */
const BATCH_MIN_BYTES = 4 * 1024

export class Pace {
  #bytes = 0
  #busyMs = 0
  #updatedAtMs = 0
  #beganAtMs: number | undefined
  #runningBytes = 0
  /** Bytes that the last attempt that got something done would have done in BATCH_TARGET_MS. */
  #lastTargetBytes = Number.POSITIVE_INFINITY
  #lastMs = 0
  #gatherUntilMs = 0
  #gatherCount = 0

  /** An attempt goes out with so many bytes. Times are monotonic milliseconds. */
  begin(nowMs: number, bytes: number): void {
    this.#beganAtMs = nowMs
    this.#runningBytes = bytes
  }

  /** @param bytes what the attempt got done; 0 when it failed */
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

  /** All of a request is stored. @param count its writes, and those that wait behind it */
  gather(nowMs: number, count: number): void {
    this.#gatherUntilMs = nowMs + Math.min(this.#lastMs * GATHER_SHARE, GATHER_MAX_MS)
    this.#gatherCount = count
  }

  /**
   * How long the next request should wait for writes of clients that have just been answered.
   *
   * @param waiting what it would carry now
   * @returns milliseconds; 0: not at all
   */
  gatherMs(nowMs: number, waiting: { readonly count: number; readonly bytes: number }): number {
    const leftMs = this.#gatherUntilMs - nowMs
    if (leftMs < GATHER_MIN_MS || waiting.count >= this.#gatherCount) return 0
    return waiting.bytes < this.batchMaxBytes(GATHER_MAX_BYTES) ? leftMs : 0
  }

  /** The most that the next merged request should carry, within `limitBytes`. */
  batchMaxBytes(limitBytes: number): number {
    const averageTargetBytes = (this.#bytes / Math.max(this.#busyMs, 1)) * BATCH_TARGET_MS
    const targetBytes = Math.max(this.#lastTargetBytes, averageTargetBytes, BATCH_MIN_BYTES)
    return Math.min(limitBytes, targetBytes)
  }

  /**
   * Milliseconds until a write that is appended now would be sent; 0 where nothing speaks for a
   * wait. What waits behind the running attempt counts by its bytes only when it is more than the
   * next request would carry.
   *
   * @param waiting all that is owed: its bytes, and how long the oldest of it has waited
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
