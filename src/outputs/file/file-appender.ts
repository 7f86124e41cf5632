/**
 * One open file that only grows, by whole appends; renamed and begun anew when it is told to.
 *
 *     name  name.1  name.2  …        younger to older
 *
 * An append that fails is taken back: the file is cut to the length before, never lengthened. A
 * torn tail, left by a process that died, is cut on opening. A file that was renamed, removed or
 * cut by others (logrotate) is noticed within CHECK_INTERVAL_MS and opened by its name again; until
 * then appends go where the name pointed before.
 *
 * Not safe for concurrent calls: the caller makes them one by one. Not synced: a power cut may take
 * what the system has not yet written.
 */

import { type FileHandle, mkdir, open, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock } from '../../std/clock.ts'
import { errorCode } from '../../std/errors.ts'
import { endOfLastLine, writeAll } from '../../std/files.ts'
import type { Logger } from '../../std/logger.ts'
import { renderBytes } from '../../std/units.ts'

const CHECK_INTERVAL_MS = 1_000
const HEAD_BYTES = 64 * 1024
/** Files above `keepFiles`, left by an earlier configuration: so many of them are looked for. */
const STALE_FILES_MAX = 1_000

export interface FileAppenderOptions {
  readonly path: string
  /** For logs. */
  readonly output: string
  readonly clock: Clock
  readonly logger: Logger
}

interface OpenFile {
  readonly handle: FileHandle
  readonly inode: number
  readonly device: number
  /** A device has no length, no tail, and nothing to be renamed. */
  readonly isRegular: boolean
  readonly head: string
}

export class FileAppender implements AsyncDisposable {
  readonly #options: FileAppenderOptions
  #file: OpenFile
  #length: number
  #generation = 1
  #checkedAtMs: number
  /** The last append could not be taken back. */
  #mustCut = false

  private constructor(options: FileAppenderOptions, file: OpenFile, length: number) {
    this.#options = options
    this.#file = file
    this.#length = length
    this.#checkedAtMs = options.clock.monotonicMs()
  }

  /** Creates folder and file as needed. Rejects with what the system says, nothing left open. */
  static async open(options: FileAppenderOptions): Promise<FileAppender> {
    const { file, length } = await openFile(options)
    return new FileAppender(options, file, length)
  }

  get length(): number {
    return this.#length
  }

  /** Rises when another file, or the same one cut by others, takes the place of the one before. */
  get generation(): number {
    return this.#generation
  }

  /** How the file began when it was opened. */
  get head(): string {
    return this.#file.head
  }

  get isRegular(): boolean {
    return this.#file.isRegular
  }

  /** To be called before each append: makes sure that the name still leads to our file. */
  async check(): Promise<void> {
    if (!this.#file.isRegular) return
    if (this.#mustCut) await this.#cut()
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs - this.#checkedAtMs < CHECK_INTERVAL_MS) return
    if (!(await this.#isOurs())) await this.#openAgain()
    this.#checkedAtMs = nowMs
  }

  /** All of it or nothing. Rejects with what the system says. */
  async append(buffers: readonly Buffer[]): Promise<void> {
    try {
      await writeAll(this.#file.handle, buffers)
    } catch (error) {
      // The name may lead elsewhere, as after a file system was mounted anew: look at once.
      this.#checkedAtMs = Number.NEGATIVE_INFINITY
      this.#mustCut = this.#file.isRegular
      if (this.#mustCut) await this.#cut().catch(() => {}) // `check` tries again, and tells.
      throw error
    }
    this.#length += buffers.reduce((sum, { length }) => sum + length, 0)
  }

  /** The file becomes `name.1`, of all together `keepFiles` stay, and an empty one is begun. */
  async rotate(keepFiles: number): Promise<void> {
    const { path } = this.#options
    // Should it fail half-way, the next `check` finds out what has become of the name.
    this.#checkedAtMs = Number.NEGATIVE_INFINITY
    const nameOf = (age: number) => (age === 0 ? path : `${path}.${age}`)
    for (let age = keepFiles; age < keepFiles + STALE_FILES_MAX; age++) {
      if (!(await isDone(unlink(nameOf(age))))) break
    }
    for (let age = keepFiles - 1; age > 0; age--) {
      await isDone(rename(nameOf(age - 1), nameOf(age)))
    }
    if (keepFiles > 1) await this.#openAgain()
    else await this.#beginAnew()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.handle.close()
  }

  async #cut(): Promise<void> {
    const { handle } = this.#file
    const { size } = await handle.stat()
    // Others may have cut it meanwhile (logrotate copytruncate): to truncate would then lengthen
    // it, by NULs. What stands in it now is found out by the next `check`.
    if (size > this.#length) await handle.truncate(this.#length)
    this.#mustCut = false
  }

  async #beginAnew(): Promise<void> {
    await this.#file.handle.truncate(0)
    this.#file = { ...this.#file, head: '' }
    this.#length = 0
    this.#generation++
  }

  async #isOurs(): Promise<boolean> {
    try {
      const { ino, dev, size } = await stat(this.#options.path)
      const { inode, device } = this.#file
      return ino === inode && dev === device && size === this.#length
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
      return false
    }
  }

  async #openAgain(): Promise<void> {
    const before = this.#file.handle
    const { file, length } = await openFile(this.#options)
    this.#file = file
    this.#length = length
    this.#generation++
    this.#mustCut = false
    await before.close()
  }
}

async function openFile(options: FileAppenderOptions): Promise<{ file: OpenFile; length: number }> {
  const { path } = options
  await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  // Readable by the owner's group only: what is measured may be confidential.
  const handle = await open(path, 'a+', 0o640)
  try {
    const stats = await handle.stat()
    const { ino: inode, dev: device, size } = stats
    const isRegular = stats.isFile()
    // A pipe without a reader would hold up the whole output.
    if (!isRegular && !stats.isCharacterDevice()) throw new Error('it is neither file nor device')
    const length = isRegular ? await cutTornTail(handle, size, options) : 0
    const head = isRegular ? await readHead(handle, length) : ''
    return { file: { handle, inode, device, isRegular, head }, length }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** @returns the length of what is whole */
async function cutTornTail(
  handle: FileHandle,
  size: number,
  { path, output, logger }: FileAppenderOptions,
): Promise<number> {
  const end = await endOfLastLine(handle, size)
  if (end === size) return size
  await handle.truncate(end)
  const bytes = size - end
  const text =
    `output "${output}": ${path} ended within a line; ` +
    `its last ${renderBytes(bytes)} are cut off and come again if they are still owed`
  logger.warn({ output, path, bytes }, text)
  return end
}

async function readHead(handle: FileHandle, length: number): Promise<string> {
  const buffer = Buffer.alloc(Math.min(length, HEAD_BYTES))
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0)
  return buffer.toString('utf8', 0, bytesRead)
}

/** @returns false when there is no such file; rejects with anything else */
async function isDone(change: Promise<void>): Promise<boolean> {
  try {
    await change
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}
