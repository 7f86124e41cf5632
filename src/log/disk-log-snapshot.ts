/** What a log on disk tells of itself, as plain numbers; counters since the start. Cheap. */

import type { OrphanSnapshot } from './cursors/orphan.ts'

export interface DiskLogSnapshot {
  readonly bytes: number
  readonly limitBytes: number
  readonly segments: number
  readonly syncedGroups: number
  /** Bytes of damage that were skipped, and kept in quarantine. */
  readonly damagedBytes: number
  /** Bytes that a crash had left behind the last record. */
  readonly tornBytes: number
  readonly isFailing: boolean
  /**
   * The folder, or a part of it, is not there: what was on it may not be there at the next start.
   */
  readonly isGone: boolean
  /** By output, what it was owed and was in files that somebody has taken away. */
  readonly lostWrites: ReadonlyMap<string, number>
  /** Outputs that have a place in it and are not configured any more. */
  readonly orphans: readonly OrphanSnapshot[]
}
