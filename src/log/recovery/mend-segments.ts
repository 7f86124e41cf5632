/**
 * Rewrites segments that somebody removed or cut short while the log was open.
 *
 *     lost     [ 41 … 90 ]        its name is gone, or its file ends before its last record
 *     sources  its open file, the records left in it, and the writes that outputs have in memory
 *     written  [ 41 44 45 ]       the same numbers, with the records that are still owed
 *
 * Records keep their sequence numbers, so cursors stay valid and the order is unchanged. The rest
 * of a file that was cut short goes to quarantine/.
 *
 * Not here: when to rewrite, and the log messages about it (log-loss.ts).
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Write } from '../../write/write.ts'
import { type FileSystem, type LogFile, writeWhole } from '../file-system.ts'
import { encodeRecord, prepareRecord, type RecordContent } from '../segments/record.ts'
import { SegmentScan } from '../segments/scan-segment.ts'
import type { Segment } from '../segments/segment.ts'
import {
  encodeSegmentHeader,
  type FoundHeader,
  NONCE_BYTES,
  readSegmentHeader,
} from '../segments/segment-header.ts'
import type { SegmentInfo, SegmentList } from '../segments/segment-list.ts'
import { segmentName } from '../segments/segment-names.ts'
import { headerOf } from '../takeover.ts'
import type { Quarantine } from './quarantine.ts'
import { closedSegment } from './recover-segments.ts'

/** An owed write that is in memory. */
export interface WriteInMemory {
  readonly sequence: number
  readonly write: Write
}

export interface MendOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly segments: SegmentList
  readonly quarantine: Quarantine
  readonly randomBytes: (count: number) => Buffer
  /** The segment that was active last, still open. */
  readonly open: Segment | undefined
}

/** Finds segments whose path leads nowhere or to another file, or whose file was cut short. */
export async function findLost(options: MendOptions): Promise<readonly SegmentInfo[]> {
  const { files, folder, segments, open } = options
  const lost: SegmentInfo[] = []
  for (const segment of segments.all()) {
    const end = segment.end() // Before the look: the segment may grow meanwhile.
    const found = await files.look(join(folder, segment.name))
    const isShort = found === undefined || found.bytes < end
    const isOther = open?.name === segment.name && !(await open.isAtItsPath())
    if (isShort || isOther) lost.push(segment)
  }
  return lost
}

/**
 * Finds a segment in the folder that has the name of one of ours but belongs to another log. Every
 * new log uses the same names; the nonces always differ.
 *
 * @returns the name. Never rejects: a file that cannot be read does not count
 */
export async function findForeign(options: MendOptions): Promise<string | undefined> {
  const { files, folder, segments } = options
  for (const { name, header } of segments.all()) {
    const found = await headerOf(files, join(folder, name))
    if (found !== undefined && !found.nonce.equals(header.nonce)) return name
  }
  return undefined
}

/**
 * Rewrites the lost segment.
 *
 * @param writesInMemory owed writes in memory whose numbers are in the segment's range
 * @param isOwed whether an output is owed the record of a sequence number
 * @returns the sequence numbers in the new segment. Rejects with the system's error; then nothing
 *   is changed
 */
export async function mendSegment(
  options: MendOptions,
  lost: SegmentInfo,
  writesInMemory: readonly WriteInMemory[],
  isOwed: (sequence: number) => boolean,
): Promise<readonly number[]> {
  const contents = await readLeft(options, lost)
  for (const { sequence, write } of writesInMemory) {
    if (!contents.has(sequence)) contents.set(sequence, { kind: 'write', write, output: undefined })
  }
  const records = [...contents].filter(([sequence]) => isOwed(sequence)).sort(([a], [b]) => a - b)
  const by = await writeSegment(options, lost, records)
  options.segments.replace(lost, by)
  return records.map(([sequence]) => sequence)
}

/** The records that can still be read. Never rejects: unreadable records are left out. */
async function readLeft(
  { files, folder, open }: MendOptions,
  lost: SegmentInfo,
): Promise<Map<number, RecordContent>> {
  const contents = new Map<number, RecordContent>()
  const isOpen = open?.name === lost.name
  let file: LogFile | undefined
  try {
    file = isOpen ? open.file : await files.open(join(folder, lost.name), 'read')
    const { seal, recordsAt } = lost.found
    const scan = new SegmentScan({ file, seal, recordsAt })
    for (;;) {
      const steps = await scan.read(lost.end())
      if (steps.length === 0) break
      for (const step of steps) {
        if (step.kind === 'record') contents.set(step.record.sequence, step.record.content)
      }
    }
  } catch {
    // The file is gone or cannot be read: only the writes in memory are left.
  }
  if (!isOpen) await file?.close()
  return contents
}

async function writeSegment(
  { files, folder, randomBytes, quarantine }: MendOptions,
  lost: SegmentInfo,
  records: readonly (readonly [sequence: number, content: RecordContent])[],
): Promise<SegmentInfo> {
  const header = { ...lost.header, nonce: randomBytes(NONCE_BYTES) }
  const name = segmentName(header.firstSequence)
  const path = join(folder, name)
  const newPath = `${path}.new`
  const file = await files.open(newPath, 'replace')
  try {
    await writeWhole(file, encodeSegmentHeader(header), 0)
    const found = await readSegmentHeader(file)
    assert(found.kind === 'header')
    const end = await writeRecords(file, found, records)
    await file.sync()
    if ((await files.look(path)) !== undefined) {
      await quarantine.moveFile(name, 'it was cut short, or is not ours; what is owed is kept')
    }
    await files.rename(newPath, path)
    await files.syncFolder(folder)
    return closedSegment(name, found, end)
  } catch (error) {
    await files.unlink(newPath).catch(() => {})
    throw error
  } finally {
    await file.close()
  }
}

async function writeRecords(
  file: LogFile,
  { seal, recordsAt }: Extract<FoundHeader, { kind: 'header' }>,
  records: readonly (readonly [sequence: number, content: RecordContent])[],
): Promise<number> {
  let at = recordsAt
  for (const [sequence, content] of records) {
    const record = prepareRecord(content)
    if (record === undefined) continue // Cannot happen: the content was a record before.
    const into = Buffer.allocUnsafeSlow(record.bytes)
    encodeRecord(record, sequence, seal, { into, at: 0 })
    await writeWhole(file, into, at)
    at += into.length
  }
  return at
}
