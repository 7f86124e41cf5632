/**
 * One open file that only grows, by whole appends; renamed and begun anew when it is told to.
 *
 *     name  name.1  name.2  …        younger to older (rotation.ts)
 *
 * An append that fails is taken back: the file is cut to the length before, never lengthened. A
 * torn tail, left by a process that died, is cut on opening. A file that was renamed, removed or
 * cut by others (logrotate) is noticed within CHECK_INTERVAL_MS and opened by its name again; until
 * then appends go where the name pointed before.
 *
 * With a keeper, which is what a log on disk has: on opening, files are cut to what its cursor
 * knows of them (cut-back.ts); before the first append to a file its name is on the disk and the
 * keeper knows of it; and what was appended is on the disk once `sync` resolves, or is taken back.
 * Without, nothing is synced: a power cut may take what the system has not yet written.
 *
 * Not safe for concurrent calls: the caller makes them one by one.
 */

import { dirname } from 'node:path'
import type { FileKeeper, FileMark } from '../../log/cursors/file-extent.ts'
import type { Clock } from '../../std/clock.ts'
import { errorCode } from '../../std/errors.ts'
import { endOfLastLine } from '../../std/files.ts'
import { renderBytes } from '../../std/units.ts'
import { type CutBackOptions, cutBack, readHead } from './cut-back.ts'
import type { OutputFile } from './output-files.ts'
import { rotateNames } from './rotation.ts'

const CHECK_INTERVAL_MS = 1_000

export interface FileAppenderOptions extends CutBackOptions {
  readonly clock: Clock
  readonly keeper: FileKeeper | undefined
}

interface OpenFile {
  readonly handle: OutputFile
  readonly identity: string
  /** A device has no length, no tail, and nothing to be renamed. */
  readonly isRegular: boolean
  readonly head: string
}

export class FileAppender implements AsyncDisposable {
  readonly #options: FileAppenderOptions
  #file: OpenFile
  #length: number
  #syncedLength: number
  /** Nothing was appended or cut since the last sync; of a file found so nobody knows. */
  #isSynced = false
  #generation = 1
  /** Its name is on the disk, and the keeper's cursor knows of it. */
  #isNoted = false
  #checkedAtMs: number
  /** The last append could not be taken back. */
  #mustCut = false
  /** How the files began that an earlier process has written to, oldest first. */
  readonly formerHeads: readonly string[]

  private constructor(
    options: FileAppenderOptions,
    opened: { readonly file: OpenFile; readonly length: number },
    formerHeads: readonly string[],
  ) {
    this.#options = options
    this.#file = opened.file
    this.#length = opened.length
    this.#syncedLength = opened.length
    this.#checkedAtMs = options.clock.monotonicMs()
    this.formerHeads = formerHeads
  }

  /** Creates folder and file as needed. Rejects with what the system says, nothing left open. */
  static async open(options: FileAppenderOptions): Promise<FileAppender> {
    const { keeper } = options
    const formerHeads = keeper === undefined ? [] : await cutBack(options, keeper.extents)
    return new FileAppender(options, await openFile(options), formerHeads)
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

  /** Where the file ends, for the keeper; `undefined` when there is none, or nothing to be cut. */
  get mark(): FileMark | undefined {
    if (this.#options.keeper === undefined || !this.#file.isRegular) return undefined
    return { file: this.#file.identity, bytes: this.#length, generation: this.#generation }
  }

  /**
   * Makes sure that the name still leads to our file. To be called before each append, unless
   * something is not synced yet: it may leave the file for another one.
   */
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
    if (this.#mustCut) await this.#cut()
    if (!this.#isNoted) await this.#note()
    try {
      await this.#file.handle.append(buffers)
    } catch (error) {
      await this.#takeBack()
      throw error
    }
    this.#length += buffers.reduce((sum, { length }) => sum + length, 0)
    this.#isSynced = false
  }

  /**
   * Resolves when the file is on the disk as it is. Else rejects with what the system says, and
   * what was appended since the last time is taken back: a second sync would prove nothing of it.
   */
  async sync(): Promise<void> {
    if (this.mark === undefined || this.#isSynced) return
    try {
      await this.#file.handle.sync()
    } catch (error) {
      this.#length = this.#syncedLength
      await this.#takeBack()
      throw error
    }
    this.#syncedLength = this.#length
    this.#isSynced = true
  }

  /**
   * The file becomes `name.1`, and an empty one is begun. To be called after `sync`: what was
   * appended since may be taken back.
   */
  async rotate(): Promise<void> {
    const { files, path, keepFiles } = this.#options
    if (this.#mustCut) await this.#cut()
    await this.sync() // What is left behind must stay as it is.
    // Should it fail half-way, the next `check` finds out what has become of the name.
    this.#checkedAtMs = Number.NEGATIVE_INFINITY
    await rotateNames(files, path, keepFiles)
    if (keepFiles === 1) await this.#beginAnew()
    else await this.#openAgain()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.handle.close()
  }

  async #note(): Promise<void> {
    const { files, path, keeper } = this.#options
    const { mark } = this
    if (keeper === undefined || mark === undefined) return
    await files.syncFolder(dirname(path))
    await keeper.noteOpened(mark)
    this.#isNoted = true
  }

  async #takeBack(): Promise<void> {
    // The name may lead elsewhere, as after a file system was mounted anew: look at once.
    this.#checkedAtMs = Number.NEGATIVE_INFINITY
    this.#mustCut = this.#file.isRegular
    if (this.#mustCut) await this.#cut().catch(() => {}) // `check` tries again, and tells.
  }

  async #cut(): Promise<void> {
    const { handle } = this.#file
    const { bytes } = await handle.stat()
    // Others may have cut it meanwhile (logrotate copytruncate): to truncate would then lengthen
    // it, by NULs. What stands in it now is found out by the next `check`.
    if (bytes > this.#length) await handle.truncate(this.#length)
    this.#mustCut = false
    this.#isSynced = false
  }

  async #beginAnew(): Promise<void> {
    await this.#file.handle.truncate(0)
    this.#takeOver({ file: { ...this.#file, head: '' }, length: 0 })
  }

  async #isOurs(): Promise<boolean> {
    try {
      const { identity, bytes } = await this.#options.files.stat(this.#options.path)
      return identity === this.#file.identity && bytes === this.#length
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
      return false
    }
  }

  async #openAgain(): Promise<void> {
    await this.sync() // What is left behind must stay as it is.
    const before = this.#file.handle
    this.#takeOver(await openFile(this.#options))
    await before.close()
  }

  #takeOver({ file, length }: { readonly file: OpenFile; readonly length: number }): void {
    this.#file = file
    this.#length = length
    this.#syncedLength = length
    this.#generation++
    this.#isSynced = false
    this.#isNoted = false
    this.#mustCut = false
  }
}

async function openFile(options: FileAppenderOptions): Promise<{ file: OpenFile; length: number }> {
  const { files, path, keeper } = options
  const folder = dirname(path)
  const changed = await files.makeFolder(folder)
  // Before a file is made: its name alone on the disk would hide one that was renamed before.
  if (keeper !== undefined) {
    for (const each of [...changed, folder]) await files.syncFolder(each)
  }
  const handle = await files.open(path)
  try {
    const { identity, bytes, isRegular, isDevice } = await handle.stat()
    // A pipe without a reader would hold up the whole output.
    if (!isRegular && !isDevice) throw new Error('it is neither file nor device')
    const length = isRegular ? await cutTornTail(handle, bytes, options) : 0
    const head = isRegular ? await readHead(handle, length) : ''
    return { file: { handle, identity, isRegular, head }, length }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** @returns the length of what is whole */
async function cutTornTail(
  handle: OutputFile,
  size: number,
  { path, output, logger }: FileAppenderOptions,
): Promise<number> {
  const end = await endOfLastLine((into, at) => handle.read(into, at), size)
  if (end === size) return size
  await handle.truncate(end)
  const bytes = size - end
  const text =
    `output "${output}": ${path} ended within a line; ` +
    `its last ${renderBytes(bytes)} are cut off and come again if they are still owed`
  logger.warn({ output, path, bytes }, text)
  return end
}
