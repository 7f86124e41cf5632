/**
 * Recovers the segments in a folder at the start, so that the log can be appended to.
 *
 * Positions come from the records alone. Only the last segment is scanned, so that the time of a
 * recovery does not grow with the backlog. For the other segments only the header is read; readers
 * find their damage later. What happens to
 *
 *     a segment of a newer version            nothing at all is touched: RELAY_LOG_NEWER
 *     a file that is empty or all zeros       removed: a crash came before its header was synced
 *     a segment without an intact header      moved to quarantine/
 *     a second segment of one first number    moved to quarantine/, the correctly named one is kept
 *     a renamed segment                       read by its header, whatever its name
 *     a missing segment                       counted and logged
 *     the last one's unused room              cut off
 *     the last one's torn tail                copied to <name>.torn if there is room, then cut off
 *     damage in the last one                  copied to quarantine/, skipped
 *     anything else                           left alone
 *
 * Promise: apart from RELAY_LOG_NEWER it rejects only when the folder cannot be read or written. It
 * syncs the kept data before it resolves: after a killed process, that may be in memory only.
 */

import { join } from 'node:path'
import { errorCode, RelayError } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { renderBytes, renderCount } from '../../std/units.ts'
import { type FileSystem, type LogFile, NO_ROOM, readWhole } from '../file-system.ts'
import { SegmentScan, usedBytes, WINDOW_BYTES } from '../segments/scan-segment.ts'
import { type FoundHeader, readSegmentHeader } from '../segments/segment-header.ts'
import { type SegmentInfo, SegmentList } from '../segments/segment-list.ts'
import { isSegmentName, isTornName, segmentName, tornName } from '../segments/segment-names.ts'
import { copyRange, type Quarantine } from './quarantine.ts'

/** No client got a success for a torn tail; the newest are kept to investigate a crash. */
const TORN_FILES_MAX = 16

export interface RecoverOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly logger: Logger
  readonly quarantine: Quarantine
}

export interface Recovered {
  readonly segments: SegmentList
  /** Above the sequence number of every record. */
  readonly recordsEnd: number
  /** Above the first sequence number of every segment as well. */
  readonly nextSequence: number
  /** Bytes cut off the last segment. */
  readonly tornBytes: number
  readonly missingSegments: number
}

interface FoundFile {
  readonly name: string
  readonly bytes: number
  readonly found: FoundHeader
}

type FoundSegment = FoundFile & { readonly found: Extract<FoundHeader, { kind: 'header' }> }

export async function recoverSegments(options: RecoverOptions): Promise<Recovered> {
  const { files, folder, logger } = options
  await files.makeFolder(folder)
  const found = await findFiles(options)
  refuseNewer(folder, found)
  const kept = await keepReadable(options, found)
  const missingSegments = reportMissing(logger, kept)
  const last = kept.at(-1)
  const end = last === undefined ? undefined : await finishLast(options, last)
  await dropOldTorn(options)
  await files.syncFolder(folder)
  const infos = kept.map((file) =>
    closedSegment(file.name, file.found, file === last && end ? end.bytes : file.bytes),
  )
  const segments = new SegmentList(infos)
  const first = last?.found.header.firstSequence ?? 0
  const recordsEnd = Math.max(first, (end?.lastSequence ?? -1) + 1)
  const nextSequence = Math.max(first + 1, recordsEnd)
  return { segments, recordsEnd, nextSequence, tornBytes: end?.tornBytes ?? 0, missingSegments }
}

/** The list entry of a segment that is not appended to any more. */
export function closedSegment(
  name: string,
  found: Extract<FoundHeader, { kind: 'header' }>,
  bytes: number,
): SegmentInfo {
  const end = () => bytes
  return { name, header: found.header, found, end, isGrowing: () => false, isKept: false }
}

async function findFiles({ files, folder, logger }: RecoverOptions): Promise<FoundFile[]> {
  const found: FoundFile[] = []
  for (const { name, isFile } of await files.list(folder)) {
    if (!isSegmentName(name)) continue
    if (!isFile) {
      logger.warn({ file: name }, `log: ${name} is not a plain file: left alone`)
      continue
    }
    const file = await files.open(join(folder, name), 'read')
    try {
      found.push({ name, bytes: await file.size(), found: await readSegmentHeader(file) })
    } finally {
      await file.close()
    }
  }
  return found
}

function refuseNewer(folder: string, found: readonly FoundFile[]): void {
  for (const { name, found: header } of found) {
    if (header.kind !== 'newer') continue
    const what = `${join(folder, name)} is in format ${header.version}, of a newer version`
    const next = 'nothing was changed; start that version, or move the folder away'
    throw new RelayError('RELAY_LOG_NEWER', `${what}; ${next}`)
  }
}

/**
 * @returns the readable segments, in the order of their first sequence numbers. Moves the other
 *   files to quarantine, or removes them when they are blank
 */
async function keepReadable(
  { files, folder, logger, quarantine }: RecoverOptions,
  found: readonly FoundFile[],
): Promise<FoundSegment[]> {
  const kept = new Map<number, FoundSegment>()
  for (const file of found) {
    if (!hasHeader(file)) {
      if (await isBlank(files, join(folder, file.name))) {
        await files.unlink(join(folder, file.name))
      } else {
        await quarantine.moveFile(file.name, 'its header is damaged, so no record can be checked')
      }
      continue
    }
    const { firstSequence } = file.found.header
    const rightName = segmentName(firstSequence)
    const other = kept.get(firstSequence)
    const loser = other !== undefined && file.name !== rightName ? file : other
    if (loser !== undefined) {
      await quarantine.moveFile(loser.name, `there are two segments from record ${firstSequence}`)
    }
    if (loser !== file) kept.set(firstSequence, file)
    if (loser !== file && file.name !== rightName) {
      logger.warn({ file: file.name }, `log: ${file.name} should be ${rightName}: read as that`)
    }
  }
  return [...kept.values()].sort((a, b) => firstOf(a) - firstOf(b))
}

function hasHeader(file: FoundFile): file is FoundSegment {
  return file.found.kind === 'header'
}

function firstOf({ found }: FoundSegment): number {
  return found.header.firstSequence
}

/** Whether the file is empty or contains only zeros. */
async function isBlank(files: FileSystem, path: string): Promise<boolean> {
  const file = await files.open(path, 'read')
  try {
    const window = Buffer.allocUnsafe(WINDOW_BYTES)
    for (let at = 0; ; at += window.length) {
      const bytes = await readWhole(file, window, at)
      if (usedBytes(bytes) > 0) return false
      if (bytes.length < window.length) return true
    }
  } finally {
    await file.close()
  }
}

/** Trimming deletes only the oldest segments. If another one is missing, somebody removed it. */
function reportMissing(logger: Logger, segments: readonly FoundSegment[]): number {
  const firsts = new Set(segments.map(firstOf))
  const missing = segments
    .slice(1)
    .map(({ found }) => found.header.previousFirstSequence)
    .filter((first) => first > 0 && !firsts.has(first))
  for (const first of missing) {
    const name = segmentName(first)
    logger.error(
      { file: name },
      `log: segment ${name} is missing: the writes in it that outputs were owed are lost`,
    )
  }
  return missing.length
}

interface LastEnd {
  readonly bytes: number
  /** 0 = the segment has no record. */
  readonly lastSequence: number
  readonly tornBytes: number
}

async function finishLast(options: RecoverOptions, segment: FoundSegment): Promise<LastEnd> {
  const file = await options.files.open(join(options.folder, segment.name), 'update')
  try {
    const { seal, recordsAt } = segment.found
    const scan = new SegmentScan({ file, seal, recordsAt })
    let lastSequence = 0
    for (;;) {
      const steps = await scan.read(segment.bytes)
      if (steps.length === 0) break
      for (const step of steps) {
        if (step.kind === 'record') lastSequence = Math.max(lastSequence, step.record.sequence)
        else await options.quarantine.keepPart(segment.name, file, step)
      }
    }
    const tornBytes = scan.tailEnd - scan.intactEnd
    if (tornBytes > 0) await keepTorn(options, segment.name, file, scan)
    await file.truncate(scan.intactEnd)
    await file.sync()
    return { bytes: scan.intactEnd, lastSequence, tornBytes }
  } finally {
    await file.close()
  }
}

async function keepTorn(
  { files, folder, logger }: RecoverOptions,
  segment: string,
  file: LogFile,
  { intactEnd, tailEnd }: SegmentScan,
): Promise<void> {
  const range = { at: intactEnd, bytes: tailEnd - intactEnd }
  const to = join(folder, tornName(segment))
  const what = `log: cut a torn tail of ${renderBytes(range.bytes)} off ${segment}`
  try {
    await copyRange(files, { file, range, to })
    await files.syncFolder(folder)
    logger.warn({ segment, bytes: range.bytes }, `${what}; kept as ${segment}.torn`)
  } catch (error) {
    // No client got a success for the tail, and a start on a full disk must not fail for it.
    if (!NO_ROOM.includes(errorCode(error))) throw error
    await files.unlink(to).catch(() => {})
    logger.warn({ segment, bytes: range.bytes }, `${what}; there was no room to keep it`)
  }
}

async function dropOldTorn({ files, folder, logger }: RecoverOptions): Promise<void> {
  const names = (await files.list(folder)).map(({ name }) => name).filter(isTornName)
  const old = names.slice(0, -TORN_FILES_MAX)
  for (const name of old) await files.unlink(join(folder, name))
  if (old.length > 0) logger.info({}, `log: removed ${renderCount(old.length, 'old torn tail')}`)
}
