/**
 * One write in the log, and what the outputs together know of it.
 */

import type { Write } from '../write/write.ts'

/** Bytes that an entry costs beside its body: the objects that describe it. An estimate, on the high side. */
const ENTRY_OVERHEAD_BYTES = 256

export interface Entry {
  /** Rises by one with every append to this log; never reused. */
  readonly sequence: number
  readonly write: Write
  /** What it counts against bounds. */
  readonly bytes: number
  /** Monotonic milliseconds at append. */
  readonly appendedAtMs: number
  /** Outputs that have stored it. */
  storedCount: number
  /** Attempts in which at least one byte may have left, at any output. */
  begunCount: number
  /** Outputs that still owe it. The entry leaves the log at zero. */
  owedCount: number
  /** Told 503 and begun nowhere: outputs pass over it. */
  isWithdrawn: boolean
}

export function entryBytes(write: Write): number {
  return write.body.length + ENTRY_OVERHEAD_BYTES
}
