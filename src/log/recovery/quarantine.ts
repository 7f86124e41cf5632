/**
 * Keeps damaged data: parts of segments, and whole files that are not segments any more.
 *
 * The log deletes nothing because it cannot be read; a person may want to look at it. A damaged
 * part is copied once, however many readers find it.
 *
 * Limits: no limit of its own; the folder counts towards the relay's disk (`log-max-mb`).
 */

import { join } from 'node:path'
import { errorCode, errorText } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { renderBytes, renderCount } from '../../std/units.ts'
import { type FileSystem, type LogFile, readWhole, writeWhole } from '../file-system.ts'
import { damageName, quarantineFolder } from '../segments/segment-names.ts'

const COPY_BYTES = 256 * 1024
/** Names in one log line. */
const SHOWN_MAX = 5

export interface QuarantineOptions {
  readonly files: FileSystem
  /** The folder of the log. */
  readonly folder: string
  readonly logger: Logger
}

/** A range of bytes in a file. */
export interface Range {
  readonly at: number
  readonly bytes: number
}

export class Quarantine {
  readonly #files: FileSystem
  readonly #folder: string
  readonly #quarantine: string
  readonly #logger: Logger
  /** Damage that this process has handled; every output that catches up finds it again. */
  readonly #known = new Set<string>()
  /** Names of all files that are there. */
  readonly #names = new Set<string>()
  #damagedBytes = 0

  constructor(options: QuarantineOptions) {
    this.#files = options.files
    this.#folder = options.folder
    this.#quarantine = quarantineFolder(options.folder)
    this.#logger = options.logger
  }

  /** Notes what earlier processes have left here. Never rejects. */
  async noteFormer(): Promise<void> {
    for (const name of await this.#list()) this.#names.add(name)
  }

  /** The log's folder was lost and is there again: logs what is here no more. Never rejects. */
  async tellGone(): Promise<void> {
    const there = new Set(await this.#list())
    const gone = [...this.#names].filter((name) => !there.has(name))
    if (gone.length === 0) return
    for (const name of gone) this.#names.delete(name)
    const rest = gone.length > SHOWN_MAX ? ' …' : ''
    const shown = `${gone.slice(0, SHOWN_MAX).join(' ')}${rest}`
    const text = `log: quarantine/ is there without ${renderCount(gone.length, 'file')}: ${shown}`
    this.#logger.error({ folder: this.#folder, files: gone.length }, text)
  }

  /** Bytes of damaged parts of segments, each part counted once. */
  get damagedBytes(): number {
    return this.#damagedBytes
  }

  /**
   * Counts a damaged part of a segment and keeps a copy of it.
   *
   * @returns false when the part could not be copied. Never rejects.
   */
  async keepPart(segment: string, file: LogFile, range: Range): Promise<boolean> {
    const name = damageName(segment, range.at)
    if (this.#known.has(name)) return true
    this.#known.add(name)
    this.#damagedBytes += range.bytes
    const fields = { segment, at: range.at, bytes: range.bytes }
    const what = `skipped ${renderBytes(range.bytes)} of damage at byte ${range.at} of ${segment}`
    try {
      await this.#files.makeSubfolder(this.#quarantine)
      await copyRange(this.#files, { file, range, to: join(this.#quarantine, name) })
      await this.#files.syncFolder(this.#quarantine)
      this.#names.add(name)
      this.#logger.error(fields, `log: ${what}; kept as quarantine/${name}`)
      return true
    } catch (error) {
      const why = errorText(error)
      this.#logger.error(fields, `log: ${what}; no copy could be made (${why}): the segment stays`)
      return false
    }
  }

  /**
   * Moves a file from the log's folder to the quarantine; the caller syncs the log's folder.
   *
   * @returns false when the move failed and the file is still in the log's folder. Never rejects.
   */
  async moveFile(name: string, why: string): Promise<boolean> {
    try {
      await this.#files.makeSubfolder(this.#quarantine)
      const free = await this.#freeName(name)
      await this.#files.rename(join(this.#folder, name), join(this.#quarantine, free))
      await this.#files.syncFolder(this.#quarantine)
      this.#names.add(free)
      this.#logger.error({ file: name }, `log: moved ${name} to quarantine/: ${why}`)
      return true
    } catch (error) {
      const text = `log: cannot move ${name} (${why}) to quarantine/: ${errorText(error)}`
      this.#logger.error({ file: name }, text)
      return false
    }
  }

  /** A second file of one name must not replace the first. */
  async #freeName(name: string): Promise<string> {
    const entries = await this.#files.list(this.#quarantine)
    const taken = new Set(entries.map((entry) => entry.name))
    let free = name
    for (let count = 2; taken.has(free); count++) free = `${name}.${count}`
    return free
  }

  /** The names of all files; none when they cannot be listed. */
  async #list(): Promise<readonly string[]> {
    const entries = await this.#files.list(this.#quarantine).catch(() => [])
    return entries.map(({ name }) => name)
  }
}

/** Copies a part of a file into a new file and syncs the new file; the caller syncs the folder. */
export async function copyRange(
  files: FileSystem,
  copy: { readonly file: LogFile; readonly range: Range; readonly to: string },
): Promise<void> {
  const { file, range, to } = copy
  const target = await files.open(to, 'replace')
  try {
    const window = Buffer.allocUnsafe(Math.min(COPY_BYTES, range.bytes))
    for (let done = 0; done < range.bytes; ) {
      const wanted = window.subarray(0, range.bytes - done)
      const piece = await readPiece(file, wanted, range.at + done)
      if (piece.length === 0) break
      await writeWhole(target, piece, done)
      done += piece.length
    }
    await target.sync()
  } finally {
    await target.close()
  }
}

/** The copy contains zeros for bytes that the disk cannot read (EIO). */
async function readPiece(file: LogFile, into: Buffer, at: number): Promise<Buffer> {
  try {
    return await readWhole(file, into, at)
  } catch (error) {
    if (errorCode(error) !== 'EIO') throw error
    return into.fill(0)
  }
}
