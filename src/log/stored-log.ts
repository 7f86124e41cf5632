/** The log on disk, as one output sees it: its cursor, and records instead of segments. */

import type { Write } from '../write/write.ts'
import type { DoneRanges } from './cursors/done-ranges.ts'
import type { FileMark } from './cursors/file-extent.ts'
import type { OwedStatements } from './cursors/owed-statements.ts'
import type { LogOwnership } from './log-users.ts'
import type { Unread } from './retention/unread.ts'

/** A record as far as an output is concerned with it. */
export interface StoredRecord {
  readonly sequence: number
  /** `undefined`: nothing that this version could send. */
  readonly write: Write | undefined
  /** The output that it is for; `undefined` = all of them. */
  readonly output: string | undefined
}

export interface StoredReader extends AsyncDisposable {
  /** The next ones, at least one; none at the end of what is on the disk. */
  read(): Promise<readonly StoredRecord[]>
}

export interface StoredLog {
  /** The output's cursor. */
  readonly done: DoneRanges
  /** Owed as well, though the cursor has passed them: no segment has them any more. */
  readonly statements: OwedStatements
  /** Number of the first record that this process has appended, or will. */
  readonly firstOwnSequence: number
  readonly ownership: LogOwnership
  openReader(fromSequence: number): StoredReader
  /** These records, or parts of them, stand in the output's file up to the mark. */
  noteWritten(mark: FileMark, sequences: readonly number[]): void
  /** Another output is through with the record. */
  isDoneElsewhere(sequence: number): boolean
  /** Of the numbers from `from` on and below `to`, those that are not done. */
  unread(from: number, to: number): Unread
  /** Puts on record what is about to be given up. Rejects with the system's error. */
  recordGap(given: readonly { readonly sequence: number; readonly write: Write }[]): Promise<void>
}
