/**
 * A log on disk as the read-only commands see it: the files of the folder, the position of each
 * output, and the records one after the other.
 *
 * Cursors are read before the segments are listed. So writes that are delivered meanwhile still
 * count as pending, and no pending write is left out.
 */

import { join } from 'node:path'
import { loadAllCursors } from '../../log/cursors/cursor-file.ts'
import { type OutputPosition, positionsOf } from '../../log/cursors/output-positions.ts'
import { nodeFileSystem } from '../../log/file-system.ts'
import { type LogFolder, listLogFolder } from '../../log/inspect/log-folder.ts'
import { type LogStep, readLog } from '../../log/inspect/offline-reader.ts'
import { isSegmentName } from '../../log/segments/segment-names.ts'
import { systemClock } from '../../std/clock.ts'
import { RelayError } from '../../std/errors.ts'
import type { FoundLog } from './find-log.ts'

const files = nodeFileSystem
const clock = systemClock

/** Files other than segments that mark a log: made before the first write, or left of a log. */
const OF_A_LOG: ReadonlySet<string> = new Set(['cursors', 'lock', 'quarantine'])

export interface LogView {
  readonly found: FoundLog
  readonly listing: LogFolder
  readonly positions: readonly OutputPosition[]
  /** Cursors that cannot be read. */
  readonly cursorNotes: readonly string[]
  /** Rejects with the system's error. */
  steps(fromSequence?: number): AsyncGenerator<LogStep, void, undefined>
}

export function cursorFolder(logFolder: string): string {
  return join(logFolder, 'cursors')
}

/** Rejects for a folder without a log: its empty report would look like a log without lag. */
async function checkThatItIsOne(folder: string): Promise<void> {
  const names = (await files.list(folder)).map(({ name }) => name)
  if (names.some((name) => isSegmentName(name) || OF_A_LOG.has(name))) return
  const what = `there is no log in ${folder}: it has neither segments (*.seg) nor cursors`
  throw new RelayError('RELAY_LOG_UNUSABLE', `${what}; name the log-dir of a relay`)
}

/** Rejects with RELAY_LOG_UNUSABLE, RELAY_LOG_NEWER, or with the system's error. */
export async function viewLog(found: FoundLog): Promise<LogView> {
  const { folder, outputs } = found
  await checkThatItIsOne(folder)
  const { cursors, notes } = await loadAllCursors(files, cursorFolder(folder))
  const listing = await listLogFolder({ files, folder, clock })
  const { segments } = listing
  const positions = positionsOf({
    configured: outputs?.map(({ name }) => name),
    rosters: segments.map((segment) => segment.found.header.roster),
    cursors,
  })
  const steps = (fromSequence = 0) => readLog({ files, folder, clock, segments, fromSequence })
  return { found, listing, positions, cursorNotes: notes, steps }
}
