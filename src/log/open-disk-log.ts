/** Opens the log of one relay on disk: lock, recovery, and the cursors of its outputs. */

import { join } from 'node:path'
import { CursorFile, highestSequence, loadAllCursors } from './cursors/cursor-file.ts'
import { restoreCursors } from './cursors/restore-cursors.ts'
import { CURSOR_FOLDER, DiskLog, type DiskLogOptions } from './disk-log.ts'
import { lockFolder } from './lock/folder-lock.ts'
import { LogLoss } from './recovery/log-loss.ts'
import { NOT_OURS } from './recovery/lost-error.ts'
import { fittingSegmentBytes } from './retention/log-limits.ts'
import { openSegmentLog } from './segments/segment-log.ts'

/**
 * Recovers the log in the folder and opens it for appending.
 *
 * Rejects with RELAY_LOG_LOCKED, RELAY_LOG_NEWER, or the system's error when the folder cannot be
 * used; then nothing has been changed.
 */
export async function openDiskLog(options: DiskLogOptions): Promise<DiskLog> {
  const { files, folder, outputs, clock, logger, randomBytes, segmentBytes } = options
  const { lock: takeLock = lockFolder } = options
  await using stack = new AsyncDisposableStack()
  let loss: LogLoss | undefined
  const onLost = () => loss?.note(NOT_OURS)
  const lock = stack.use(await takeLock({ folder, clock, logger, randomBytes, onLost }))
  loss = new LogLoss({ files, folder, clock, logger, lock, randomBytes })
  const isOwner = async () => !loss.isLost && (await lock.isOwner())
  const cursorFolder = join(folder, CURSOR_FOLDER)
  const { cursors, notes } = await loadAllCursors(files, cursorFolder)
  for (const note of notes) logger.warn({ folder }, `log: ${note}; what it covers is sent again`)
  const sequenceAtLeast = Math.max(1, ...cursors.map((cursor) => highestSequence(cursor) + 1))
  const roster = outputs.map(({ name }) => name)
  const segments = stack.use(
    await openSegmentLog({
      ...{ files, folder, logger, randomBytes, isOwner, sequenceAtLeast, roster },
      ...{ loss, lock },
      segmentBytes: segmentBytes ?? (await fittingSegmentBytes(options, options.maxBytes)),
    }),
  )
  const cursorFile = (output: string) =>
    new CursorFile({ files, folder: cursorFolder, output, isOwner })
  const orphanBoundBytes = options.maxBytes
  const outputCursors = restoreCursors({ outputs, orphanBoundBytes, segments, cursors, cursorFile })
  return new DiskLog(options, {
    loss,
    isOwner,
    segments,
    cursors: outputCursors,
    stack: stack.move(),
  })
}
