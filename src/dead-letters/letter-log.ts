/**
 * The log that dead letters stand in: opened with the first letter, begun anew after a purge.
 *
 * It is a log like the relay's (log/segments/segment-log.ts), in a folder of its own below the
 * relay's; that one is never made here: it may be a volume that is not mounted.
 *
 * Not here: what stands in it, and who may remove it (store.ts).
 */

import { dirname, join } from 'node:path'
import type { FileSystem } from '../log/file-system.ts'
import { type Loss, lostError, NOT_OURS } from '../log/recovery/lost-error.ts'
import { openSegmentLog, type SegmentLog } from '../log/segments/segment-log.ts'
import { isSegmentName } from '../log/segments/segment-names.ts'
import { errorCode } from '../std/errors.ts'
import { type Logger, withPrefix } from '../std/logger.ts'
import type { LetterNotes } from './letter-notes.ts'

const FILE_BYTES = 16 * 1024 * 1024
/** So that dropping the oldest file does not drop most of what is there. */
const FILES_IN_BOUND = 8
const FILE_BYTES_MIN = 64 * 1024

export interface LetterLogOptions {
  readonly files: FileSystem
  readonly output: string
  readonly limitBytes: number
  readonly logger: Logger
  readonly randomBytes: (count: number) => Buffer
  /** Whether the log's folder is still ours. */
  readonly isOwner: () => Promise<boolean>
  /** Small in tests, so that they reach rotation. */
  readonly fileBytes?: number
}

interface Parts {
  readonly folder: string
  readonly loss: Loss
  readonly notes: LetterNotes
  /** Numbers below it are taken. */
  readonly removedBelow: () => number
}

export class LetterLog {
  readonly #options: LetterLogOptions
  readonly #parts: Parts
  /** None before the first letter, and while it is made anew. */
  #current: SegmentLog | undefined
  #opening: Promise<SegmentLog> | undefined

  constructor(options: LetterLogOptions, parts: Parts) {
    this.#options = options
    this.#parts = parts
  }

  /** The one that is open. */
  get current(): SegmentLog | undefined {
    return this.#current
  }

  get isOpening(): boolean {
    return this.#opening !== undefined
  }

  /** The one that is open, or about to be. Rejects when it cannot be opened. */
  async existing(): Promise<SegmentLog | undefined> {
    return this.#current ?? (await this.#opening)
  }

  /** Opens it if it is not. Rejects with RELAY_LOG_LOST, or the system's error. */
  async open(): Promise<SegmentLog> {
    let log = this.#current
    // Looked at again: it may be closed by the time that we are told of its opening.
    while (log === undefined || log !== this.#current) log = await this.#open()
    return log
  }

  /** Deletes all files, and begins one whose numbers go on. Never rejects. */
  async beginAnew(log: SegmentLog): Promise<void> {
    const { files } = this.#options
    const { folder, notes } = this.#parts
    const anew = async () => {
      try {
        await log[Symbol.asyncDispose]()
        for (const name of await this.fileNames()) await files.unlink(join(folder, name))
        await files.syncFolder(folder)
      } catch (error) {
        notes.warn('cannot delete a file')(error)
      }
      this.#opening = undefined
      return await this.#open()
    }
    // From here to the end of it, letters wait for the new log.
    this.#current = undefined
    this.#opening = anew()
    await this.#opening.catch(notes.warn('cannot begin a new file'))
  }

  /** Of the files with letters, oldest first. */
  async fileNames(): Promise<readonly string[]> {
    try {
      const entries = await this.#options.files.list(this.#parts.folder)
      return entries.map(({ name }) => name).filter(isSegmentName)
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return []
      throw error
    }
  }

  async makeFolder(): Promise<void> {
    const { files } = this.#options
    const { folder } = this.#parts
    await files.makeSubfolder(dirname(folder))
    await files.makeSubfolder(folder)
  }

  #open(): Promise<SegmentLog> {
    const { files, output, logger, randomBytes, isOwner, limitBytes, fileBytes } = this.#options
    const { folder, loss, removedBelow } = this.#parts
    const sharedBytes = Math.max(FILE_BYTES_MIN, Math.floor(limitBytes / FILES_IN_BOUND))
    const segmentBytes = fileBytes ?? Math.min(FILE_BYTES, sharedBytes)
    const open = async () => {
      try {
        if (!(await isOwner())) throw lostError(NOT_OURS)
        await this.makeFolder()
        this.#current = await openSegmentLog({
          ...{ files, randomBytes, isOwner, folder, loss, roster: [output], segmentBytes },
          logger: withPrefix(logger, `output "${output}": dead letters: `),
          sequenceAtLeast: Math.max(1, removedBelow()),
        })
        return this.#current
      } finally {
        this.#opening = undefined
      }
    }
    if (this.#current !== undefined) return Promise.resolve(this.#current)
    this.#opening ??= open()
    return this.#opening
  }
}
