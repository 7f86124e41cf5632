/**
 * The memory budget of a relay with a log on disk; it reclaims memory from outputs under pressure.
 *
 * Entries that outputs hold in memory are also on the disk. So before a write is refused for lack
 * of memory, the output that holds most gives back the entries that it is not sending now, and
 * reads them again later; then the next output, until there is room.
 *
 *     tryTake ── full ──▶ outputs, the largest first: waiting ──▶ tried, and waiting for a retry
 *                                                  └─ room ─┴──── room ───▶ taken
 *
 * Memory is reclaimed only from the outputs of this relay, although all relays share the budget.
 * Entries that are being sent, received or synced, and the memory of other relays, cannot be
 * reclaimed: if they fill the budget, `tryTake` returns false.
 *
 * Cost: after an output gave memory back, it is not asked again for a while
 * (delivery/catch-up/catch-up.ts). No output is asked when all together hold less than is missing.
 * So at the bound a refusal costs one check of each output.
 */

import type { Memory, SharedMemory } from '../std/memory-budget.ts'

export interface MemoryHolder {
  /** Upper bound of the bytes that the holder can give back. */
  readonly reclaimableBytes: number
  /**
   * Gives back the memory of entries that the holder is not sending.
   *
   * @param isAll also of entries that it has tried to send and will retry
   */
  reclaim(isAll: boolean): void
}

export class ReclaimingMemory implements SharedMemory {
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
    this.#reclaim(bytes)
    return this.#budget.tryTake(bytes)
  }

  take(bytes: number): void {
    this.#budget.take(bytes)
  }

  giveBack(bytes: number): void {
    this.#budget.giveBack(bytes)
  }

  transfer(bytes: number): void {
    this.#budget.transfer(bytes)
  }

  noteGarbage(bytes: number): void {
    this.#budget.noteGarbage(bytes)
  }

  #reclaim(bytes: number): void {
    const missingBytes = () => this.usedBytes + bytes - this.limitBytes
    const holders = this.#holders().filter(({ reclaimableBytes }) => reclaimableBytes > 0)
    const reclaimableBytes = holders.reduce((sum, holder) => sum + holder.reclaimableBytes, 0)
    // Too little can be reclaimed: do not make outputs read from disk again for nothing.
    if (reclaimableBytes < missingBytes()) return
    holders.sort((a, b) => b.reclaimableBytes - a.reclaimableBytes)
    for (const isAll of [false, true]) {
      for (const holder of holders) {
        holder.reclaim(isAll)
        if (missingBytes() <= 0) return
      }
    }
  }
}
