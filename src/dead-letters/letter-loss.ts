/**
 * Dead letters whose files somebody has taken away while they are open: seen, and mended as far as
 * that goes, as the log is (log/recovery/log-loss.ts), and after it.
 *
 *     whole ── a look or an append fails ──▶ lost: letters wait ── mended ──▶ whole: they go on
 *
 * Looked at with every look at the log that finds it whole: the folder is ours then, and may be
 * written to. What can be read of a lost file is written again, with its numbers.
 *
 * Not here: what is counted and told of (store.ts).
 */

import type { FileSystem } from '../log/file-system.ts'
import type { Loss } from '../log/recovery/lost-error.ts'
import { findLost, mendSegment } from '../log/recovery/mend-segments.ts'
import type { SegmentLog } from '../log/segments/segment-log.ts'
import type { Clock } from '../std/clock.ts'

/** One call of the system for each file. */
const LOOK_EVERY_MS = 900
/** Of letters that wait until they can be written; what comes then stays owed in the log. */
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
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #waitingBytes = 0
  #whole = Promise.withResolvers<void>()
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
   * Waits until letters can be written again, with one of so many bytes.
   *
   * @returns whether they can; false as well when too many wait already
   */
  async waits(bytes: number): Promise<boolean> {
    if (this.#isClosed || this.#waitingBytes + bytes > WAITING_MAX_BYTES) return false
    this.#waitingBytes += bytes
    await this.#whole.promise
    this.#waitingBytes -= bytes
    return !this.#isClosed
  }

  /** All that waits may try. */
  noteWhole(): void {
    this.#isLost = false
    this.#whole.resolve()
    this.#whole = Promise.withResolvers()
  }

  /** Nothing waits any longer. */
  close(): void {
    this.#isClosed = true
    this.#whole.resolve()
  }

  /**
   * Whether a file is not where it was. Rejects with the system's error.
   *
   * @param isForced looks also when it has looked a moment ago
   */
  async look(log: SegmentLog, isForced: boolean): Promise<boolean> {
    const nowMs = this.#options.clock.monotonicMs()
    if (this.#isLost) return true
    if (!isForced && nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return false
    this.#lookedAtMs = nowMs
    const lost = await findLost(this.#mendOptions(log))
    return lost.length > 0
  }

  /**
   * Writes the lost files again. To be called while nothing else changes the log; rejects with the
   * system's error, and may be called again.
   *
   * @param removedBelow letters with numbers below it are not wanted any more
   * @returns whether there was anything to be mended
   */
  async mend(log: SegmentLog, removedBelow: number): Promise<boolean> {
    const options = this.#mendOptions(log)
    if (!this.#isLost && (await findLost(options)).length === 0) return false
    this.#isLost = true
    await log.halted()
    // What is not synced has not been said to be kept: it waits, and comes again.
    const isKept = (number: number) => number >= removedBelow && number < log.syncedBelow
    for (const segment of await findLost(options)) {
      await mendSegment(options, segment, [], isKept)
    }
    this.#isLost = false // Before `mended`: what that writes would be refused else.
    await log.mended()
    return true
  }

  #mendOptions({ list: segments, quarantine, open }: SegmentLog) {
    return { ...this.#options, segments, quarantine, open }
  }
}
