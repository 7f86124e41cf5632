/** Tells of outputs that have a place in the log on disk, and are not configured any more. */

import { join } from 'node:path'
import type { Logger } from '../../std/logger.ts'
import { type Cursor, cursorName } from './cursor-file.ts'

export interface OrphanOptions {
  readonly folder: string
  readonly cursorFolder: string
  readonly logger: Logger
}

/** Also when it is owed nothing yet: from here on the log grows for it. */
export function tellOrphans(orphans: readonly Cursor[], options: OrphanOptions): void {
  const { folder, cursorFolder, logger } = options
  for (const { output, doneBelow } of orphans) {
    const path = join(cursorFolder, cursorName(output))
    const text =
      `log: output "${output}" is not configured any more; writes from number ${doneBelow} on ` +
      `are kept for it. If it has a new name: relay log adopt "${output}" NEW; ` +
      `if it is gone for good: stop the relay and remove ${path}`
    logger.warn({ folder, output, doneBelow }, text)
  }
}
