/** What a log on disk and those who live on it know of each other: its outputs, as a rule. */

import type { RememberedWrite } from './recovery/mend-segments.ts'

export interface LogUsers {
  /** What outputs owe and have in memory, for when the folder is lost. */
  remembered(): readonly RememberedWrite[]
  /** The output gives up what it owes below a number, as far as another one has it. */
  dropBelow(outputIndex: number, belowSequence: number): void
  /** One that is down gives way at once when the log is at its bound. */
  isUp(outputIndex: number): boolean
  /**
   * The folder is ours and whole: what else stands in it is looked at too. Never rejects.
   *
   * @param isForced whatever was seen a moment ago; resolves when what is lost is counted
   */
  lookAround(isForced: boolean): Promise<void>
  /** Another process has taken the folder over, and delivers what it has got with it. */
  handOver(): void
}

export interface LogOwnership {
  /** For sure: nobody can have the folder but us. Cheap; else `look`. */
  readonly isOurs: boolean
  /** What outputs have in memory may be all that there is. */
  readonly isLost: boolean
  /** Finds out whose the folder is, and what of the log is in it. Never rejects. */
  look(): Promise<void>
  /** As it was when that was last found out: the record is another process's to deliver. */
  isHandedOver(sequence: number): boolean
}
