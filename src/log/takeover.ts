/**
 * Finds out which records a process that took over the log's folder has, and which it lacks.
 * Records that it lacks exist at most in this process's memory.
 *
 *     same folder, and the new log       everything but segments that were already missing;
 *     continues ours                     absent segments were drained and trimmed
 *     another folder at the path         the segments of ours that are complete there
 *     (a copy?)
 *     otherwise                          nothing
 *
 * The new log continues ours if it still has a segment with our nonce, or if its oldest segment
 * names ours as its predecessor (segment-header.ts).
 *
 * Not here: logging, and who delivers what (log-loss.ts).
 */

import { join } from 'node:path'
import type { FileSystem } from './file-system.ts'
import { readSegmentHeader, type SegmentHeader } from './segments/segment-header.ts'
import type { SegmentInfo, SegmentList } from './segments/segment-list.ts'
import { isSegmentName } from './segments/segment-names.ts'

export interface TakeoverOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly segments: SegmentList
  /** Above all of our numbers. */
  readonly nextSequence: number
  /** Segments that were missing before the takeover. */
  readonly missing: readonly SegmentInfo[]
  /** The folder at the path is the one that this process had locked. */
  readonly isOurFolder: boolean
}

export interface Takeover {
  /** Segments that no log has. */
  readonly lost: readonly SegmentInfo[]
  /** The new owner has the cursors, and the statements in them. */
  readonly isInherited: boolean
}

/** Call once, as soon as another process owns the folder. Never rejects. */
export async function inspectTakeover(options: TakeoverOptions): Promise<Takeover> {
  const { segments, missing, isOurFolder } = options
  const all = segments.all()
  const found = await headersIn(options)
  const isThere = ({ name, header }: SegmentInfo) => isSame(found.get(name), header)
  const continues = all.some(isThere) || continuesFrom(all, found, options.nextSequence)
  if (isOurFolder) return { lost: continues ? missing : all, isInherited: continues }
  const whole = await Promise.all(all.map((each) => isThere(each) && isWhole(options, each)))
  return { lost: all.filter((_, index) => whole[index] !== true), isInherited: continues }
}

function isSame(found: SegmentHeader | undefined, header: SegmentHeader): boolean {
  return found?.nonce.equals(header.nonce) === true
}

/** None of our segments is left: whether the new owner read and trimmed them. */
function continuesFrom(
  all: readonly SegmentInfo[],
  found: ReadonlyMap<string, SegmentHeader>,
  nextSequence: number,
): boolean {
  const headers = [...found.values()]
  const [oldest] = headers.sort((a, b) => a.firstSequence - b.firstSequence)
  if (oldest === undefined || oldest.previousFirstSequence === 0) return false
  const isOurs = (number: number) => all.some(({ header }) => header.firstSequence === number)
  // Otherwise the new log has already trimmed a segment of its own.
  return oldest.firstSequence >= nextSequence || isOurs(oldest.previousFirstSequence)
}

async function isWhole({ files, folder }: TakeoverOptions, segment: SegmentInfo): Promise<boolean> {
  const end = segment.end()
  const found = await files.look(join(folder, segment.name)).catch(() => undefined)
  return found !== undefined && found.bytes >= end
}

/** Headers by file name; unreadable files are left out. */
async function headersIn({
  files,
  folder,
}: TakeoverOptions): Promise<ReadonlyMap<string, SegmentHeader>> {
  const headers = new Map<string, SegmentHeader>()
  const entries = await files.list(folder).catch(() => [])
  for (const { name } of entries) {
    const header = isSegmentName(name) ? await headerOf(files, join(folder, name)) : undefined
    if (header !== undefined) headers.set(name, header)
  }
  return headers
}

/** Never rejects. */
export async function headerOf(
  files: FileSystem,
  path: string,
): Promise<SegmentHeader | undefined> {
  const file = await files.open(path, 'read').catch(() => undefined)
  if (file === undefined) return undefined
  const found = await readSegmentHeader(file).catch(() => undefined)
  await file.close().catch(() => {})
  return found?.kind === 'header' ? found.header : undefined
}
