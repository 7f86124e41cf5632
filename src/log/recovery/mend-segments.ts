/**
 * Segments that somebody has taken away or cut short while the log was open, written again from
 * what is left of them.
 *
 *     lost     [ 41 … 90 ]        its name is gone, or its file ends before its last record
 *     left     its open file, what still stands in it, and what outputs have in memory
 *     written  [ 41 44 45 ]       of the same numbers, with the records that are still owed
 *
 * Records keep their numbers, so that cursors stay true and the order is what it was. What is left
 * of a file that was cut short goes to quarantine/ after that.
 *
 * Not here: when this is done, and what is told of it (log-loss.ts).
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

/** A write that is owed, and in memory. */
export interface RememberedWrite {
  readonly sequence: number
  readonly write: Write
}

export interface MendOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly segments: SegmentList
  readonly quarantine: Quarantine
  readonly randomBytes: (count: number) => Buffer
  /** The segment that was written last, open. */
  readonly open: Segment | undefined
}

/** Those whose names are gone, or whose files are shorter than what was synced in them. */
export async function findLost(options: MendOptions): Promise<readonly SegmentInfo[]> {
  const { files, folder, segments, open } = options
  const lost: SegmentInfo[] = []
  for (const segment of segments.all()) {
    const end = segment.end() // First: it may grow meanwhile.
    const found = await files.look(join(folder, segment.name))
    const isShort = found === undefined || found.bytes < end
    const isOther = open?.name === segment.name && !(await open.isAtItsPath())
    if (isShort || isOther) lost.push(segment)
  }
  return lost
}

/**
 * A segment in the folder that has the name of one of ours and is of another log: every young log
 * has the same names, and no two the same nonces.
 *
 * @returns its name. Never rejects: what cannot be read is nobody's
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
 * Writes the lost segment again.
 *
 * @param remembered of its numbers, and owed
 * @param isOwed whether a number is
 * @returns the numbers that are in it now. Rejects with the system's error; then nothing is changed
 */
export async function mendSegment(
  options: MendOptions,
  lost: SegmentInfo,
  remembered: readonly RememberedWrite[],
  isOwed: (sequence: number) => boolean,
): Promise<readonly number[]> {
  const contents = await readLeft(options, lost)
  for (const { sequence, write } of remembered) {
    if (!contents.has(sequence)) contents.set(sequence, { kind: 'write', write, output: undefined })
  }
  const records = [...contents].filter(([sequence]) => isOwed(sequence)).sort(([a], [b]) => a - b)
  const by = await writeSegment(options, lost, records)
  options.segments.replace(lost, by)
  return records.map(([sequence]) => sequence)
}

/** What can still be read of it. What cannot is not there: never rejects. */
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
    // Gone, or not readable: what memory has is what there is.
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
    if (record === undefined) continue // It was one before: it fits.
    const into = Buffer.allocUnsafeSlow(record.bytes)
    encodeRecord(record, sequence, seal, { into, at: 0 })
    await writeWhole(file, into, at)
    at += into.length
  }
  return at
}
