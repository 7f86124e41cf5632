/**
 * The file system calls that file outputs need, and their implementation by Node.
 *
 * Tests replace this interface to simulate power cuts. Unlike the file system of the log
 * (log/file-system.ts), this one follows links, appends, and creates files that the owner's group
 * may read, because the output files are for the operator.
 */

import type { BigIntStats } from 'node:fs'
import { open, rename, stat, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { nodeFileSystem } from '../../log/file-system.ts'
import { makeFolders, writeAll } from '../../std/files.ts'

export interface FileStats {
  /** Identifies the file under any name; no later file gets the same identity. */
  readonly identity: string
  readonly bytes: number
  readonly isRegular: boolean
  readonly isDevice: boolean
}

export interface OutputFile {
  /** Writes all bytes at the file's current end. */
  append(buffers: readonly Buffer[]): Promise<void>
  /** @returns how many bytes were read; 0 at the end of the file */
  read(into: Buffer, at: number): Promise<number>
  stat(): Promise<FileStats>
  truncate(bytes: number): Promise<void>
  /** All written bytes are on the disk when this resolves (`fdatasync`). */
  sync(): Promise<void>
  close(): Promise<void>
}

/** All methods reject with the system's error (`code`). */
export interface OutputFiles {
  /** Opens for appending and reading; creates the file when there is none. */
  open(path: string): Promise<OutputFile>
  stat(path: string): Promise<FileStats>
  /** Replaces a file at `to`. */
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Creates the folder and its parents. @returns the folders in which a folder was created */
  makeFolder(path: string): Promise<readonly string[]>
  /** Puts created, changed and removed names of the folder on the disk. */
  syncFolder(path: string): Promise<void>
}

/** Readable by owner and group only: measurements may be confidential. */
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
 * The number of an inode is reused once its file is gone; together with the birth time (0 where the
 * file system stores none) it identifies the file.
 */
function statsOf(stats: BigIntStats): FileStats {
  return {
    identity: `${stats.ino}-${stats.birthtimeNs}`,
    bytes: Number(stats.size),
    isRegular: stats.isFile(),
    isDevice: stats.isCharacterDevice(),
  }
}
