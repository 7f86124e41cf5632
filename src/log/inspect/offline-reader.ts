/**
 * Reads a log for the tools: without the lock, without changing anything, and while a relay may be
 * appending to it and deleting from it.
 *
 * Yields each intact record once, in the order of the sequence numbers, up to the end that the last
 * segment has when the reader reaches it. For data that it cannot read, it yields the location:
 *
 *     damage    bytes between records, or behind the last record of a complete segment
 *     tail      bytes behind the last record of the log: being written now, or torn by a crash
 *     gone      a segment that was deleted after it was listed; no output is owed its records
 *
 * Bytes that look damaged are read a second time before they are reported: a read during a write
 * can return a part of the new bytes.
 *
 * Memory: one window (scan-segment.ts), while its records are in use.
 *
 * Not here: which of the records an output is still owed (output-positions.ts).
 */

import { join } from 'node:path'
import { type Clock, sleep } from '../../std/clock.ts'
import { errorCode } from '../../std/errors.ts'
import type { FileSystem, LogFile } from '../file-system.ts'
import type { LogRecord } from '../segments/record.ts'
import { type ScanStep, SegmentScan } from '../segments/scan-segment.ts'
import type { SegmentFile } from './log-folder.ts'

/** A group is a few megabytes at most; its write ends long before the last try. */
const TAIL_TRIES_MAX = 5
const TAIL_AGAIN_MS = 20

export type LogStep =
  | { readonly kind: 'record'; readonly record: LogRecord }
  | {
      readonly kind: 'damage' | 'tail'
      readonly segment: string
      readonly at: number
      readonly bytes: number
    }
  | { readonly kind: 'gone'; readonly segment: string }

export interface ReadLogOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly clock: Clock
  /** The listed segments (log-folder.ts). */
  readonly segments: readonly SegmentFile[]
  /** Records with a lower sequence number are skipped. */
  readonly fromSequence: number
}

/** Rejects with the system's error when a file cannot be opened or read. */
export async function* readLog(options: ReadLogOptions): AsyncGenerator<LogStep, void, undefined> {
  const { files, folder, segments } = options
  let nextSequence = options.fromSequence
  for (const [index, segment] of segments.entries()) {
    const next = segments[index + 1]
    if (next !== undefined && next.found.header.firstSequence <= nextSequence) continue
    const file = await openFile(files, join(folder, segment.name))
    if (file === undefined) {
      yield { kind: 'gone', segment: segment.name }
      continue
    }
    const below = next?.found.header.firstSequence ?? Number.POSITIVE_INFINITY
    try {
      const open = { file, segment, isLast: next === undefined, clock: options.clock }
      for await (const step of readSegment(open)) {
        if (step.kind === 'record') {
          const { sequence } = step.record
          // Skip records from `below` on: a former owner of the folder, which was suspended while
          // it lost the folder, can still have written them.
          if (sequence < nextSequence || sequence >= below) continue
          nextSequence = sequence + 1
        }
        yield step
      }
    } finally {
      await file.close()
    }
  }
}

async function openFile(files: FileSystem, path: string): Promise<LogFile | undefined> {
  try {
    return await files.open(path, 'read')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

interface OpenSegment {
  readonly file: LogFile
  readonly segment: SegmentFile
  readonly isLast: boolean
  readonly clock: Clock
}

async function* readSegment(open: OpenSegment): AsyncGenerator<LogStep, void, undefined> {
  const { file, segment, isLast, clock } = open
  const { seal } = segment.found
  let from = segment.found.recordsAt
  for (let tries = 1; ; tries++) {
    const scan = new SegmentScan({ file, seal, recordsAt: from })
    const end = await file.size()
    for await (const step of stepsOf(scan, end)) {
      if (step.kind === 'record') yield step
      else yield* readAgain(open, step)
    }
    const tailBytes = scan.tailEnd - scan.intactEnd
    if (tailBytes === 0) return
    if (!isLast || tries === TAIL_TRIES_MAX) {
      const kind = isLast ? 'tail' : 'damage'
      yield { kind, segment: segment.name, at: scan.intactEnd, bytes: tailBytes }
      return
    }
    from = scan.intactEnd
    await sleep(clock, TAIL_AGAIN_MS)
  }
}

/** Reads the range a second time; bytes that still do not decode are damaged. */
async function* readAgain(
  { file, segment }: OpenSegment,
  part: { readonly at: number; readonly bytes: number },
): AsyncGenerator<LogStep, void, undefined> {
  const end = part.at + part.bytes
  const scan = new SegmentScan({ file, seal: segment.found.seal, recordsAt: part.at })
  for await (const step of stepsOf(scan, end)) {
    yield step.kind === 'record' ? step : { ...step, segment: segment.name }
  }
  const { intactEnd } = scan
  if (intactEnd === end) return
  yield { kind: 'damage', segment: segment.name, at: intactEnd, bytes: end - intactEnd }
}

async function* stepsOf(scan: SegmentScan, end: number): AsyncGenerator<ScanStep, void, undefined> {
  for (;;) {
    const steps = await scan.read(end)
    if (steps.length === 0) return
    yield* steps
  }
}
