/**
 * The memory budget, as one relay with a log on disk takes from it.
 *
 * What its outputs have in memory is on the disk as well. So before anything is refused for want of
 * memory, the output with the most of it gives back what it is not sending just now, and reads it
 * again later; then the next one, until there is room.
 *
 *     tryTake ── full ──▶ outputs, the largest first: what waits ──▶ what was taken, and waits
 *                                                  └─── room ───┴──── room ───▶ taken
 *
 * Only this relay's outputs are asked, though all relays share the budget. What is under way, what
 * is being received or synced, and what other relays hold cannot be given back: then it is full.
 *
 * Cost: an output that was asked is not asked again for a while (delivery/catch-up/catch-up.ts),
 * and none is where all of them together have less than is missing. So at the bound a refusal costs
 * one look at each output.
 */

import type { Memory, SharedMemory } from '../std/memory-budget.ts'

export interface MemoryHolder {
  /** What it may be able to give back, at the most. */
  readonly yieldableBytes: number
  /**
   * Gives back what it is not sending.
   *
   * @param isAll also what it has tried to send, and will try again
   */
  yieldMemory(isAll: boolean): void
}

export class RelievedMemory implements SharedMemory {
  readonly #budget: SharedMemory
  readonly #holders: () => readonly MemoryHolder[]

  constructor(budget: SharedMemory, holders: () => readonly MemoryHolder[]) {
    this.#budget = budget
    this.#holders = holders
  }

  get limitBytes(): number {
    return this.#budget.limitBytes
  }

  get clients(): Memory {
    return this.#budget.clients
  }

  get usedBytes(): number {
    return this.#budget.usedBytes
  }

  tryTake(bytes: number): boolean {
    if (this.#budget.tryTake(bytes)) return true
    this.#relieve(bytes)
    return this.#budget.tryTake(bytes)
  }

  take(bytes: number): void {
    this.#budget.take(bytes)
  }

  giveBack(bytes: number): void {
    this.#budget.giveBack(bytes)
  }

  handOn(bytes: number): void {
    this.#budget.handOn(bytes)
  }

  waste(bytes: number): void {
    this.#budget.waste(bytes)
  }

  #relieve(bytes: number): void {
    const missingBytes = () => this.usedBytes + bytes - this.limitBytes
    const holders = this.#holders().filter(({ yieldableBytes }) => yieldableBytes > 0)
    const yieldableBytes = holders.reduce((sum, holder) => sum + holder.yieldableBytes, 0)
    // Nobody is made to read again for nothing.
    if (yieldableBytes < missingBytes()) return
    holders.sort((a, b) => b.yieldableBytes - a.yieldableBytes)
    for (const isAll of [false, true]) {
      for (const holder of holders) {
        holder.yieldMemory(isAll)
        if (missingBytes() <= 0) return
      }
    }
  }
}
