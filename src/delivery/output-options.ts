/** What an output needs from those around it (output.ts). */

import type { OutputConfig } from '../config/config.ts'
import type { DeadLetters } from '../dead-letters/store.ts'
import type { Destination } from '../destinations/destination.ts'
import type { Entry } from '../log/entry.ts'
import type { StoredLog } from '../log/stored-log.ts'
import type { Clock } from '../std/clock.ts'
import type { Logger } from '../std/logger.ts'
import type { Memory } from '../std/memory-budget.ts'
import type { OutputEvents } from './output-events.ts'

export interface OutputOptions {
  readonly config: OutputConfig
  readonly destination: Destination
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly events: OutputEvents
  readonly memory: Memory
  /** The log on disk, where there is one. */
  readonly stored: StoredLog | undefined
  /** Where what it refuses is kept, with a log on disk; the caller's to close. */
  readonly deadLetters: DeadLetters | undefined
  /** With a log on disk: what it may have in memory. Small in tests, so that they fall behind. */
  readonly windowBytes: number | undefined
  /** An entry of the log in memory is not needed there by this output any more. */
  readonly onUnloaded: (entry: Entry) => void
}
