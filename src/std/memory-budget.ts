/**
 * The bound on what all relays together hold in memory for their clients (`max-memory-mb`).
 *
 *     0                                      7/8 of the limit      limit
 *     ├── writes: bodies, backlogs, batches ──────┤                   │
 *     ├── clients: connections, heads, requests, unread answers ──────┤
 *
 * Whoever takes bytes gives the same number back. At the bound `tryTake` says no and the caller
 * answers 503 with Retry-After; nothing waits here. The last eighth is closed to writes, so that
 * a client can still connect, ask, and be told why its write was refused.
 *
 * Invariant: 0 <= usedBytes. It may pass `limitBytes` only by what was taken with `take`.
 *
 * What is charged where: docs/memory.md.
 */

import assert from 'node:assert/strict'

/** A budget, for whoever takes from it. */
export interface Memory {
  readonly limitBytes: number
  readonly usedBytes: number
  /** @returns false, having taken nothing, when the bytes do not fit. */
  tryTake(bytes: number): boolean
  /** Takes bytes that are already held and so cannot be refused any more. */
  take(bytes: number): void
  giveBack(bytes: number): void
  /** As `giveBack`, of bytes that live on: somebody else takes them. */
  handOn(bytes: number): void
  /** Bytes outside the budget that nobody needs any more. Changes nothing in it. */
  waste(bytes: number): void
}

/** For writes, with a part beside it that is kept for talking to clients. */
export interface SharedMemory extends Memory {
  readonly clients: Memory
}

/** Of the limit, what writes cannot take. */
const CLIENTS_SHARE = 1 / 8

export class MemoryBudget implements SharedMemory {
  /** Of writes. */
  readonly limitBytes: number
  readonly clients: ClientMemory
  readonly #onFreed: (bytes: number) => void
  #usedBytes = 0

  /**
   * @param wholeBytes for writes and clients together
   * @param onFreed told of bytes that nobody holds any more
   * @param clientsBytes of the whole, what writes cannot take
   */
  constructor(
    wholeBytes: number,
    onFreed: (bytes: number) => void = () => {},
    clientsBytes = Math.ceil(wholeBytes * CLIENTS_SHARE),
  ) {
    this.limitBytes = wholeBytes - clientsBytes
    this.#onFreed = onFreed
    this.clients = new ClientMemory(this, wholeBytes)
  }

  /** By writes and by clients. */
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
    this.handOn(bytes)
    this.#onFreed(bytes)
  }

  waste(bytes: number): void {
    this.#onFreed(bytes)
  }

  handOn(bytes: number): void {
    this.#usedBytes -= bytes
    assert(this.#usedBytes >= 0, 'BUG: more memory given back than taken')
  }
}

/** The same budget up to its very end, for what is needed to talk to clients at all. */
class ClientMemory implements Memory {
  readonly limitBytes: number
  readonly #budget: MemoryBudget
  #usedBytes = 0

  constructor(budget: MemoryBudget, limitBytes: number) {
    this.#budget = budget
    this.limitBytes = limitBytes
  }

  /** By clients alone. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  tryTake(bytes: number): boolean {
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

  handOn(bytes: number): void {
    this.#usedBytes -= bytes
    this.#budget.handOn(bytes)
  }

  waste(bytes: number): void {
    this.#budget.waste(bytes)
  }
}
