/**
 * Truncates the output's files on opening to the lengths that the saved cursor holds. The last
 * process has written the bytes beyond after it saved its cursor; their lines are still in the
 * backlog and are written again.
 *
 *     cursor   out.lp up to 4,096                  after it: rotated, a new file begun
 *     found    out.lp.1 with 6,200 bytes ──▶ cut to 4,096
 *              out.lp   with 1,900 bytes ──▶ cut to 0, its length when the cursor noted it
 *
 * Files are recognised by their identity, whatever their names are now. A file that the cursor does
 * not know is left alone, and no file is ever lengthened. All are synced, so that the cuts last.
 */

import type { FileExtent } from '../../log/cursors/file-checkpoint.ts'
import { errorCode } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { renderBytes } from '../../std/units.ts'
import type { FileStats, OutputFiles } from './output-files.ts'
import { nameOfAge } from './rotation.ts'

const HEAD_BYTES = 64 * 1024

export interface CutBackOptions {
  readonly files: OutputFiles
  readonly path: string
  readonly keepFiles: number
  /** For logs. */
  readonly output: string
  readonly logger: Logger
}

/** @returns the beginnings of the files that the cursor knows, oldest first */
export async function cutBack(
  options: CutBackOptions,
  extents: readonly FileExtent[],
): Promise<readonly string[]> {
  const { files, path, keepFiles } = options
  const missing = new Map(extents.map(({ file, bytes }) => [file, bytes]))
  const heads: string[] = []
  for (let age = 0; age < keepFiles && missing.size > 0; age++) {
    const name = nameOfAge(path, age)
    const stats = await statsOf(files, name)
    const bytes = stats && missing.get(stats.identity)
    if (stats === undefined || bytes === undefined) continue
    missing.delete(stats.identity)
    heads.unshift(await cutFile(options, name, { has: stats.bytes, known: bytes }))
  }
  const [first] = extents
  if (first !== undefined && missing.has(first.file)) tellMissing(options)
  return heads
}

async function cutFile(
  { files, output, logger }: CutBackOptions,
  path: string,
  bytes: { readonly has: number; readonly known: number },
): Promise<string> {
  const excessBytes = bytes.has - bytes.known
  if (excessBytes < 0) {
    const text = `${path} is ${renderBytes(-excessBytes)} shorter than its cursor says`
    logger.warn({ output, path, bytes: -excessBytes }, `output "${output}": ${text}`)
  }
  const file = await files.open(path)
  try {
    if (excessBytes > 0) {
      await file.truncate(bytes.known)
      const what = `the last ${renderBytes(excessBytes)} of ${path} are newer than its cursor`
      const text = `output "${output}": ${what}: they are cut off and written again`
      logger.info({ output, path, bytes: excessBytes }, text)
    }
    // Even at the right length: the last process may have truncated the file without a sync.
    await file.sync()
    return await readHead(file, Math.min(bytes.has, bytes.known))
  } finally {
    await file.close()
  }
}

/** Reads the beginning of a file. */
export async function readHead(
  file: { read(into: Buffer, at: number): Promise<number> },
  length: number,
): Promise<string> {
  const buffer = Buffer.alloc(Math.min(length, HEAD_BYTES))
  return buffer.toString('utf8', 0, await file.read(buffer, 0))
}

async function statsOf(files: OutputFiles, path: string): Promise<FileStats | undefined> {
  try {
    return await files.stat(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function tellMissing({ path, output, logger }: CutBackOptions): void {
  const what = `the file that its cursor knows is no longer at ${path}`
  const text = `output "${output}": ${what}; the last lines of that file may be written again here`
  logger.info({ output, path }, text)
}
