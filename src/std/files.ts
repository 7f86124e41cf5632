/**
 * File operations that node:fs lacks: complete writes, the end of the last complete line, and
 * making folders without hanging.
 */

import { type FileHandle, mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { errorCode } from './errors.ts'

const NEWLINE = 0x0a
const READ_BYTES = 64 * 1024

/**
 * Writes all of `buffers` at the current position of the file (its end, if opened for appending).
 *
 * Usually one system call; continues after a short write, which happens on a nearly full disk.
 */
export async function writeAll(handle: FileHandle, buffers: readonly Buffer[]): Promise<void> {
  let left = buffers.filter(({ length }) => length > 0)
  while (left.length > 0) {
    const { bytesWritten } = await handle.writev(left)
    left = withoutFirst(left, bytesWritten)
  }
}

/**
 * Makes a folder and its missing parents; the folder may exist.
 *
 * Node's `recursive` option loops for ever in a file system that answers ENOENT for a new folder,
 * as /proc does. This function tries every folder twice at most.
 *
 * @returns the absolute path of the topmost new folder; `undefined` when all folders existed
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

/** @returns the path of the new folder, or `undefined` when the folder existed */
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
 * The offset behind the last newline in the first `size` bytes of a file; 0 without a newline.
 *
 * @param read fills `into` from offset `at` of the file; resolves to the count of bytes read
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
