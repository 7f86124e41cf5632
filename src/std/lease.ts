/**
 * What one owner has taken of the memory budget: it grows, shrinks, and is given back as a whole.
 *
 *     const lease = new Lease(memory)
 *     if (!lease.tryGrowTo(body.heldBytes)) return refuse(MEMORY_FULL)
 *     …
 *     lease.end()
 *
 * So nobody has to remember how much was taken, and giving back twice gives back nothing.
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

  /** Holds `bytes` of what is held already and cannot be refused any more, or no longer is. */
  setTo(bytes: number): void {
    const more = bytes - this.#bytes
    if (more > 0) this.#memory.take(more)
    else if (more < 0) this.#memory.giveBack(-more)
    this.#bytes = bytes
  }

  /** Nobody needs it any more. */
  end(): void {
    this.setTo(0)
  }

  /** What was held lives on: somebody else takes it. */
  handOn(): void {
    this.#memory.handOn(this.#bytes)
    this.#bytes = 0
  }
}
