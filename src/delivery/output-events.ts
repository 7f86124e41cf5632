/** What an output tells its relay of the writes that it was offered. */

import type { Entry } from '../log/entry.ts'
import type { Outcome } from '../write/outcome.ts'
import type { Reply } from '../write/reply.ts'

export interface OutputEvents {
  /** This output's word on an entry is no, though it may not be through with it. */
  onRefused(entry: Entry, reply: Reply): void
  /** As `onRefused`, for want of a database that may yet come. */
  onHeld(entry: Entry, reply: Reply): void
  /** It will not be had soon, and that is nothing that its client could mend. */
  onWaiting(entry: Entry): void
  /**
   * Calls `then` as soon as nobody waits for the client's answer any more, at once if nobody does.
   */
  whenAnswered(entry: Entry, then: () => void): void
  /** The entry's one and final fate here. */
  onSettled(entry: Entry, outcome: Outcome): void
  /** An attempt in this stream failed: nothing pending there is worth waiting for. */
  onFailed(database: string): void
  /** Down: nothing pending here is worth waiting for. */
  onDown(): void
  /** Whether the relay takes new writes, with its outputs as they are now. */
  takesWrites(): boolean
}
