/** The state of a log on disk as plain numbers; counters since the start. Cheap to make. */

import type { OrphanSnapshot } from './cursors/orphan.ts'

export interface DiskLogSnapshot {
  readonly bytes: number
  readonly limitBytes: number
  readonly segments: number
  readonly syncedGroups: number
  /** Bytes of damage that readers skipped; copies are in quarantine. */
  readonly damagedBytes: number
  /** Bytes that a crash left behind the last record. */
  readonly tornBytes: number
  readonly isFailing: boolean
  /** The folder, or a part of it, is missing: the next start may not find the data again. */
  readonly isGone: boolean
  /** By output, the count of owed writes that were lost with files that somebody removed. */
  readonly lostWrites: ReadonlyMap<string, number>
  /** Outputs that have a cursor in the log and are not configured any more. */
  readonly orphans: readonly OrphanSnapshot[]
}
