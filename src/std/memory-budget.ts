/**
 * The bound on bodies held in memory by all relays together (`max-memory-mb`).
 *
 * Whoever takes bytes gives the same number back. At the bound `tryTake` says no and the caller
 * answers 503 with Retry-After; nothing waits here.
 *
 * Invariant: 0 <= usedBytes. It may pass `limitBytes` only by what was taken with `take`.
 */

import assert from 'node:assert/strict'

/** The budget, for whoever takes from it. */
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

export class MemoryBudget implements Memory {
  readonly limitBytes: number
  readonly #onFreed: (bytes: number) => void
  #usedBytes = 0

  /** @param onFreed told of bytes that nobody holds any more */
  constructor(limitBytes: number, onFreed: (bytes: number) => void = () => {}) {
    this.limitBytes = limitBytes
    this.#onFreed = onFreed
  }

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
