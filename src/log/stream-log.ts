/**
 * One database's part of the log: its writes in order, by position.
 *
 *     first                                end
 *       │                                   │
 *     [ e4  e5  --  e7  e8  e9 ]            positions 4 … 9; 6 was withdrawn
 *
 * Positions only rise; cursors are positions. Entries that nobody owes are trimmed from the front.
 *
 * Invariant: first <= any cursor that still owes something here <= end.
 */

import type { Entry } from './entry.ts'

/**
 * Trimmed slots are given back in lots: one copy of the array for at least as many trimmed entries.
 */
const COMPACT_AT_SLOTS = 1024

export class StreamLog {
  readonly database: string
  /** `undefined` = withdrawn, or trimmed and not yet compacted. */
  #slots: (Entry | undefined)[] = []
  /** Position of `#slots[0]`. */
  #base = 0
  /** Position of the first entry that may still be owed. */
  #first = 0

  constructor(database: string) {
    this.database = database
  }

  /** Position that the next entry will get. */
  get end(): number {
    return this.#base + this.#slots.length
  }

  get isEmpty(): boolean {
    return this.#first === this.end
  }

  /** @returns `undefined` when the entry was withdrawn or trimmed. */
  at(position: number): Entry | undefined {
    return this.#slots[position - this.#base]
  }

  push(entry: Entry): void {
    this.#slots.push(entry)
  }

  /** Takes out an entry that nobody owes any more, wherever it stands. */
  remove(position: number): void {
    this.#slots[position - this.#base] = undefined
    let firstSlot = this.#first - this.#base
    while (firstSlot < this.#slots.length && this.#slots[firstSlot] === undefined) firstSlot++
    this.#first = this.#base + firstSlot
    if (firstSlot >= COMPACT_AT_SLOTS && firstSlot * 2 >= this.#slots.length) {
      this.#slots = this.#slots.slice(firstSlot)
      this.#base = this.#first
    }
  }
}
