/**
 * The file system as the disk log uses it, and its implementation with node:fs.
 *
 * At this interface tests inject faults and record writes and syncs. Every byte that the log, its
 * cursors and its quarantine write to disk goes through it.
 *
 * Promise: a symbolic link in place of a file is never followed, so that a user who may write into
 * the folder cannot redirect the log to a file elsewhere. Only their owner can read the files: they
 * contain credentials.
 */

import { type BigIntStats, constants, statSync } from 'node:fs'
import { open, readdir, rename, stat, statfs, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { errorCode } from '../std/errors.ts'
import { makeFolder, makeFolders } from '../std/files.ts'

export interface LogFile {
  /** @returns the number of bytes written, which may be less than the length of `bytes` */
  write(bytes: Buffer, at: number): Promise<number>
  /** @returns the number of bytes read; 0 at the end of the file */
  read(into: Buffer, at: number): Promise<number>
  /** @returns bytes */
  size(): Promise<number>
  /** Equals the identity that `look` returns for the path while the path leads to this file. */
  identity(): Promise<string>
  truncate(bytes: number): Promise<void>
  /** All earlier writes are on the disk when this resolves (`fdatasync`). */
  sync(): Promise<void>
  close(): Promise<void>
}

/**
 * `read`: an existing file. `update`: an existing file, for writing too. `create`: a new file; an
 * error when it exists. `replace`: a new file, or an existing file after emptying it.
 */
export type OpenMode = 'read' | 'update' | 'create' | 'replace'

export interface FolderEntry {
  readonly name: string
  /** False for folders, sockets, links and everything else that is not a plain file. */
  readonly isFile: boolean
}

/** The file to which a path leads. */
export interface FileLook {
  /** Different for any two files that exist or are open at the same time. */
  readonly identity: string
  readonly bytes: number
}

/** Paths are complete, not mere file names. All methods reject with the system's error (`code`). */
export interface FileSystem {
  open(path: string, mode: OpenMode): Promise<LogFile>
  /** Replaces an existing file at `to`. */
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Makes the folder and its missing parents, all on the disk when this resolves; may exist. */
  makeFolder(path: string): Promise<void>
  /** Makes the folder in an existing parent; rejects with ENOENT when the parent is missing. */
  makeSubfolder(path: string): Promise<void>
  /** @returns `undefined` when the path leads nowhere */
  look(path: string): Promise<FileLook | undefined>
  /**
   * `look` as a blocking call: some microseconds, where `look` takes a tenth of a millisecond. Use
   * it only right after the file system has answered: a hanging one would block the whole process.
   */
  lookAtOnce(path: string): FileLook | undefined
  /** In ascending order of the names. */
  list(folder: string): Promise<readonly FolderEntry[]>
  /** Space on the file system of the folder. */
  space(folder: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>
  /** Syncs the names that were added, changed or removed in the folder. */
  syncFolder(folder: string): Promise<void>
}

/** Error codes of a system that has no room for more bytes or for another file. */
export const NO_ROOM: readonly string[] = ['ENOSPC', 'EDQUOT']

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC } = constants
/** Not every system has this flag. */
const O_NOFOLLOW = constants.O_NOFOLLOW ?? 0

const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY | O_NOFOLLOW,
  update: O_RDWR | O_NOFOLLOW,
  create: O_RDWR | O_CREAT | O_EXCL,
  replace: O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW,
}

const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

export const nodeFileSystem: FileSystem = {
  async open(path, mode) {
    const handle = await open(path, FLAGS[mode], FILE_MODE)
    return {
      write: async (bytes, at) => (await handle.write(bytes, 0, bytes.length, at)).bytesWritten,
      read: async (into, at) => (await handle.read(into, 0, into.length, at)).bytesRead,
      size: async () => (await handle.stat()).size,
      identity: async () => identityOf(await handle.stat({ bigint: true })),
      truncate: (bytes) => handle.truncate(bytes),
      sync: () => handle.datasync(),
      close: () => handle.close(),
    }
  },
  rename,
  unlink,
  async makeFolder(path) {
    const firstMade = await makeFolders(path, FOLDER_MODE)
    if (firstMade === undefined) return
    const top = dirname(resolve(firstMade))
    for (let made = resolve(path); made !== top; made = dirname(made)) {
      await syncFolder(dirname(made))
    }
  },
  async makeSubfolder(path) {
    if ((await makeFolder(path, FOLDER_MODE)) !== undefined) await syncFolder(dirname(path))
  },
  async look(path) {
    try {
      return lookOf(await stat(path, { bigint: true }))
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return undefined
      throw error
    }
  },
  lookAtOnce(path) {
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
    return stats && lookOf(stats)
  },
  async list(folder) {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries
      .map((entry) => ({ name: entry.name, isFile: entry.isFile() }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  },
  async space(folder) {
    const { bavail, blocks, bsize } = await statfs(folder)
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
  },
  syncFolder,
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function lookOf(stats: BigIntStats): FileLook {
  return { identity: identityOf(stats), bytes: Number(stats.size) }
}

/**
 * A system reuses an inode number only after the file is closed everywhere. So a comparison is
 * valid while one of the two files is open.
 */
export function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}-${ino}`
}

/** Writes all of `bytes`; continues after a short write, which happens on a nearly full disk. */
export async function writeWhole(file: LogFile, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const written = await file.write(bytes.subarray(done), at + done)
    // A system that writes nothing and reports no error would make this loop endless.
    if (written === 0) throw new Error(`nothing was written at byte ${at + done}`)
    done += written
  }
}

/** Reads `into.length` bytes from `at` on. @returns fewer only at the end of the file */
export async function readWhole(file: LogFile, into: Buffer, at: number): Promise<Buffer> {
  let done = 0
  while (done < into.length) {
    const read = await file.read(into.subarray(done), at + done)
    if (read === 0) break
    done += read
  }
  return into.subarray(0, done)
}
