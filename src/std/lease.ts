/**
 * The part of the memory budget that one owner has taken. It can grow and shrink, and is given back
 * as a whole.
 *
 *     const lease = new Lease(memory)
 *     if (!lease.tryGrowTo(body.heldBytes)) return refuse(MEMORY_FULL)
 *     …
 *     lease.end()
 *
 * The owner need not track the taken bytes, and giving them back twice does no harm.
 */

import type { Memory } from './memory-budget.ts'

export class Lease {
  readonly #memory: Memory
  #bytes = 0

  constructor(memory: Memory) {
    this.#memory = memory
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Holds at least `bytes` from here on. @returns false, with nothing changed, at the bound */
  tryGrowTo(bytes: number): boolean {
    const more = bytes - this.#bytes
    if (more <= 0) return true
    if (!this.#memory.tryTake(more)) return false
    this.#bytes = bytes
    return true
  }

  /** Sets the taken bytes to what the owner really holds; may pass the bound of the budget. */
  setTo(bytes: number): void {
    const more = bytes - this.#bytes
    if (more > 0) this.#memory.take(more)
    else if (more < 0) this.#memory.giveBack(-more)
    this.#bytes = bytes
  }

  /** Gives everything back: the bytes are not needed any more. */
  end(): void {
    this.setTo(0)
  }

  /** Gives everything up without freeing it: another owner takes the bytes over. */
  transfer(): void {
    this.#memory.transfer(this.#bytes)
    this.#bytes = 0
  }
}
