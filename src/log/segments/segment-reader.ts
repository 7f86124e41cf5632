/**
 * Reads the log from a sequence number on, for an output whose lag exceeds what memory holds.
 *
 * Goes from segment to segment and returns each synced record once, in the order of the sequence
 * numbers. At the end of the log it returns an empty list; a later call continues from there.
 *
 * Memory: one window (scan-segment.ts) for each reader, while its records are in use.
 *
 * Not here: which of the records an output is still owed (cursor-file.ts).
 */

import { join } from 'node:path'
import { errorCode } from '../../std/errors.ts'
import type { FileSystem, LogFile } from '../file-system.ts'
import { type Loss, lostError } from '../recovery/lost-error.ts'
import type { Quarantine, Range } from '../recovery/quarantine.ts'
import type { LogRecord } from './record.ts'
import { type ScanStep, SegmentScan } from './scan-segment.ts'
import type { SegmentInfo, SegmentList } from './segment-list.ts'

export interface LogReaderOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly segments: SegmentList
  readonly quarantine: Quarantine
  /** Records with a lower sequence number are skipped. */
  readonly fromSequence: number
  /** What is lost may come again, and is not passed over; without it, it is. */
  readonly loss?: Loss | undefined
}

interface OpenSegment {
  readonly segment: SegmentInfo
  readonly file: LogFile
  readonly scan: SegmentScan
}

export class LogReader implements AsyncDisposable {
  readonly #options: LogReaderOptions
  /** All records with a lower number were returned, or are missing. */
  #nextSequence: number
  #current: OpenSegment | undefined
  /** The last segment that was finished; the next one to open follows it. */
  #left: SegmentInfo | undefined

  constructor(options: LogReaderOptions) {
    this.#options = options
    this.#nextSequence = options.fromSequence
  }

  /**
   * The next records: all of one window, at least one.
   *
   * One call at a time. Rejects with the system's error when a file cannot be opened or read; the
   * caller may try again.
   *
   * @returns an empty list at the end of the log
   */
  async read(): Promise<readonly LogRecord[]> {
    for (;;) {
      this.#assertNotLost()
      const current = (await this.#stillListed()) ?? (await this.#openNext())
      if (current === undefined) return []
      // Before the read: records that are appended during the read are for the next call.
      const isGrowing = current.segment.isGrowing()
      const steps = await current.scan.read(current.segment.end())
      const records = await this.#accept(current, steps)
      if (records.length > 0) return records
      if (steps.length > 0) continue
      if (isGrowing || !(await this.#leave(current))) return []
    }
  }

  /** Closes the open file. */
  async [Symbol.asyncDispose](): Promise<void> {
    const current = this.#current
    this.#current = undefined
    await current?.file.close()
  }

  #assertNotLost(): void {
    if (this.#options.loss?.isLost) throw lostError('a part of the log is not there any more')
  }

  /** Closes a segment that was rewritten after a loss, so that the new file is opened. */
  async #stillListed(): Promise<OpenSegment | undefined> {
    const current = this.#current
    if (current?.segment.isReplaced !== true) return current
    this.#current = undefined
    this.#left = undefined
    await current.file.close()
    return undefined
  }

  async #openNext(): Promise<OpenSegment | undefined> {
    const { files, folder, segments } = this.#options
    for (;;) {
      const segment =
        this.#left === undefined
          ? segments.covering(this.#nextSequence)
          : segments.after(this.#left)
      if (segment === undefined) return undefined
      try {
        const file = await files.open(join(folder, segment.name), 'read')
        const { seal, recordsAt } = segment.found
        const scan = new SegmentScan({ file, seal, recordsAt })
        this.#current = { segment, file, scan }
        return this.#current
      } catch (error) {
        if (errorCode(error) !== 'ENOENT') throw error
        // A segment that is still listed was not trimmed: somebody removed it.
        if (segments.has(segment)) this.#noteLoss(`${segment.name} is not there`)
        this.#left = segment
      }
    }
  }

  async #accept(current: OpenSegment, steps: readonly ScanStep[]): Promise<LogRecord[]> {
    const records: LogRecord[] = []
    // A former owner of the folder that was suspended can still have written records with numbers
    // that the next segment uses. Ignore those records.
    const next = this.#options.segments.after(current.segment)
    const below = next?.header.firstSequence ?? Number.POSITIVE_INFINITY
    for (const step of steps) {
      if (step.kind === 'damage') {
        await this.#keep(current, step)
      } else if (step.record.sequence >= this.#nextSequence && step.record.sequence < below) {
        records.push(step.record)
        this.#nextSequence = step.record.sequence + 1
      }
    }
    return records
  }

  /** @returns false when this is the last segment, which then stays open */
  async #leave(current: OpenSegment): Promise<boolean> {
    const { segment, file, scan } = current
    if (this.#options.segments.after(segment) === undefined) return false
    const { intactEnd, tailEnd } = scan
    const isCut = intactEnd < segment.end() && (await file.size()) < segment.end()
    if (isCut) this.#noteLoss(`${segment.name} was cut short`)
    if (tailEnd > intactEnd) {
      await this.#keep(current, { at: intactEnd, bytes: tailEnd - intactEnd })
    }
    this.#left = segment
    this.#current = undefined
    await file.close()
    return true
  }

  /** When the loss can be repaired (`loss`), rejects so that no record is skipped before that. */
  #noteLoss(why: string): void {
    const { loss } = this.#options
    if (loss === undefined) return
    loss.note(why)
    throw lostError(why)
  }

  async #keep({ segment, file }: OpenSegment, range: Range): Promise<void> {
    const isCopied = await this.#options.quarantine.keepPart(segment.name, file, range)
    if (!isCopied) segment.isKept = true
  }
}
