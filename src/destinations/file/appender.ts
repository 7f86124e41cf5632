/**
 * One open file that grows by whole appends only; `rotate` renames the file and begins a new one.
 *
 *     name  name.1  name.2  …        younger to older (rotation.ts)
 *
 * A failed append is undone: the file is truncated to its previous length, never lengthened. A
 * torn tail, left by a process that died, is cut on opening. When others (logrotate) have renamed,
 * removed or truncated the file, the appender notices within CHECK_INTERVAL_MS and opens the file
 * by its name again; until then appends go to the file that it has open.
 *
 * With a keeper (the relay has a log on disk): on opening, files are truncated to the lengths that
 * the output's cursor holds (cut-back.ts). Before the first append to a file, the file's name is on
 * the disk and the saved cursor lists the file. Appended bytes are on the disk once `sync`
 * resolves; if `sync` rejects, they are undone. Without a keeper, nothing is synced: a power cut
 * loses whatever the system has not yet written.
 *
 * Not safe for concurrent calls: the caller makes one call at a time.
 */

import { dirname } from 'node:path'
import type { FileCheckpoint, FileKeeper } from '../../log/cursors/file-checkpoint.ts'
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
  /** False for a device, which has no length and no tail and is never renamed. */
  readonly isRegular: boolean
  readonly head: string
}

export class FileAppender implements AsyncDisposable {
  readonly #options: FileAppenderOptions
  #file: OpenFile
  #length: number
  #syncedLength: number
  /**
   * True if nothing was appended or truncated since the last sync. False for a file that already
   * existed: its state on disk is unknown.
   */
  #isSynced = false
  #generation = 1
  /** The file's name is on the disk, and the saved cursor lists the file. */
  #isNoted = false
  #checkedAtMs: number
  /** The last append is not undone yet: the file must be truncated first. */
  #mustCut = false
  /** The beginnings of the files that an earlier process has written to, oldest first. */
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

  /** Creates folder and file as needed. Rejects with the system's error; leaves nothing open. */
  static async open(options: FileAppenderOptions): Promise<FileAppender> {
    const { keeper } = options
    const formerHeads = keeper === undefined ? [] : await cutBack(options, keeper.extents)
    return new FileAppender(options, await openFile(options), formerHeads)
  }

  get length(): number {
    return this.#length
  }

  /** Rises when another file replaces the open one, or when others have truncated the file. */
  get generation(): number {
    return this.#generation
  }

  /** The beginning of the file, as it was on opening. */
  get head(): string {
    return this.#file.head
  }

  get isRegular(): boolean {
    return this.#file.isRegular
  }

  /** Where the file ends, for the keeper. `undefined` without a keeper, and for a device. */
  get checkpoint(): FileCheckpoint | undefined {
    if (this.#options.keeper === undefined || !this.#file.isRegular) return undefined
    return { file: this.#file.identity, bytes: this.#length, generation: this.#generation }
  }

  /**
   * Makes sure that the name still leads to the open file, and otherwise opens the file that the
   * name leads to. Call before each append, but not while appended bytes are unsynced.
   */
  async check(): Promise<void> {
    if (!this.#file.isRegular) return
    if (this.#mustCut) await this.#cut()
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs - this.#checkedAtMs < CHECK_INTERVAL_MS) return
    if (!(await this.#isOurs())) await this.#openAgain()
    this.#checkedAtMs = nowMs
  }

  /** Appends all bytes or none. Rejects with the system's error. */
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
   * Resolves when all bytes of the file are on the disk. Otherwise rejects with the system's error,
   * and undoes the appends since the last sync: a second sync could succeed without their bytes
   * being on the disk.
   */
  async sync(): Promise<void> {
    if (this.checkpoint === undefined || this.#isSynced) return
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
   * Renames the file to `name.1` and begins an empty one. Call after `sync`: later appends may be
   * undone.
   */
  async rotate(): Promise<void> {
    const { files, path, keepFiles } = this.#options
    if (this.#mustCut) await this.#cut()
    await this.sync() // The renamed file is final: nothing in it can be undone later.
    // If the renaming fails half-way, the next `check` finds out where the name leads.
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
    const { checkpoint } = this
    if (keeper === undefined || checkpoint === undefined) return
    await files.syncFolder(dirname(path))
    await keeper.noteOpened(checkpoint)
    this.#isNoted = true
  }

  async #takeBack(): Promise<void> {
    // The name may lead elsewhere, for example after a new mount: check it before the next append.
    this.#checkedAtMs = Number.NEGATIVE_INFINITY
    this.#mustCut = this.#file.isRegular
    if (this.#mustCut) await this.#cut().catch(() => {}) // `check` tries again, and rejects.
  }

  async #cut(): Promise<void> {
    const { handle } = this.#file
    const { bytes } = await handle.stat()
    // Others may have cut the file meanwhile (logrotate copytruncate): `truncate` would lengthen it
    // with NULs. The next `check` reads the new content.
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
    await this.sync() // The file that is left is final: nothing in it can be undone later.
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
  // Sync the folder before a file is created: if only the new name reached the disk, it would hide
  // the file that was renamed before.
  if (keeper !== undefined) {
    for (const each of [...changed, folder]) await files.syncFolder(each)
  }
  const handle = await files.open(path)
  try {
    const { identity, bytes, isRegular, isDevice } = await handle.stat()
    // Writes to a pipe without a reader would block the whole output.
    if (!isRegular && !isDevice) throw new Error('it is neither file nor device')
    const length = isRegular ? await cutTornTail(handle, bytes, options) : 0
    const head = isRegular ? await readHead(handle, length) : ''
    return { file: { handle, identity, isRegular, head }, length }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** @returns the length up to the end of the last whole line */
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
    `its last ${renderBytes(bytes)} are cut off, and written again if they are in the backlog`
  logger.warn({ output, path, bytes }, text)
  return end
}
