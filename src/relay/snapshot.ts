/**
 * Snapshot of a relay for metrics and health, as plain numbers. Cheap: taken on every scrape.
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
  /** Writes that were not admitted to the log, by reason. */
  readonly refusedWrites: Readonly<Record<WriteRefusal, number>>
  /** Divergences: writes of which one output refused more lines than another. */
  readonly divergedWrites: number
  /** Whether new writes are accepted in the present state of the outputs. */
  readonly takesWrites: boolean
  /** Writes and bytes in the log in memory: pending at one output at least. */
  readonly logWrites: number
  readonly logBytes: number
  /** The log on disk; `undefined` without one. */
  readonly disk: DiskLogSnapshot | undefined
  /** Databases with pending writes in memory. */
  readonly streams: number
  readonly outputs: readonly OutputSnapshot[]
}
