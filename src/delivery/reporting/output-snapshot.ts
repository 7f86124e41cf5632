/**
 * Snapshot of an output for metrics and health, as plain numbers. Cheap: taken on every scrape.
 *
 * Invariant (G10): acceptedLines = pendingLines + the sum over `outcomeLines`.
 */

import type { DeadLettersSnapshot } from '../../dead-letters/letter-counters.ts'
import type { DropReason, OutcomeKind } from '../../write/outcome.ts'

export interface OutputSnapshot {
  readonly name: string
  /** Without credentials. */
  readonly location: string
  readonly kind: 'http' | 'udp' | 'file'
  readonly isUp: boolean
  /** Up and not catching up: clients wait for its answer. */
  readonly isInSync: boolean
  /** Why it is down; '' while it is up. */
  readonly downCause: string
  /** How long the output has been up or down, milliseconds. */
  readonly stateAgeMs: number
  /** Lines of the writes this output was given. */
  readonly acceptedLines: number
  readonly pendingLines: number
  readonly pendingWrites: number
  readonly pendingBytes: number
  /** Lag from earlier processes: not read from the log on disk yet, and in no other count. */
  readonly formerLagWrites: number
  readonly formerLagBytes: number
  /** Backlog bound, bytes; 0 = one attempt for each write. */
  readonly boundBytes: number
  /** Writes that the relay refused because this backlog was full; not accepted here. */
  readonly backlogFullRefusals: number
  /** The full backlog has had a write refused within the last seconds (giving-way.ts). */
  readonly isRefusing: boolean
  /** Age of the oldest pending write, milliseconds; 0 when nothing is pending. */
  readonly oldestPendingAgeMs: number
  /** Databases and retention policies that are missing here, or that its user may not write to. */
  readonly holds: number
  /** Pending writes to the databases and retention policies on hold. */
  readonly heldWrites: number
  readonly heldBytes: number
  readonly outcomeLines: Readonly<Record<OutcomeKind, number>>
  readonly droppedLines: Readonly<Record<DropReason, number>>
  /** Refused lines that are kept; `undefined` without a log on disk. */
  readonly deadLetters: DeadLettersSnapshot | undefined
  /** Requests, datagram batches or file appends tried. */
  readonly attempts: number
  readonly failedAttempts: number
  /** Attempts that ran into `timeout`. */
  readonly timedOutAttempts: number
  /** Requests that were refused or failed, and sent again in two halves. */
  readonly splitBatches: number
  /** Body bytes of attempts, before compression. */
  readonly sentBytes: number
}
