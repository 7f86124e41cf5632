/**
 * One database's part of the log: its writes in order, by position.
 *
 *     positions   4   5   6   7   8   9  │ end = 10
 *                 e4  e5  –   e7  e8  e9 │            6 was withdrawn
 *
 * Positions only rise; cursors are positions. An entry leaves when nobody owes it any more,
 * wherever it stands: one that is held at some output for an hour must not keep the place of all
 * that came behind it.
 */

import { Numbered } from '../std/numbered.ts'
import type { Entry } from './entry.ts'

export class StreamLog {
  readonly database: string
  readonly #entries = new Numbered<Entry>()
  #end = 0

  constructor(database: string) {
    this.database = database
  }

  /** Position that the next entry will get. */
  get end(): number {
    return this.#end
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  /** @returns `undefined` when the entry was withdrawn, or nobody owes it any more. */
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

  /** Takes out an entry that nobody owes any more. */
  remove(position: number): void {
    this.#entries.delete(position)
  }
}
