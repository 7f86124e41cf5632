/**
 * Lists the contents of a log's folder for the tools: without the lock, without changing anything,
 * and while a relay may be using the folder.
 *
 * Recovery (recover-segments.ts) selects segments by the same rules: headers count, not names; of
 * two segments with the same first number, the correctly named one counts.
 *
 * A running relay makes and deletes segments meanwhile. The folder is listed again when a listed
 * file is gone before it is opened, or when the newest segment has no header yet.
 *
 * Limits: LIST_TRIES_MAX listings; then the last listing is the result.
 */

import { join } from 'node:path'
import { type Clock, sleep } from '../../std/clock.ts'
import { errorCode, RelayError } from '../../std/errors.ts'
import type { FileSystem } from '../file-system.ts'
import { type FoundHeader, readSegmentHeader } from '../segments/segment-header.ts'
import {
  isSegmentName,
  isTornName,
  quarantineFolder,
  segmentName,
} from '../segments/segment-names.ts'

const LIST_TRIES_MAX = 5
const LIST_AGAIN_MS = 20

export interface SegmentFile {
  readonly name: string
  /** Size on disk when listed, including unused room. */
  readonly bytes: number
  readonly found: Extract<FoundHeader, { kind: 'header' }>
}

export interface OddFile {
  readonly name: string
  readonly why: string
}

export interface FileTotal {
  readonly count: number
  readonly bytes: number
}

export interface LogFolder {
  /** In the order of their first sequence numbers. */
  readonly segments: readonly SegmentFile[]
  /** Files that have the name of a segment but do not count as one. */
  readonly oddFiles: readonly OddFile[]
  /** Names of the missing segments between others. */
  readonly missing: readonly string[]
  /** Torn tails that recovery cut off and kept. */
  readonly tornFiles: FileTotal
  readonly quarantine: FileTotal
}

export interface LogFolderOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly clock: Clock
}

/**
 * Rejects with RELAY_LOG_NEWER when a segment is of a newer version, and with the system's error
 * when the folder cannot be read.
 */
export async function listLogFolder(options: LogFolderOptions): Promise<LogFolder> {
  for (let tries = 1; ; tries++) {
    const listing = await listOnce(options)
    if (listing.isSettled || tries === LIST_TRIES_MAX) return await finish(options, listing)
    await sleep(options.clock, LIST_AGAIN_MS)
  }
}

interface Listing {
  readonly segments: readonly SegmentFile[]
  readonly oddFiles: readonly OddFile[]
  readonly isSettled: boolean
}

async function listOnce({ files, folder }: LogFolderOptions): Promise<Listing> {
  const kept = new Map<number, SegmentFile>()
  const oddFiles: OddFile[] = []
  let isSettled = true
  const entries = (await files.list(folder)).filter(({ name }) => isSegmentName(name))
  for (const { name, isFile } of entries) {
    if (!isFile) {
      oddFiles.push({ name, why: 'it is not a plain file' })
      continue
    }
    const file = await readFile(files, folder, name)
    if (file === undefined) {
      isSettled = false
    } else if (file.found.kind === 'unreadable') {
      // A running relay may have just made the newest file and not written its header yet.
      if (name === entries.at(-1)?.name) isSettled = false
      const why = 'its header is damaged, so no record can be checked'
      if (file.bytes > 0) oddFiles.push({ name, why })
    } else {
      const { found, bytes } = file
      keepOne(kept, oddFiles, { name, bytes, found })
    }
  }
  const segments = [...kept.values()].sort((a, b) => firstOf(a) - firstOf(b))
  return { segments, oddFiles, isSettled }
}

interface ReadFile {
  readonly bytes: number
  readonly found: Exclude<FoundHeader, { kind: 'newer' }>
}

/** @returns `undefined` when the file is gone */
async function readFile(
  files: FileSystem,
  folder: string,
  name: string,
): Promise<ReadFile | undefined> {
  try {
    const file = await files.open(join(folder, name), 'read')
    try {
      const found = await readSegmentHeader(file)
      if (found.kind === 'newer') throw newerError(join(folder, name), found.version)
      return { bytes: await file.size(), found }
    } finally {
      await file.close()
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function newerError(path: string, version: number): RelayError {
  const what = `${path} is in format ${version}, of a newer version`
  return new RelayError('RELAY_LOG_NEWER', `${what}; use the tools of that version`)
}

function keepOne(kept: Map<number, SegmentFile>, odd: OddFile[], file: SegmentFile): void {
  const first = firstOf(file)
  const other = kept.get(first)
  const isRightlyNamed = file.name === segmentName(first)
  const loser = other === undefined || isRightlyNamed ? other : file
  if (loser !== undefined) {
    odd.push({ name: loser.name, why: `there are two segments from record ${first}` })
  }
  if (loser !== file) kept.set(first, file)
}

function firstOf({ found }: SegmentFile): number {
  return found.header.firstSequence
}

async function finish(options: LogFolderOptions, listing: Listing): Promise<LogFolder> {
  const { files, folder } = options
  const { segments, oddFiles } = listing
  const firsts = new Set(segments.map(firstOf))
  const missing = segments
    .slice(1)
    .map(({ found }) => found.header.previousFirstSequence)
    .filter((first) => first > 0 && !firsts.has(first))
    .map(segmentName)
    .filter((name) => !oddFiles.some((odd) => odd.name === name))
  const tornFiles = await totalOf(files, folder, isTornName)
  const quarantine = await totalOf(files, quarantineFolder(folder), () => true)
  return { segments, oddFiles, missing, tornFiles, quarantine }
}

async function totalOf(
  files: FileSystem,
  folder: string,
  isCounted: (name: string) => boolean,
): Promise<FileTotal> {
  let count = 0
  let bytes = 0
  for (const { name, isFile } of await listOrNothing(files, folder)) {
    if (!isFile || !isCounted(name)) continue
    const fileBytes = await sizeOf(files, join(folder, name))
    if (fileBytes === undefined) continue
    count++
    bytes += fileBytes
  }
  return { count, bytes }
}

async function listOrNothing(files: FileSystem, folder: string): ReturnType<FileSystem['list']> {
  try {
    return await files.list(folder)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

async function sizeOf(files: FileSystem, path: string): Promise<number | undefined> {
  try {
    const file = await files.open(path, 'read')
    try {
      return await file.size()
    } finally {
      await file.close()
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}
