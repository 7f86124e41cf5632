/** What a log on disk tells of itself, as plain numbers; counters since the start. Cheap. */

import type { OrphanSnapshot } from './cursors/orphan.ts'
import type { LossKind } from './recovery/log-loss.ts'

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
  /** Whether the folder, or a part of it, is not there, or is another process's. */
  readonly loss: LossKind
  /** By output, what it is owed and is in nobody's log: it ends with this process. */
  readonly unkeptWrites: ReadonlyMap<string, number>
  /** By output, what it was owed and was in files that somebody has taken away. */
  readonly lostWrites: ReadonlyMap<string, number>
  /** Outputs that have a place in it and are not configured any more. */
  readonly orphans: readonly OrphanSnapshot[]
}
