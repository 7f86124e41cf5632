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
  /** Whether the folder or a part of it is missing, or another process owns it. */
  readonly loss: LossKind
  /** By output, owed writes that no log holds: they are lost when this process ends. */
  readonly unkeptWrites: ReadonlyMap<string, number>
  /** By output, owed writes that were lost with removed files. */
  readonly lostWrites: ReadonlyMap<string, number>
  /** Outputs that have a cursor in the log and are not configured any more. */
  readonly orphans: readonly OrphanSnapshot[]
}
