/**
 * One relay: a log, the outputs that drain it, and the policy that tells the client.
 */

import type { AcknowledgementPolicy } from './config/config.ts'
import type { OutputSnapshot } from './outputs/output-snapshot.ts'
import type { Reply } from './write/reply.ts'
import type { Write } from './write/write.ts'

export interface AcceptOptions {
  /** The request's `consistency`: only ever strengthens the relay's own policy. */
  readonly policy: AcknowledgementPolicy | undefined
}

export interface Relay extends AsyncDisposable {
  readonly name: string
  /** Appends the write and resolves with the client's answer. Rejects only for a bug of ours. */
  accept(write: Write, options?: AcceptOptions): Promise<Reply>
  /** As `accept`, for a listener that has nobody to answer (UDP). Over a bound the write is dropped and counted. */
  offer(write: Write): void
  snapshot(): RelaySnapshot
}

/** What a relay tells of itself, as plain numbers. Cheap: read on every scrape. */
export interface RelaySnapshot {
  readonly name: string
  readonly kind: 'http' | 'udp'
  readonly acceptedWrites: number
  readonly acceptedLines: number
  readonly acceptedBytes: number
  /** Writes that were not taken into the log, by reason. */
  readonly refusedWrites: Readonly<Record<WriteRefusal, number>>
  /** Writes and bytes that some output still owes. */
  readonly logWrites: number
  readonly logBytes: number
  /** Databases with something pending. */
  readonly streams: number
  readonly outputs: readonly OutputSnapshot[]
}

/** Why a write was answered 503 before it was appended. */
export type WriteRefusal = 'memory-full' | 'backlog-full' | 'no-output-up' | 'closing'
