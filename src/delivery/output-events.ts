/** What an output reports to its relay about the writes that it was offered. */

import type { Entry } from '../log/entry.ts'
import type { Outcome } from '../write/outcome.ts'
import type { Reply } from '../write/reply.ts'

export interface OutputEvents {
  /** This output refuses at least part of an entry; other lines may still be pending here. */
  onRefused(entry: Entry, reply: Reply): void
  /** As `onRefused`, because a database is missing that may still be created. */
  onHeld(entry: Entry, reply: Reply): void
  /** This output cannot store the entry for now, for a reason its client cannot fix. */
  onWaiting(entry: Entry): void
  /** Calls `then` once the entry's client was answered; at once when no client waits. */
  whenAnswered(entry: Entry, then: () => void): void
  /** The entry's one and final outcome at this output. */
  onSettled(entry: Entry, outcome: Outcome): void
  /** An attempt in this stream failed: no client should wait for this stream's pending writes. */
  onFailed(database: string): void
  /** The output is down: no client should wait for its pending writes. */
  onDown(): void
  /** Whether the relay accepts new writes in the present state of its outputs. */
  takesWrites(): boolean
}
