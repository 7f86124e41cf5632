/** What an output needs from the relay, and what it reports to the relay (output.ts). */

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
  /** False for datagrams: their clients get no answer and do not send a refused write again. */
  readonly isAnswering: boolean
  /** The log on disk, if configured. */
  readonly stored: StoredLog | undefined
  /** Stores the lines that this output refuses, with a log on disk; the caller closes it. */
  readonly deadLetters: DeadLetters | undefined
  /** With a log on disk: bound on entries in memory. Tests set a small one to fall behind. */
  readonly windowBytes: number | undefined
  /** This output no longer needs an entry of the log in memory. */
  readonly onUnloaded: (entry: Entry) => void
}

/** What an output reports to its relay about offered writes, and asks about other outputs. */
export interface OutputEvents {
  /** This output refuses at least part of an entry; other lines may still be pending here. */
  onRefused(entry: Entry, reply: Reply): void
  /** As `onRefused`, but the entry is on hold: its database is missing and may still be created. */
  onHeld(entry: Entry, reply: Reply): void
  /** This output cannot store the entry for now, for a reason its client cannot fix. */
  onWaiting(entry: Entry): void
  /** Calls `then` once the entry's client was answered; at once when no client waits. */
  whenAnswered(entry: Entry, then: () => void): void
  /** The entry has its final outcome at this output. */
  onSettled(entry: Entry, outcome: Outcome): void
  /** An attempt in this stream failed: no client should wait for this stream's pending writes. */
  onFailed(database: string): void
  /** The output is down: no client should wait for its pending writes. */
  onDown(): void
  /** The highest `below` of the other outputs. */
  othersBelow(): number
  /** Whether the backlog of the leading other output is mostly empty. */
  othersEmpty(): boolean
  /** Whether the relay accepts new writes in the present state of its outputs. */
  takesWrites(): boolean
}

type RefusalEvents = Pick<OutputEvents, 'onRefused' | 'onHeld'>

/** Drops the reports for entries read from disk: no client and no other output waits for them. */
export function unlessFromDisk({ onRefused, onHeld }: RefusalEvents): RefusalEvents {
  const unless = (report: typeof onHeld) => (entry: Entry, reply: Reply) => {
    if (!entry.isFromDisk) report(entry, reply)
  }
  return { onRefused: unless(onRefused), onHeld: unless(onHeld) }
}
