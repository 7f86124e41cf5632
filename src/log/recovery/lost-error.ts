/** A part of the log, or its folder, is not where it was. */

import { RelayError } from '../../std/errors.ts'

export const NOT_OURS = 'the folder is gone, or another process has it'

export function lostError(why: string): RelayError {
  return new RelayError('RELAY_LOG_LOST', why)
}
