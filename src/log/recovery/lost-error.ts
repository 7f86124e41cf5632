/** The error for a log whose folder, or a part of it, is no longer at its path. */

import { RelayError } from '../../std/errors.ts'

export const NOT_OURS = 'the folder is gone, or another process has it'

export function lostError(why: string): RelayError {
  return new RelayError('RELAY_LOG_LOST', why)
}
