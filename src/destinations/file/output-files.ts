/**
 * What file outputs need of a file system, and Node's own behind it.
 *
 * The seam at which tests cut the power. Other than the log's own (log/file-system.ts) it
 * follows links, appends, and makes files that others may read: these are the operator's.
 */

import type { BigIntStats } from 'node:fs'
import { open, rename, stat, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { nodeFileSystem } from '../../log/file-system.ts'
import { makeFolders, writeAll } from '../../std/files.ts'

export interface FileStats {
  /** Which file it is, whatever its name: no file that comes after it has the same. */
  readonly identity: string
  readonly bytes: number
  readonly isRegular: boolean
  readonly isDevice: boolean
}

export interface OutputFile {
  /** Writes all of it at the file's end, wherever that is by now. */
  append(buffers: readonly Buffer[]): Promise<void>
  /** @returns how many bytes were read; 0 at the end of the file */
  read(into: Buffer, at: number): Promise<number>
  stat(): Promise<FileStats>
  truncate(bytes: number): Promise<void>
  /** What was written is on the disk when this resolves (`fdatasync`). */
  sync(): Promise<void>
  close(): Promise<void>
}

/** All methods reject with the system's error (`code`). */
export interface OutputFiles {
  /** For appending and reading; made when there is none. */
  open(path: string): Promise<OutputFile>
  stat(path: string): Promise<FileStats>
  /** Replaces what is at `to`. */
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** With the folders above it. @returns the folders in which one was made */
  makeFolder(path: string): Promise<readonly string[]>
  /** Makes names that were made, changed or removed in the folder last. */
  syncFolder(path: string): Promise<void>
}

/** Readable by the owner's group only: what is measured may be confidential. */
const FILE_MODE = 0o640
const FOLDER_MODE = 0o755

export const nodeOutputFiles: OutputFiles = {
  async open(path) {
    const handle = await open(path, 'a+', FILE_MODE)
    return {
      append: (buffers) => writeAll(handle, buffers),
      read: async (into, at) => (await handle.read(into, 0, into.length, at)).bytesRead,
      stat: async () => statsOf(await handle.stat({ bigint: true })),
      truncate: (bytes) => handle.truncate(bytes),
      sync: () => handle.datasync(),
      close: () => handle.close(),
    }
  },
  stat: async (path) => statsOf(await stat(path, { bigint: true })),
  rename,
  unlink,
  async makeFolder(path) {
    const firstMade = await makeFolders(path, FOLDER_MODE)
    if (firstMade === undefined) return []
    const changed: string[] = []
    const top = dirname(resolve(firstMade))
    for (let made = resolve(path); made !== top; made = dirname(made)) changed.push(dirname(made))
    return changed
  },
  syncFolder: (path) => nodeFileSystem.syncFolder(path),
}

/**
 * An inode's number is given away again once its file is gone; with its time of birth it is the
 * file's own. 0 where the file system keeps none.
 */
function statsOf(stats: BigIntStats): FileStats {
  return {
    identity: `${stats.ino}-${stats.birthtimeNs}`,
    bytes: Number(stats.size),
    isRegular: stats.isFile(),
    isDevice: stats.isCharacterDevice(),
  }
}
