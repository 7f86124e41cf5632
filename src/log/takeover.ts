/**
 * What another process has got that has taken the log's folder over, and what it has not: that is
 * in nobody's log any more, and at the most in this one's memory.
 *
 *     our folder, its log goes on from ours     all of it, but for what was missing from it before;
 *                                               what is not there has been drained and trimmed
 *     another folder at the path, maybe a copy  the segments of ours that stand in it whole
 *     anything else                             nothing
 *
 * That a log goes on from ours shows in a segment of ours that is still there, by its nonce, or in
 * its oldest one, which names the one before it (segment-header.ts).
 *
 * Not here: who is told, and who delivers what (log-loss.ts).
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
  /** Known not to be there before the folder was taken. */
  readonly missing: readonly SegmentInfo[]
  /** The folder is the one that was ours. */
  readonly isOurFolder: boolean
}

export interface Takeover {
  /** In nobody's log. */
  readonly lost: readonly SegmentInfo[]
  /** Cursors, and what they carry, went to the new owner. */
  readonly isInherited: boolean
}

/** To be called once, as soon as the folder is known to be another's. Never rejects. */
export async function seeTakeover(options: TakeoverOptions): Promise<Takeover> {
  const { segments, missing, isOurFolder } = options
  const all = segments.all()
  const found = await headersIn(options)
  const isThere = ({ name, header }: SegmentInfo) => isSame(found.get(name), header)
  const goesOn = all.some(isThere) || goesOnFrom(all, found, options.nextSequence)
  if (isOurFolder) return { lost: goesOn ? missing : all, isInherited: goesOn }
  const whole = await Promise.all(all.map((each) => isThere(each) && isWhole(options, each)))
  return { lost: all.filter((_, index) => whole[index] !== true), isInherited: goesOn }
}

function isSame(found: SegmentHeader | undefined, header: SegmentHeader): boolean {
  return found?.nonce.equals(header.nonce) === true
}

/** None of ours is there any more: has the new owner read them, and trimmed them since? */
function goesOnFrom(
  all: readonly SegmentInfo[],
  found: ReadonlyMap<string, SegmentHeader>,
  nextSequence: number,
): boolean {
  const headers = [...found.values()]
  const [oldest] = headers.sort((a, b) => a.firstSequence - b.firstSequence)
  if (oldest === undefined || oldest.previousFirstSequence === 0) return false
  const isOurs = (number: number) => all.some(({ header }) => header.firstSequence === number)
  // Else it has trimmed one of its own already.
  return oldest.firstSequence >= nextSequence || isOurs(oldest.previousFirstSequence)
}

async function isWhole({ files, folder }: TakeoverOptions, segment: SegmentInfo): Promise<boolean> {
  const end = segment.end()
  const found = await files.look(join(folder, segment.name)).catch(() => undefined)
  return found !== undefined && found.bytes >= end
}

/** By name. What cannot be read is not there. */
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
