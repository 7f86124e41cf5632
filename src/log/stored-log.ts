/** The log on disk from the view of one output: its cursor, and records instead of segments. */

import type { Write } from '../write/write.ts'
import type { DoneRanges } from './cursors/done-ranges.ts'
import type { FileCheckpoint } from './cursors/file-checkpoint.ts'
import type { OwedStatements } from './cursors/owed-statements.ts'
import type { LogOwnership } from './log-callbacks.ts'
import type { Lag } from './retention/lag.ts'

/** The parts of a record that an output needs. */
export interface StoredRecord {
  readonly sequence: number
  /** `undefined`: this version cannot send the record. */
  readonly write: Write | undefined
  /** The output that the record is for; `undefined` = all outputs. */
  readonly output: string | undefined
}

export interface StoredReader extends AsyncDisposable {
  /** The next records, at least one; an empty list at the end of the log on disk. */
  read(): Promise<readonly StoredRecord[]>
}

export interface StoredLog {
  /** The output's cursor. */
  readonly done: DoneRanges
  /** Statements that are owed although the cursor has passed them: the cursor stores them. */
  readonly statements: OwedStatements
  /** Sequence number of the first record that this process appends. */
  readonly firstOwnSequence: number
  readonly ownership: LogOwnership
  openReader(fromSequence: number): StoredReader
  /** The output's file contains these records, or parts of them, up to the checkpoint. */
  noteWritten(checkpoint: FileCheckpoint, sequences: readonly number[]): void
  /** Another output has done the record. */
  isDoneElsewhere(sequence: number): boolean
  /** The lag of the output in [from, to): the numbers in this range that are not done. */
  formerLag(from: number, to: number): Lag
  /** Records the writes that the output is about to give up. Rejects with the system's error. */
  recordGap(given: readonly { readonly sequence: number; readonly write: Write }[]): Promise<void>
}
