/** What an output needs from those around it (output.ts). */

import type { OutputConfig } from '../config/config.ts'
import type { DeadLetters } from '../dead-letters/store.ts'
import type { Destination } from '../destinations/destination.ts'
import type { Entry } from '../log/entry.ts'
import type { StoredLog } from '../log/stored-log.ts'
import type { Clock } from '../std/clock.ts'
import type { Logger } from '../std/logger.ts'
import type { Memory } from '../std/memory-budget.ts'
import type { Outcome } from '../write/outcome.ts'
import type { Reply } from '../write/reply.ts'

export interface OutputOptions {
  readonly config: OutputConfig
  readonly destination: Destination
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly events: OutputEvents
  readonly memory: Memory
  /** Clients get an answer, and send a write that is refused again; datagrams get none. */
  readonly isAnswering: boolean
  /** The log on disk, where there is one. */
  readonly stored: StoredLog | undefined
  /** Where what it refuses is kept, with a log on disk; the caller's to close. */
  readonly deadLetters: DeadLetters | undefined
  /** With a log on disk: what it may have in memory. Small in tests, so that they fall behind. */
  readonly windowBytes: number | undefined
  /** An entry of the log in memory is not needed there by this output any more. */
  readonly onUnloaded: (entry: Entry) => void
}

/** What an output reports to its relay about the writes that it was offered. */
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
  /** The highest `below` of the other outputs. */
  othersBelow(): number
  /** Whether the relay accepts new writes in the present state of its outputs. */
  takesWrites(): boolean
}

type RefusalEvents = Pick<OutputEvents, 'onRefused' | 'onHeld'>

/** No client and no other output waits for an answer to an entry that was read from the disk. */
export function unlessFromDisk({ onRefused, onHeld }: RefusalEvents): RefusalEvents {
  const unless = (report: typeof onHeld) => (entry: Entry, reply: Reply) => {
    if (!entry.isFromDisk) report(entry, reply)
  }
  return { onRefused: unless(onRefused), onHeld: unless(onHeld) }
}
