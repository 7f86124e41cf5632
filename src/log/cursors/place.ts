/**
 * One output's place in an open log: what it is through with, and what the disk knows of that.
 *
 *     done     in memory: always the newest
 *     cursor   on the disk (cursor-file.ts): as it was at some moment
 *
 * Of an output that writes to files a moment is more: the records that are done and the length of
 * its file belong together (file-extent.ts). While a part of a record stands in the file and the
 * record is not done (it was taken apart, its dead letter is not on the disk yet), no length fits:
 * then the cursor stays as it was, which only sends more again, and cuts more off before.
 *
 *     file     │ 4 │ 5 │ half of 6 │ 7 │           done: 4, 5, 7
 *                      └ saved         └ mark: too much of 6, or too little of 7
 *
 * Promise: nothing is appended to a file before the cursor on the disk knows of it (`noteOpened`).
 *
 * Not here: when to save (disk-log.ts), cutting (destinations/file/cut-back.ts).
 */

import { type Cursor, type CursorFile, RANGES_MAX } from './cursor-file.ts'
import type { DoneRanges } from './done-ranges.ts'
import type { FileExtent, FileKeeper, FileMark } from './file-extent.ts'
import { OwedStatements } from './owed-statements.ts'

/** Files noted in one cursor, beyond which the oldest are not cut any more. */
const FILES_MAX = 1_000

export interface PlaceOptions {
  readonly output: string
  readonly isConfigured: boolean
  /** How much of the log may be kept for it. */
  readonly boundBytes: number
  /** Records below it were never for it: that it is through with them says nothing. */
  readonly since: number
  readonly done: DoneRanges
  readonly file: CursorFile
  /** The cursor as it was found; `undefined` when there was none. */
  readonly found: Cursor | undefined
  /** What the log has. */
  readonly log: LogRange
}

/** Numbers of the records that may be there; from 0 on = none. */
export interface LogRange {
  readonly firstSequence: number
  readonly nextSequence: number
}

export class Place implements FileKeeper {
  readonly output: string
  readonly isConfigured: boolean
  readonly boundBytes: number
  readonly since: number
  /** Whoever settles a record adds it. */
  readonly done: DoneRanges
  readonly extents: readonly FileExtent[]
  /** Done as far as the log is concerned, and still to be carried out. */
  readonly statements: OwedStatements
  readonly #file: CursorFile
  /** On the disk. */
  #saved: Cursor | undefined
  #savedState = ''
  #savedBelow = 0
  #hasBegun = false
  /** Up to here the file is written by records that are done, but for `#halves`. */
  #mark: FileMark | undefined
  /** Files that were noted and may be newer than the mark's. */
  #opened: FileMark[] = []
  /** Records that stand in the file, maybe in part, and may not be done. */
  readonly #halves = new Set<number>()
  /** Saves go one after the other. Never rejects. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: PlaceOptions) {
    const { output, isConfigured, boundBytes, since, done, file, found, log } = options
    this.output = output
    this.isConfigured = isConfigured
    this.boundBytes = boundBytes
    this.since = since
    this.done = done
    // The cursor's own number: `done` begins where the log does.
    this.extents = found && hasAllOwed(log, found.doneBelow) ? found.files : []
    this.statements = new OwedStatements(found?.statements ?? [])
    this.#file = file
    this.#saved = found
    // Nobody looks for the cursor of a configured output before this process has saved it.
    if (isConfigured) return
    this.#savedState = this.#stateOf(found?.files ?? [])
    this.#savedBelow = done.below
  }

  /** All records below it are done, and this process has put that on the disk. */
  get savedBelow(): number {
    return this.#savedBelow
  }

  /**
   * What was on the disk is gone: the next save writes all, and until then nothing counts as saved.
   */
  forgetSaved(): void {
    this.#saved = undefined
    this.#savedState = ''
    this.#savedBelow = 0
  }

  /**
   * The destination is open, its files are cut.
   *
   * @param mark `undefined` when it writes to no file that could be cut
   */
  begin(mark: FileMark | undefined): void {
    this.#mark = mark
    this.#hasBegun = true
  }

  /** These records, or parts of them, stand in the file up to the mark. */
  noteWritten(mark: FileMark, sequences: readonly number[]): void {
    this.#mark = mark
    for (const sequence of sequences) if (!this.done.has(sequence)) this.#halves.add(sequence)
  }

  noteOpened(mark: FileMark): Promise<void> {
    return this.#inTurn(async () => {
      // Nothing was written to this file yet; so what was saved last still goes with it.
      const base = this.#saved ?? this.#cursor([])
      const known = base.files.findLast(({ file }) => file === mark.file)
      if (known?.bytes !== mark.bytes) {
        const files = [...base.files, extentOf(mark)].slice(-FILES_MAX)
        const error = await this.#put({ ...base, files }, '')
        if (error !== undefined) throw error
      }
      this.#opened.push(mark)
    })
  }

  /**
   * Saves the cursor, if it has moved and can be saved now. Never rejects.
   *
   * @returns the system's error when it could not be written
   */
  save(): Promise<unknown> {
    return this.#inTurn(async () => {
      const files = this.#filesNow()
      if (files === undefined) return undefined
      const state = this.#stateOf(files)
      return state === this.#savedState ? undefined : await this.#put(this.#cursor(files), state)
    })
  }

  /** @returns `undefined` when no lengths belong to what is done now */
  #filesNow(): readonly FileExtent[] | undefined {
    if (!this.#hasBegun) return this.#saved?.files ?? [] // Not cut yet.
    const mark = this.#mark
    if (mark === undefined) return []
    for (const sequence of this.#halves) {
      if (this.done.has(sequence)) this.#halves.delete(sequence)
    }
    // A cursor with fewer ranges would send the others again.
    if (this.#halves.size > 0 || this.done.ranges.length > RANGES_MAX) return undefined
    this.#opened = this.#opened.filter(({ generation }) => generation > mark.generation)
    return [mark, ...this.#opened].map(extentOf)
  }

  #cursor(files: readonly FileExtent[]): Cursor {
    const { output, done, since } = this
    const owed = this.statements.all
    const statements = owed.length === 0 ? undefined : owed
    return { output, doneBelow: done.below, done: [...done.ranges], files, since, statements }
  }

  /** The same as long as nothing has changed; cheaper than the cursor. */
  #stateOf(files: readonly FileExtent[]): string {
    return JSON.stringify([this.done.changes, this.statements.changes, files])
  }

  async #put(cursor: Cursor, state: string): Promise<unknown> {
    const result = await this.#file.save(cursor)
    if (result.kind === 'failed') return result.error
    this.#saved = cursor
    this.#savedState = state
    this.#savedBelow = cursor.doneBelow
    return undefined
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const worked = this.#last.then(work)
    this.#last = worked.catch(() => {}) // Whoever asked for it is told.
    return worked
  }
}

/**
 * Something is owed, and the log has it from the first on: what is cut off comes again. Else others
 * have written to the files since, or have taken segments away.
 */
function hasAllOwed({ firstSequence, nextSequence }: LogRange, below: number): boolean {
  return firstSequence > 0 && firstSequence <= below && below < nextSequence
}

function extentOf({ file, bytes }: FileExtent): FileExtent {
  return { file, bytes }
}
