/** What a log on disk tells of itself, as plain numbers; counters since the start. Cheap. */

import type { OrphanSnapshot } from './orphan.ts'

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
  /** Outputs that have a place in it and are not configured any more. */
  readonly orphans: readonly OrphanSnapshot[]
}
