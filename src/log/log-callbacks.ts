/** The interface between the log on disk and its outputs. */

import type { WriteInMemory } from './recovery/mend-segments.ts'

export interface LogCallbacks {
  /** Owed entries in memory, to rewrite lost segments. */
  writesInMemory(): readonly WriteInMemory[]
  /** The output gives up owed records below the number that another output has done. */
  dropBelow(outputIndex: number, belowSequence: number): void
  /** An output that is down gives up records as soon as the log reaches its bound. */
  isUp(outputIndex: number): boolean
  /**
   * The folder is ours and complete: check the dead-letter folders too. Never rejects.
   *
   * @param isForced checks again even if the last check was a moment ago; resolves when lost
   *   letters are counted
   */
  checkDeadLetters(isForced: boolean): Promise<void>
  /** Another process took over the folder and delivers the records in it. */
  handOver(): void
}

export interface LogOwnership {
  /** This process certainly owns the folder. Cheap; if false, call `look`. */
  readonly isOurs: boolean
  /** The folder or a part of it is lost: entries in memory may be the only copy. */
  readonly isLost: boolean
  /** Checks who owns the folder and which segments are in it. Never rejects. */
  look(): Promise<void>
  /** Result of the last check: another process delivers the record. */
  isHandedOver(sequence: number): boolean
}
