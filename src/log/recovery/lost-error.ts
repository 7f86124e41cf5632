/** The error for a log whose folder, or a part of it, is no longer at its path. */

import { RelayError } from '../../std/errors.ts'

export const NOT_OURS = 'the folder is gone, or another process has it'

/** Whether a log is lost, and who is told that it is: one owner (log-loss.ts), whom all ask. */
export interface Loss {
  /** Then nothing is written, and what is not there may come again: it is not passed over. */
  readonly isLost: boolean
  note(why: string): void
}

export function lostError(why: string): RelayError {
  return new RelayError('RELAY_LOG_LOST', why)
}
