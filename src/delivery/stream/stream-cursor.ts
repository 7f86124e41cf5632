/**
 * The cursor of one output in one stream: which entries were taken, and where to read on.
 *
 * Sources hold the entries that are not yet taken: the memory log, the window of entries that were
 * read from the disk for this output alone, or both in turn.
 *
 * Invariant: the number of every taken entry is at most `takenThrough`. All other entries up to
 * that number are settled, or were given back to be read again. Both hold without statements that
 * went before their turn (`skip`).
 */

import type { Entry } from '../../log/entry.ts'
import type { StreamLog } from '../../log/stream-log.ts'

/** A log, and the position of the next entry to read from it. */
interface Source {
  readonly log: StreamLog
  next: number
}

export class StreamCursor {
  #takenThrough: number
  /** Logs to read in turn; the first is read now. */
  readonly #sources: Source[] = []
  /** Numbers up to `takenThrough` of unsettled entries that were given back. */
  readonly #givenBack = new Set<number>()
  /** Entries that went before their turn: their sources pass over them. */
  readonly #early = new WeakSet<Entry>()

  /** @param takenThrough all entries up to this number were settled before */
  constructor(takenThrough: number) {
    this.#takenThrough = takenThrough
  }

  /** Number of the last entry that was taken or skipped. */
  get takenThrough(): number {
    return this.#takenThrough
  }

  /** Adds an entry that was appended to `log`, to be read after everything else. */
  follow(log: StreamLog, entry: Entry): void {
    if (this.#sources.at(-1)?.log !== log) this.#sources.push({ log, next: entry.position })
    this.#givenBack.delete(entry.sequence)
  }

  /**
   * The entry, a statement, goes before its turn. `takenThrough` stays as it is: older entries may
   * still be unread.
   */
  skip(entry: Entry): void {
    this.#early.add(entry)
    this.#givenBack.delete(entry.sequence)
  }

  /** Whether an unsettled entry was taken, and is not to be read again. */
  hasTaken(sequence: number): boolean {
    return sequence <= this.#takenThrough && !this.#givenBack.has(sequence)
  }

  /** Adds all entries that are not yet taken to `entries`: all of those are to be read again. */
  giveBack(entries: Set<Entry>): void {
    const takenThrough = this.#takenThrough
    for (const entry of this.waiting()) entries.add(entry)
    this.#sources.length = 0
    for (const { sequence } of entries) if (sequence <= takenThrough) this.#givenBack.add(sequence)
  }

  /** The oldest entry that is not yet taken. */
  peek(): Entry | undefined {
    for (let source = this.#sources[0]; source !== undefined; source = this.#sources[0]) {
      const { log } = source
      while (source.next < log.end) {
        const entry = log.at(source.next)
        if (entry !== undefined && !this.#isEarly(entry)) return entry
        source.next++
      }
      if (this.#sources.length === 1) return undefined
      this.#sources.shift()
    }
    return undefined
  }

  /** Moves past the entry that `peek` has returned. */
  pass(entry: Entry): void {
    this.#takenThrough = Math.max(this.#takenThrough, entry.sequence)
    const [source] = this.#sources
    if (source !== undefined) source.next++
  }

  /** All entries that are not yet taken, oldest first. */
  *waiting(): Generator<Entry> {
    for (const { log, next } of this.#sources) {
      for (let position = next; position < log.end; position++) {
        const entry = log.at(position)
        if (entry !== undefined && !this.#isEarly(entry)) yield entry
      }
    }
  }

  #isEarly(entry: Entry): boolean {
    return entry.write.kind === 'statement' && this.#early.has(entry)
  }
}
