/**
 * One database's part of the log: its writes in order, by position.
 *
 *     positions   4   5   6   7   8   9  │ end = 10
 *                 e4  e5  –   e7  e8  e9 │            6 was withdrawn
 *
 * Positions only rise; cursors are positions. An entry is removed when it is pending at no output
 * any more, whatever its position: an entry that an output holds for an hour must not keep all
 * later entries in memory.
 */

import { SequenceMap } from '../std/sequence-map.ts'
import type { Entry } from './entry.ts'

export class StreamLog {
  readonly database: string
  readonly #entries = new SequenceMap<Entry>()
  #end = 0

  constructor(database: string) {
    this.database = database
  }

  /** Position of the next entry. */
  get end(): number {
    return this.#end
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  /** @returns `undefined` when the entry was withdrawn, or is pending at no output any more */
  at(position: number): Entry | undefined {
    return this.#entries.get(position)
  }

  inOrder(): readonly Entry[] {
    return this.#entries.inOrder()
  }

  push(entry: Entry): void {
    this.#entries.set(entry.position, entry)
    this.#end = entry.position + 1
  }

  /** Removes an entry that is pending at no output any more. */
  remove(position: number): void {
    this.#entries.delete(position)
  }
}
