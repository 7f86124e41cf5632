/**
 * How the sending of one stream goes: whether a request is out, how many attempts have failed in a
 * row, and the timers between attempts.
 *
 *     ready ──▶ sending ──▶ answered: ready, or lingering for more writes
 *       ▲          └─────▶ failed: backing off, until every write that waited was sent
 *       └── retry timer ◀──────┘
 *
 * Not here: the delays (retry.ts, flow-control.ts).
 */

import type { Timer } from '../../std/clock.ts'
import type { Batch } from './batch.ts'

export class Attempts {
  #isSending = false
  #failures = 0
  #possiblePoison: Batch | undefined
  #isBackingOff = false
  #retryTimer: Timer | undefined
  #lingerTimer: Timer | undefined

  /** A request is out, or its answer is being processed. */
  get isSending(): boolean {
    return this.#isSending
  }

  /** Failed attempts in a row. */
  get failures(): number {
    return this.#failures
  }

  /** The batch whose data may have caused the last failure; `undefined` after any other failure. */
  get possiblePoison(): Batch | undefined {
    return this.#possiblePoison
  }

  /**
   * Attempts fail, or the writes that waited meanwhile are still being sent. No client waits for
   * this stream.
   */
  get isBackingOff(): boolean {
    return this.#isBackingOff
  }

  /** A timer runs to the next attempt. */
  get awaitsRetry(): boolean {
    return this.#retryTimer !== undefined
  }

  begin(): void {
    this.#isSending = true
  }

  end(): void {
    this.#isSending = false
  }

  noteFailure(): void {
    this.#failures++
  }

  notePossiblePoison(batch: Batch | undefined): void {
    this.#possiblePoison = batch
  }

  startBackingOff(): void {
    this.#isBackingOff = true
  }

  /** The server has answered. @param isLast no other write waits */
  endFailures(isLast: boolean): void {
    this.#failures = 0
    this.#possiblePoison = undefined
    if (isLast) this.#isBackingOff = false
  }

  /** @param timer calls `endRetryWait` and wakes the stream */
  awaitRetry(timer: Timer): void {
    this.#retryTimer = timer
  }

  endRetryWait(): void {
    this.#retryTimer?.cancel()
    this.#retryTimer = undefined
  }

  /** @param start starts a timer that calls `endLinger`; not called while one runs */
  linger(start: () => Timer): void {
    this.#lingerTimer ??= start()
  }

  endLinger(): void {
    this.#lingerTimer = undefined
  }
}
