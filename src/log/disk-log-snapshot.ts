/** The state of a log on disk as plain numbers; counters since the start. Cheap to make. */

import type { OrphanSnapshot } from './cursors/orphan.ts'
import type { LossKind } from './recovery/log-loss.ts'

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
  /** Whether the folder, or a part of it, is not there, or is another process's. */
  readonly loss: LossKind
  /** By output, what it is owed and is in nobody's log: it ends with this process. */
  readonly unkeptWrites: ReadonlyMap<string, number>
  /** By output, what it was owed and was in files that somebody has taken away. */
  readonly lostWrites: ReadonlyMap<string, number>
  /** Outputs that have a cursor in the log and are not configured any more. */
  readonly orphans: readonly OrphanSnapshot[]
}
