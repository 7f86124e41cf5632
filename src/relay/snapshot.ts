/**
 * What a relay tells of itself, as plain numbers. Cheap: read on every scrape.
 */

import type { OutputSnapshot } from '../delivery/reporting/output-snapshot.ts'
import type { DiskLogSnapshot } from '../log/disk-log-snapshot.ts'
import type { WriteRefusal } from './admission.ts'

export interface RelaySnapshot {
  readonly name: string
  readonly kind: 'http' | 'udp'
  readonly acceptedWrites: number
  readonly acceptedLines: number
  readonly acceptedBytes: number
  /** Writes that were not taken into the log, by reason. */
  readonly refusedWrites: Readonly<Record<WriteRefusal, number>>
  /** Writes of which one output has refused more lines than another. */
  readonly disputedWrites: number
  /** Whether the outputs, as they are now, let new writes in. */
  readonly takesWrites: boolean
  /** Writes and bytes that some output still owes. */
  readonly logWrites: number
  readonly logBytes: number
  /** The log on disk; `undefined` where there is none. */
  readonly disk: DiskLogSnapshot | undefined
  /** Databases with something pending. */
  readonly streams: number
  readonly outputs: readonly OutputSnapshot[]
}
