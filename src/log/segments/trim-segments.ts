/** Deletes the segments of a log that no output needs any more. */

import { join } from 'node:path'
import { errorCode, errorText } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import type { FileSystem } from '../file-system.ts'
import type { Quarantine } from '../recovery/quarantine.ts'
import type { SegmentInfo, SegmentList } from './segment-list.ts'

export interface TrimOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly logger: Logger
  readonly segments: SegmentList
  readonly quarantine: Quarantine
  /** Segments whose records are all below this number are deleted, except the last segment. */
  readonly below: number
}

/** Never rejects: a segment that cannot be deleted stays in the list, for the next call. */
export async function trimSegments(options: TrimOptions): Promise<void> {
  const { files, folder, logger, segments, below } = options
  const unneeded = segments.below(below)
  if (unneeded.length === 0) return
  try {
    for (const segment of unneeded) {
      if (!(await putAway(options, segment))) return
      segments.remove(segment)
    }
    await files.syncFolder(folder)
  } catch (error) {
    logger.warn({ folder }, `log: cannot delete a segment in ${folder}: ${errorText(error)}`)
  }
}

/** @returns false when the file had to go to quarantine and could not be moved */
async function putAway(
  { files, folder, quarantine }: TrimOptions,
  { name, isKept }: SegmentInfo,
): Promise<boolean> {
  if (isKept) return quarantine.moveFile(name, 'damage in it could not be copied')
  try {
    await files.unlink(join(folder, name))
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error // ENOENT: somebody removed it already.
  }
  return true
}
