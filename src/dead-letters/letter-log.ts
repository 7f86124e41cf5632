/**
 * The segment log that stores the dead letters of one output. Opened with the first letter,
 * recreated after a purge.
 *
 * Its folder is below the relay's log folder; this file never creates the latter, which may be an
 * unmounted volume.
 *
 * Not here: the letters, and who may remove them (store.ts).
 */

import { dirname, join } from 'node:path'
import type { FileSystem } from '../log/file-system.ts'
import { type Loss, lostError, NOT_OURS } from '../log/recovery/lost-error.ts'
import { openSegmentLog, type SegmentLog } from '../log/segments/segment-log.ts'
import { isSegmentName } from '../log/segments/segment-names.ts'
import { errorCode } from '../std/errors.ts'
import { type Logger, withPrefix } from '../std/logger.ts'
import type { LetterMessages } from './letter-messages.ts'

const FILE_BYTES = 16 * 1024 * 1024
/** Several files, so that dropping the oldest loses only a small part. */
const FILES_IN_BOUND = 8
const FILE_BYTES_MIN = 64 * 1024

export interface LetterLogOptions {
  readonly files: FileSystem
  readonly output: string
  readonly limitBytes: number
  readonly logger: Logger
  readonly randomBytes: (count: number) => Buffer
  /** Whether this process still owns the log's folder. */
  readonly isOwner: () => Promise<boolean>
  /** Tests set a small size to reach rotation. */
  readonly fileBytes?: number
}

interface LetterLogParts {
  readonly folder: string
  readonly loss: Loss
  readonly messages: LetterMessages
  /** Letters with lower numbers were removed; new letters get higher numbers. */
  readonly removedBelow: () => number
}

export class LetterLog {
  readonly #options: LetterLogOptions
  readonly #parts: LetterLogParts
  /** `undefined` before the first letter and while the log is recreated. */
  #current: SegmentLog | undefined
  #opening: Promise<SegmentLog> | undefined

  constructor(options: LetterLogOptions, parts: LetterLogParts) {
    this.#options = options
    this.#parts = parts
  }

  /** The open log, if any. */
  get current(): SegmentLog | undefined {
    return this.#current
  }

  get isOpening(): boolean {
    return this.#opening !== undefined
  }

  /** The log that is open or being opened. Rejects when it cannot be opened. */
  async existing(): Promise<SegmentLog | undefined> {
    return this.#current ?? (await this.#opening)
  }

  /** Opens the log unless it is open. Rejects with RELAY_LOG_LOST, or the system's error. */
  async open(): Promise<SegmentLog> {
    let log = this.#current
    // Check again: a purge may have closed the log before this promise resolved.
    while (log === undefined || log !== this.#current) log = await this.#open()
    return log
  }

  /** Deletes all files and begins a new one; the numbers continue. Never rejects. */
  async recreate(log: SegmentLog): Promise<void> {
    const { files } = this.#options
    const { folder, messages } = this.#parts
    const recreating = async () => {
      try {
        await log[Symbol.asyncDispose]()
        for (const name of await this.fileNames()) await files.unlink(join(folder, name))
        await files.syncFolder(folder)
      } catch (error) {
        messages.warn('cannot delete a file')(error)
      }
      this.#opening = undefined
      return await this.#open()
    }
    // Until the new log is open, letters wait for it.
    this.#current = undefined
    this.#opening = recreating()
    await this.#opening.catch(messages.warn('cannot begin a new file'))
  }

  /** Names of the files with letters, oldest first. */
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
