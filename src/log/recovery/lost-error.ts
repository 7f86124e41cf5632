/** The error for a log whose folder, or a part of it, is no longer at its path. */

import { RelayError } from '../../std/errors.ts'

export const NOT_OURS = 'the folder is gone, or another process has it'

/** State of a log that may be lost. One owner (log-loss.ts); all readers ask it. */
export interface Loss {
  /** While true, nothing is written and no missing record is skipped, because it may come back. */
  readonly isLost: boolean
  note(why: string): void
}

export function lostError(why: string): RelayError {
  return new RelayError('RELAY_LOG_LOST', why)
}
