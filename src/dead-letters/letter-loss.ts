/**
 * Detects and repairs the loss of dead-letter files while they are open, as log-loss.ts does for
 * the log.
 *
 *     complete ── a check or an append fails ──▶ lost: letters wait ── mended ──▶ complete
 *
 * Checked whenever the log's folder was found ours and complete. Readable records of a lost file
 * are rewritten under their numbers.
 *
 * Not here: counting and logging (store.ts).
 */

import type { FileSystem } from '../log/file-system.ts'
import type { Loss } from '../log/recovery/lost-error.ts'
import { findLost, mendSegment } from '../log/recovery/mend-segments.ts'
import type { SegmentLog } from '../log/segments/segment-log.ts'
import type { Clock } from '../std/clock.ts'

/** Least time between two checks. Each check is one system call per file. */
const LOOK_EVERY_MS = 900
/**
 * Bound on letters that wait for the repair; further letters fail, and their writes stay owed in
 * the log.
 */
const WAITING_MAX_BYTES = 4 * 1024 * 1024

export interface LetterLossOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly clock: Clock
  readonly randomBytes: (count: number) => Buffer
}

export class LetterLoss implements Loss {
  readonly #options: LetterLossOptions
  #isLost = false
  #checkedAtMs = Number.NEGATIVE_INFINITY
  #waitingBytes = 0
  #complete = Promise.withResolvers<void>()
  #isClosed = false

  constructor(options: LetterLossOptions) {
    this.#options = options
  }

  get isLost(): boolean {
    return this.#isLost
  }

  note(): void {
    this.#isLost = true
  }

  /**
   * Waits with a letter of `bytes` bytes until letters can be written again.
   *
   * @returns false when too many letters wait already, or the store was closed
   */
  async waits(bytes: number): Promise<boolean> {
    if (this.#isClosed || this.#waitingBytes + bytes > WAITING_MAX_BYTES) return false
    this.#waitingBytes += bytes
    await this.#complete.promise
    this.#waitingBytes -= bytes
    return !this.#isClosed
  }

  /** The files are complete: waiting appends try again. */
  noteComplete(): void {
    this.#isLost = false
    this.#complete.resolve()
    this.#complete = Promise.withResolvers()
  }

  /** Ends all waits. */
  close(): void {
    this.#isClosed = true
    this.#complete.resolve()
  }

  /**
   * Whether a file is missing or was cut short. Rejects with the system's error.
   *
   * @param isForced checks again even if the last check was a moment ago
   */
  async look(log: SegmentLog, isForced: boolean): Promise<boolean> {
    const nowMs = this.#options.clock.monotonicMs()
    if (this.#isLost) return true
    if (!isForced && nowMs - this.#checkedAtMs < LOOK_EVERY_MS) return false
    this.#checkedAtMs = nowMs
    const lost = await findLost(this.#mendOptions(log))
    return lost.length > 0
  }

  /**
   * Rewrites the lost files. Call while nothing else changes the log. Rejects with the system's
   * error, and may be called again.
   *
   * @param removedBelow letters with lower numbers were removed, and are not rewritten
   * @returns whether a file was lost
   */
  async mend(log: SegmentLog, removedBelow: number): Promise<boolean> {
    const options = this.#mendOptions(log)
    if (!this.#isLost && (await findLost(options)).length === 0) return false
    this.#isLost = true
    await log.halted()
    // A letter that is not synced was not reported as kept; its append is waiting and will be
    // retried.
    const isKept = (number: number) => number >= removedBelow && number < log.syncedBelow
    for (const segment of await findLost(options)) {
      await mendSegment(options, segment, [], isKept)
    }
    this.#isLost = false // Before `mended`: otherwise its writes would be refused.
    await log.mended()
    return true
  }

  #mendOptions({ list: segments, quarantine, open }: SegmentLog) {
    return { ...this.#options, segments, quarantine, open }
  }
}
