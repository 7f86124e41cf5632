/** What an output that reads the log on disk needs from those around it (catch-up.ts). */

import type { Entry } from '../../log/entry.ts'
import type { StoredLog } from '../../log/stored-log.ts'
import type { Clock } from '../../std/clock.ts'
import type { OutputLog } from '../reporting/output-messages.ts'
import type { StreamDrain } from '../stream-drain.ts'
import type { ReadAheadOptions } from './read-ahead.ts'

export interface CatchUpOptions extends ReadAheadOptions {
  readonly name: string
  readonly stored: StoredLog
  readonly clock: Clock
  readonly log: OutputLog
  /** What was taken is about to be given back, unless it is on hold. */
  readonly beforeUnload: () => void
  /** An entry that was read from memory is not needed there by this output. */
  readonly onUnloaded: (entry: Entry) => void
  readonly wake: (stream: StreamDrain) => void
}
