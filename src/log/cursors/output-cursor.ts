/**
 * The position of one output in an open log: the records that it has done, and its saved cursor.
 *
 *     done     in memory: always current
 *     cursor   on the disk (cursor-file.ts): a past state of `done`
 *
 * For an output that writes to files, a saved state also includes the length of the file, which
 * must match the done records (file-checkpoint.ts). No length matches while the file contains a
 * part of a record that is not done (the record was split, or its dead letter is not on the disk
 * yet). Then the older cursor stays on the disk: a restart cuts more off the file and sends more
 * again.
 *
 *     file     │ 4 │ 5 │ half of 6 │ 7 │       done: 4, 5, 7
 *                      └ saved         └ checkpoint: includes a part of 6; a cut before 6 loses 7
 *
 * Promise: before the first append to a file, the cursor on the disk contains it (`noteOpened`).
 *
 * Not here: when to save (disk-log.ts), cutting (destinations/file/cut-back.ts).
 */

import { type Cursor, type CursorFile, RANGES_MAX } from './cursor-file.ts'
import type { DoneRanges } from './done-ranges.ts'
import type { FileCheckpoint, FileExtent, FileKeeper } from './file-checkpoint.ts'
import { OwedStatements } from './owed-statements.ts'

/** Most files in one cursor; older files are dropped from it and no longer cut. */
const FILES_MAX = 1_000

export interface OutputCursorOptions {
  readonly output: string
  readonly isConfigured: boolean
  /** Most bytes of the log that may be kept for this output. */
  readonly boundBytes: number
  /** Records with a lower number were never for this output; `done` does not mean stored there. */
  readonly since: number
  readonly done: DoneRanges
  readonly file: CursorFile
  /** The cursor on the disk at the start; `undefined` when there was none. */
  readonly found: Cursor | undefined
  /** The sequence numbers that the log holds. */
  readonly log: LogRange
}

/** Range of the sequence numbers in the log; `firstSequence` 0 = the log is empty. */
export interface LogRange {
  readonly firstSequence: number
  readonly nextSequence: number
}

export class OutputCursor implements FileKeeper {
  readonly output: string
  readonly isConfigured: boolean
  readonly boundBytes: number
  readonly since: number
  /** The code that settles a record adds the record here. */
  readonly done: DoneRanges
  readonly extents: readonly FileExtent[]
  /** Statements that count as done in the log, and that the destination must still execute. */
  readonly statements: OwedStatements
  readonly #file: CursorFile
  /** The cursor on the disk. */
  #saved: Cursor | undefined
  #savedState = ''
  #savedBelow = 0
  #hasBegun = false
  /** Up to here the file contains only done records, except those in `#halves`. */
  #checkpoint: FileCheckpoint | undefined
  /** Files from `noteOpened` that may be newer than the file of `#checkpoint`. */
  #opened: FileCheckpoint[] = []
  /** Records that are wholly or partly in the file and may not be done. */
  readonly #notDoneInFile = new Set<number>()
  /** Saves run one at a time. Never rejects. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: OutputCursorOptions) {
    const { output, isConfigured, boundBytes, since, done, file, found, log } = options
    this.output = output
    this.isConfigured = isConfigured
    this.boundBytes = boundBytes
    this.since = since
    this.done = done
    // Use the number from the cursor: `done` begins at the first record of the log.
    this.extents = found && hasAllOwed(log, found.doneBelow) ? found.files : []
    this.statements = new OwedStatements(found?.statements ?? [])
    this.#file = file
    this.#saved = found
    // A configured output has no saved state until this process saves its cursor. An orphan does.
    if (isConfigured) return
    this.#savedState = this.#stateOf(found?.files ?? [])
    this.#savedBelow = done.below
  }

  /** Records with a lower number are done in the cursor that was saved, or found for an orphan. */
  get savedBelow(): number {
    return this.#savedBelow
  }

  /**
   * The cursor on the disk is lost: nothing counts as saved until the next save writes all of it.
   */
  forgetSaved(): void {
    this.#saved = undefined
    this.#savedState = ''
    this.#savedBelow = 0
  }

  /**
   * Call this when the destination is open and its files are cut.
   *
   * @param mark `undefined` when the destination writes to no file that could be cut
   */
  begin(checkpoint: FileCheckpoint | undefined): void {
    this.#checkpoint = checkpoint
    this.#hasBegun = true
  }

  /** The file contains these records, or parts of them, up to the checkpoint. */
  noteWritten(checkpoint: FileCheckpoint, sequences: readonly number[]): void {
    this.#checkpoint = checkpoint
    for (const sequence of sequences)
      if (!this.done.has(sequence)) this.#notDoneInFile.add(sequence)
  }

  noteOpened(checkpoint: FileCheckpoint): Promise<void> {
    return this.#inTurn(async () => {
      // Nothing was written to this file yet, so the last saved cursor still matches it.
      const base = this.#saved ?? this.#cursor([])
      const known = base.files.findLast(({ file }) => file === checkpoint.file)
      if (known?.bytes !== checkpoint.bytes) {
        const files = [...base.files, extentOf(checkpoint)].slice(-FILES_MAX)
        const error = await this.#put({ ...base, files }, '')
        if (error !== undefined) throw error
      }
      this.#opened.push(checkpoint)
    })
  }

  /**
   * Saves the cursor if it has changed and can be saved now. Never rejects.
   *
   * @returns the system's error when the cursor could not be written
   */
  save(): Promise<unknown> {
    return this.#inTurn(async () => {
      const files = this.#filesNow()
      if (files === undefined) return undefined
      const state = this.#stateOf(files)
      return state === this.#savedState ? undefined : await this.#put(this.#cursor(files), state)
    })
  }

  /** @returns `undefined` when no file lengths match the done records now */
  #filesNow(): readonly FileExtent[] | undefined {
    if (!this.#hasBegun) return this.#saved?.files ?? [] // The files are not cut yet.
    const checkpoint = this.#checkpoint
    if (checkpoint === undefined) return []
    for (const sequence of this.#notDoneInFile) {
      if (this.done.has(sequence)) this.#notDoneInFile.delete(sequence)
    }
    // With too many ranges, the cursor would drop some, and their records would be sent again.
    if (this.#notDoneInFile.size > 0 || this.done.ranges.length > RANGES_MAX) return undefined
    this.#opened = this.#opened.filter(({ generation }) => generation > checkpoint.generation)
    return [checkpoint, ...this.#opened].map(extentOf)
  }

  #cursor(files: readonly FileExtent[]): Cursor {
    const { output, done, since } = this
    const owed = this.statements.all
    const statements = owed.length === 0 ? undefined : owed
    return { output, doneBelow: done.below, done: [...done.ranges], files, since, statements }
  }

  /** A text that changes whenever the cursor changes; cheaper than the cursor itself. */
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
    this.#last = worked.catch(() => {}) // The caller gets the rejection.
    return worked
  }
}

/**
 * True when the log holds every owed record, and there is at least one: then all lines that a cut
 * removes are written again. Otherwise others have written to the files since, or have removed
 * segments.
 */
function hasAllOwed({ firstSequence, nextSequence }: LogRange, below: number): boolean {
  return firstSequence > 0 && firstSequence <= below && below < nextSequence
}

function extentOf({ file, bytes }: FileExtent): FileExtent {
  return { file, bytes }
}
