/** What catch-up.ts needs from the other parts of an output, and from the log on disk. */

import type { Entry } from '../../log/entry.ts'
import type { StoredLog } from '../../log/stored-log.ts'
import type { Clock } from '../../std/clock.ts'
import type { OutputMessages } from '../reporting/output-messages.ts'
import type { StreamQueue } from '../stream/stream-queue.ts'
import type { ReadAheadOptions } from './read-ahead.ts'

/** A folder that cannot be read is read again after this time. */
export const READ_RETRY_MS = 5_000

export interface CatchUpOptions extends ReadAheadOptions {
  readonly name: string
  readonly stored: StoredLog
  readonly clock: Clock
  readonly messages: OutputMessages
  /** Taken entries are about to be unloaded, except those on hold. */
  readonly beforeUnload: () => void
  /** This output no longer needs an entry of the log in memory: it reads the entry from disk. */
  readonly onUnloaded: (entry: Entry) => void
  readonly wake: (stream: StreamQueue) => void
  /** The search that `searchesStatements` has begun is over. */
  readonly onSearched: () => void
}
