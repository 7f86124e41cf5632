/**
 * What node:fs leaves to its callers: writes that must be whole, the end of what is whole, and
 * folders that cannot be made.
 */

import { type FileHandle, mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { errorCode } from './errors.ts'

const NEWLINE = 0x0a
const READ_BYTES = 64 * 1024

/**
 * Writes all of `buffers` at the file's present position (its end, when opened for appending).
 *
 * One system call as a rule; a short write, as before a disk is full, is continued.
 */
export async function writeAll(handle: FileHandle, buffers: readonly Buffer[]): Promise<void> {
  let left = buffers.filter(({ length }) => length > 0)
  while (left.length > 0) {
    const { bytesWritten } = await handle.writev(left)
    left = withoutFirst(left, bytesWritten)
  }
}

/**
 * Makes a folder and those above it that are missing; fine when it is there.
 *
 * Node's own (`recursive`) never ends where a folder takes no new names and says ENOENT for that,
 * as /proc does. Here every folder is tried twice at the most.
 *
 * @returns the first one that was made, whole; `undefined` when there was nothing to be made
 */
export async function makeFolders(path: string, mode: number): Promise<string | undefined> {
  const folder = resolve(path)
  const above = dirname(folder)
  try {
    return await makeFolder(folder, mode)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || above === folder) throw error
  }
  const firstMade = await makeFolders(above, mode)
  await makeFolder(folder, mode)
  return firstMade ?? folder
}

/** @returns its path, or `undefined` when it was there */
export async function makeFolder(path: string, mode: number): Promise<string | undefined> {
  try {
    await mkdir(path, { mode })
    return path
  } catch (error) {
    if (errorCode(error) !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error
    return undefined
  }
}

/**
 * The byte behind the last newline among the first `size` bytes of a file; 0 when there is none.
 *
 * @param read as much as there is from `at` on; gives the number of bytes
 */
export async function endOfLastLine(
  read: (into: Buffer, at: number) => Promise<number>,
  size: number,
): Promise<number> {
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - READ_BYTES)
    const bytesRead = await read(buffer.subarray(0, end - start), start)
    const newlineAt = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE)
    if (newlineAt >= 0) return start + newlineAt + 1
    end = start
  }
  return 0
}

function withoutFirst(buffers: readonly Buffer[], bytes: number): Buffer[] {
  let skip = bytes
  const left: Buffer[] = []
  for (const buffer of buffers) {
    if (skip < buffer.length) left.push(buffer.subarray(skip))
    skip = Math.max(0, skip - buffer.length)
  }
  return left
}
