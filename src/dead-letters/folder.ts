/**
 * Reads the folders of dead letters without a lock: for tools, also while the relay runs.
 *
 *     <log-dir>/dead/
 *       <output>/                     the name percent-encoded (cursor-file.ts)
 *         0000000000000001.seg        letters in the order in which they were refused (letter.ts)
 *         <output>.cursor             letters with numbers below the cursor are removed
 *         quarantine/                 damaged bytes that the relay found, kept for people
 *
 * The files are segments as in the log (log/segments/): same framing, same checksums, same resync
 * after damage. The header of each file holds the name of the output.
 *
 * Promise: nothing is changed, and no content of a file is an error. Damage is skipped and counted;
 * a file of a newer version is reported. The end of the last file may be a write in progress and
 * does not count as damage.
 */

import { basename, join } from 'node:path'
import { CursorFile, encodedOutputName } from '../log/cursors/cursor-file.ts'
import type { FileSystem, LogFile } from '../log/file-system.ts'
import { SegmentScan } from '../log/segments/scan-segment.ts'
import { type FoundHeader, readSegmentHeader } from '../log/segments/segment-header.ts'
import { isSegmentName } from '../log/segments/segment-names.ts'
import { errorCode } from '../std/errors.ts'
import { decodeLetter, type StoredLetter } from './letter.ts'

const DEAD_FOLDER = 'dead'

export function deadFolder(logFolder: string, output: string): string {
  return join(logFolder, DEAD_FOLDER, encodedOutputName(output))
}

interface FoundFile {
  readonly name: string
  readonly bytes: number
  readonly found: FoundHeader
}

export interface DeadFolderReaderOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly output: string
}

/** Folders, by name, of all outputs with dead letters, also of outputs no longer configured. */
export async function findDeadFolders(
  files: FileSystem,
  logFolder: string,
): Promise<readonly DeadFolderReaderOptions[]> {
  const parent = join(logFolder, DEAD_FOLDER)
  const found: DeadFolderReaderOptions[] = []
  for (const { name, isFile } of await listOrNone(files, parent)) {
    const folder = join(parent, name)
    const output = isFile ? undefined : await outputOf(files, folder)
    if (output !== undefined) found.push({ files, folder, output })
  }
  return found
}

export class DeadFolderReader {
  readonly output: string
  readonly #files: FileSystem
  readonly #folder: string
  /** Problems found so far, in words. */
  readonly problems: string[] = []
  /** Size of all files when they were found. */
  bytes = 0
  damagedBytes = 0

  constructor({ files, folder, output }: DeadFolderReaderOptions) {
    this.output = output
    this.#files = files
    this.#folder = folder
  }

  /** Every stored letter that was not removed, oldest first. Call once. */
  async *letters(): AsyncGenerator<StoredLetter> {
    let next = await this.#removedBelow()
    const found = await findFiles(this.#files, this.#folder)
    const readable: FoundFile[] = []
    for (const file of found) {
      this.bytes += file.bytes
      if (file.found.kind === 'header') readable.push(file)
      else this.#noteUnreadable(file)
    }
    readable.sort((a, b) => firstOf(a) - firstOf(b))
    for (const file of readable) {
      for await (const letter of this.#lettersOf(file, file === readable.at(-1))) {
        if (letter.number < next) continue // The letter was removed, or is in two files.
        next = letter.number + 1
        yield letter
      }
    }
  }

  async #removedBelow(): Promise<number> {
    const [files, folder, output] = [this.#files, this.#folder, this.output]
    const isOwner = async () => false // This reader never saves the cursor.
    const loaded = await new CursorFile({ files, folder, output, isOwner }).load()
    if (loaded.kind === 'unreadable') {
      this.problems.push(`its cursor is not readable (${loaded.why}): removed letters may show`)
    }
    return loaded.kind === 'loaded' ? loaded.cursor.doneBelow : 0
  }

  #noteUnreadable({ name, bytes, found }: FoundFile): void {
    if (found.kind === 'newer') {
      this.problems.push(`${name} is in format ${found.version}, of a newer version: passed over`)
    } else if (bytes > 0) {
      this.problems.push(`${name} has no intact header, so nothing in it can be checked`)
      this.damagedBytes += bytes
    }
  }

  async *#lettersOf({ name, found }: FoundFile, isLast: boolean): AsyncGenerator<StoredLetter> {
    if (found.kind !== 'header') return
    const file = await openOrNone(this.#files, join(this.#folder, name))
    if (file === undefined) return // The file was deleted meanwhile.
    try {
      const scan = new SegmentScan({ file, seal: found.seal, recordsAt: found.recordsAt })
      const end = await file.size()
      for (;;) {
        const steps = await scan.read(end)
        if (steps.length === 0) break
        for (const step of steps) {
          const letter = step.kind === 'record' ? decodeLetter(step.record) : undefined
          if (step.kind === 'damage') this.damagedBytes += step.bytes
          if (letter !== undefined) yield letter
        }
      }
      if (!isLast) this.damagedBytes += scan.tailEnd - scan.intactEnd
    } finally {
      await file.close()
    }
  }
}

/** @returns the output whose letters are in the folder; `undefined` when it holds none of ours */
async function outputOf(files: FileSystem, folder: string): Promise<string | undefined> {
  const found = await findFiles(files, folder)
  const named = found.find((file) => file.found.kind === 'header')
  const [name] = named?.found.kind === 'header' ? named.found.header.roster : []
  if (name !== undefined) return name
  if (found.length === 0) return undefined
  try {
    return decodeURIComponent(basename(folder))
  } catch {
    return undefined
  }
}

async function findFiles(files: FileSystem, folder: string): Promise<FoundFile[]> {
  const found: FoundFile[] = []
  for (const { name, isFile } of await listOrNone(files, folder)) {
    if (!isFile || !isSegmentName(name)) continue
    const file = await openOrNone(files, join(folder, name))
    if (file === undefined) continue
    try {
      found.push({ name, bytes: await file.size(), found: await readSegmentHeader(file) })
    } finally {
      await file.close()
    }
  }
  return found
}

function firstOf({ found }: FoundFile): number {
  return found.kind === 'header' ? found.header.firstSequence : 0
}

async function listOrNone(files: FileSystem, folder: string): ReturnType<FileSystem['list']> {
  try {
    return await files.list(folder)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return []
    throw error
  }
}

async function openOrNone(files: FileSystem, path: string): Promise<LogFile | undefined> {
  try {
    return await files.open(path, 'read')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}
