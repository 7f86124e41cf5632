/**
 * What the disk log needs of a file system, and Node's own behind it.
 *
 * The seam at which tests inject faults and record writes and syncs. Every byte that the log, its
 * cursors and its quarantine put on disk goes through here.
 *
 * Promise: a symbolic link in place of a file is never followed, so that nobody who may write into
 * the folder can point the log at a file elsewhere. Files are made readable by their owner only:
 * they hold credentials.
 */

import { type BigIntStats, constants, statSync } from 'node:fs'
import { open, readdir, rename, stat, statfs, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { errorCode } from '../std/errors.ts'
import { makeFolder, makeFolders } from '../std/files.ts'

export interface LogFile {
  /** @returns how many bytes were written, which may be fewer than asked for */
  write(bytes: Buffer, at: number): Promise<number>
  /** @returns how many bytes were read; 0 at the end of the file */
  read(into: Buffer, at: number): Promise<number>
  /** Bytes. */
  size(): Promise<number>
  /** The same as that of its path, as long as that leads to it. */
  identity(): Promise<string>
  truncate(bytes: number): Promise<void>
  /** What was written is on the disk when this resolves (`fdatasync`). */
  sync(): Promise<void>
  close(): Promise<void>
}

/**
 * `read`: an existing file. `update`: the same, for writing too. `create`: a new file, an error
 * when there is one. `replace`: new or emptied.
 */
export type OpenMode = 'read' | 'update' | 'create' | 'replace'

export interface FolderEntry {
  readonly name: string
  /** False for folders, sockets, links and whatever else is not a plain file. */
  readonly isFile: boolean
}

/** What a path leads to. */
export interface FileLook {
  /** No two that are open at once have the same. */
  readonly identity: string
  readonly bytes: number
}

/** All paths are whole; all methods reject with the system's error (`code`). */
export interface FileSystem {
  open(path: string, mode: OpenMode): Promise<LogFile>
  /** Replaces what is at `to`. */
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** With the folders above it, all on the disk when this resolves; fine when it exists. */
  makeFolder(path: string): Promise<void>
  /** The same in a folder that is there, and must not be made when it is not (ENOENT). */
  makeSubfolder(path: string): Promise<void>
  /** @returns `undefined` when there is nothing */
  look(path: string): Promise<FileLook | undefined>
  /**
   * The same, and nothing else goes on meanwhile: some microseconds, where `look` takes a tenth of
   * a millisecond. Only right after the file system has answered: one that hangs would hold all up.
   */
  lookAtOnce(path: string): FileLook | undefined
  /** By name, rising. */
  list(folder: string): Promise<readonly FolderEntry[]>
  /** Of the file system that the folder is on. */
  space(folder: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>
  /** Makes names that were made, changed or removed in the folder last. */
  syncFolder(folder: string): Promise<void>
}

/** What a system says that has no room for bytes, or for one more file. */
export const NO_ROOM: readonly string[] = ['ENOSPC', 'EDQUOT']

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC } = constants
/** Not known to every system. */
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
 * An inode's number is given away again only once nobody has its file open any more: so whoever
 * compares holds the one of the two.
 */
export function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}-${ino}`
}

/** Writes all of `bytes`; continues after a short write, as before a disk is full. */
export async function writeWhole(file: LogFile, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const written = await file.write(bytes.subarray(done), at + done)
    // A system that takes nothing and gives no reason would keep us here for ever.
    if (written === 0) throw new Error(`nothing was written at byte ${at + done}`)
    done += written
  }
}

/** @returns what there is of `into.length` bytes from `at` on; shorter only at the file's end */
export async function readWhole(file: LogFile, into: Buffer, at: number): Promise<Buffer> {
  let done = 0
  while (done < into.length) {
    const read = await file.read(into.subarray(done), at + done)
    if (read === 0) break
    done += read
  }
  return into.subarray(0, done)
}
