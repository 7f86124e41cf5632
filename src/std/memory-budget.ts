/**
 * The bound on what all relays together hold in memory for their clients (`max-memory-mb`).
 *
 *     0                               1/2                  7/8       1 = the limit
 *     ├── used by writes and clients ────────────────────────┼─────────┤
 *     │   writes are refused at this amount ────────────────▶│         │
 *     │   clients are refused at this amount ─────────────────────────▶│
 *     ├── used by clients alone ───────▶│ clients are refused here as well
 *
 * Writes: bodies, backlogs, batches. Clients: connections, heads, requests, waiting answers.
 *
 * The owner that takes bytes gives the same count back. At the bound `tryTake` returns false and
 * the caller answers 503 with Retry-After; no call waits. Writes cannot use the last eighth, so
 * that a client can still connect, ask, and learn why its write was refused. Clients cannot use
 * more than half, so that connections alone cannot stop all writes.
 *
 * Invariant: 0 <= usedBytes. Only `take` may raise it above `limitBytes`.
 *
 * The list of what is charged: docs/memory.md.
 */

import assert from 'node:assert/strict'

/** A memory budget as its users see it. */
export interface Memory {
  readonly limitBytes: number
  readonly usedBytes: number
  /** @returns false, with nothing taken, when the bytes do not fit */
  tryTake(bytes: number): boolean
  /** Takes bytes that are in memory already, so that refusing them is too late. */
  take(bytes: number): void
  giveBack(bytes: number): void
  /** Gives bytes back that are not freed: another owner takes them over. */
  transfer(bytes: number): void
  /** Reports freed bytes that were not charged to the budget. Does not change the budget. */
  noteGarbage(bytes: number): void
}

/** The budget for writes, and beside it a reserve for the communication with clients. */
export interface SharedMemory extends Memory {
  readonly clients: Memory
}

/** The share of the limit that writes cannot take. */
const RESERVED_SHARE = 1 / 8

export class MemoryBudget implements SharedMemory {
  /** The limit for writes. */
  readonly limitBytes: number
  readonly clients: ClientMemory
  readonly #onFreed: (bytes: number) => void
  #usedBytes = 0

  /**
   * @param wholeBytes the limit for writes and clients together
   * @param onFreed called with the count of bytes that were freed
   * @param reservedBytes the part of `wholeBytes` that writes cannot take
   */
  constructor(
    wholeBytes: number,
    onFreed: (bytes: number) => void = () => {},
    reservedBytes = Math.ceil(wholeBytes * RESERVED_SHARE),
  ) {
    this.limitBytes = wholeBytes - reservedBytes
    this.#onFreed = onFreed
    this.clients = new ClientMemory(this, wholeBytes)
  }

  /** Bytes taken by writes and by clients. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  tryTake(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.limitBytes) return false
    this.#usedBytes += bytes
    return true
  }

  take(bytes: number): void {
    this.#usedBytes += bytes
  }

  giveBack(bytes: number): void {
    this.transfer(bytes)
    this.#onFreed(bytes)
  }

  noteGarbage(bytes: number): void {
    this.#onFreed(bytes)
  }

  transfer(bytes: number): void {
    this.#usedBytes -= bytes
    assert(this.#usedBytes >= 0, 'BUG: more memory given back than taken')
  }
}

/** Largest share of the limit that clients can take. */
const CLIENTS_MAX_SHARE = 1 / 2

/** The same budget with its full limit, for the communication with clients. */
class ClientMemory implements Memory {
  readonly limitBytes: number
  readonly #budget: MemoryBudget
  #usedBytes = 0

  constructor(budget: MemoryBudget, limitBytes: number) {
    this.#budget = budget
    this.limitBytes = limitBytes
  }

  /** Bytes taken by clients alone. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  tryTake(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.limitBytes * CLIENTS_MAX_SHARE) return false
    if (this.#budget.usedBytes + bytes > this.limitBytes) return false
    this.take(bytes)
    return true
  }

  take(bytes: number): void {
    this.#usedBytes += bytes
    this.#budget.take(bytes)
  }

  giveBack(bytes: number): void {
    this.#usedBytes -= bytes
    this.#budget.giveBack(bytes)
  }

  transfer(bytes: number): void {
    this.#usedBytes -= bytes
    this.#budget.transfer(bytes)
  }

  noteGarbage(bytes: number): void {
    this.#budget.noteGarbage(bytes)
  }
}
