/**
 * The SIMD lane: takes runs of ordinary lines several times faster than ordinary-line.ts, in
 * WebAssembly (simd-module.ts).
 *
 * The body is copied into the module's memory a window at a time, each cut behind a newline:
 *
 *     body     ███████████████▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒░░░░░░░░░░░░░░░░
 *              taken          what is in the window    not seen yet
 *
 * Lines that lack a timestamp come back with one, and replace the run in which they stood. That a
 * line is not taken means nothing: ordinary-line.ts decides on it, then point.ts. Where such lines
 * are the rule the lane pauses, longer each time.
 *
 * Invariant: what it takes ordinary-line.ts would take, with the same ends; property tests hold the
 * two against each other.
 *
 * Limits: one window for the whole process: a scan that is left off has to `resume`. Lines
 * longer than a window are not taken.
 */

import { NEWLINE } from '../bytes.ts'
import type { Edits } from '../scan/edits.ts'
import type { PlainTimestamps } from '../scan/timestamp.ts'
import type { SimdModule } from './simd-module.ts'

/** First pause where a line was not taken and none before it: about one more. Then they double. */
const PAUSE_MIN_BYTES = 128
/** Asking in vain costs less than a fiftieth of what the other lanes do in this pause. */
const PAUSE_MAX_BYTES = 65_536
/** What is opened as long as nothing has been taken; four times as much once all of it was. */
const WINDOW_MIN_BYTES = 1_024

export interface SimdLinesOptions {
  readonly module: SimdModule
  /** Where stamped lines go. */
  readonly edits: Edits
  readonly timestamps: PlainTimestamps
  /** A space and the timestamp for lines that have none; asked for when one is met. */
  readonly stamp: () => string
}

/** Takes ordinary lines of one body. */
export class SimdLines {
  readonly #bytes: Buffer
  readonly #options: SimdLinesOptions
  #lineCount = 0
  #windowFrom = 0
  #windowEnd = 0
  /** 0: not asked for yet. */
  #stampBytes = 0
  #nextWindowBytes = WINDOW_MIN_BYTES
  #pauseBytes = 0
  #resumeAt = 0

  /** @param bytes ends in a newline */
  constructor(bytes: Buffer, options: SimdLinesOptions) {
    this.#bytes = bytes
    this.#options = options
  }

  /** Lines taken so far. */
  get lineCount(): number {
    return this.#lineCount
  }

  /** Before this the lane had better not be asked again. */
  get resumeAt(): number {
    return this.#resumeAt
  }

  /** As `take`, after others may have used the module. */
  resume(from: number, until: number): number {
    this.#windowEnd = 0
    this.#stampBytes = 0
    return this.take(from, until)
  }

  /**
   * Takes lines from `from` on, where one begins.
   *
   * @param until no window is opened from there on
   * @returns where the first line begins that was not taken
   */
  take(from: number, until: number): number {
    let at = from
    while (at < this.#windowEnd || (at < until && this.#openWindow(at))) {
      const next = this.#walk(at)
      if (next === at && !this.#bringStamp()) break
      at = next
    }
    if (at === from && from < until) this.#pauseBehind(from)
    else this.#pauseBytes = 0
    return at
  }

  /** @returns false at the end of the body, and where a line is longer than the window */
  #openWindow(at: number): boolean {
    const bytes = this.#bytes
    const { text, functions } = this.#options.module
    const end = this.#lineEndNear(at, at + this.#nextWindowBytes)
    if (end === at || end - at > text.length) return false
    this.#nextWindowBytes = Math.min(this.#nextWindowBytes * 4, text.length)
    bytes.copy(text, 0, at, end)
    functions.classify(end - at)
    this.#windowFrom = at
    this.#windowEnd = end
    return true
  }

  /** The last newline before `reach`, or the first after it where one line goes on until there. */
  #lineEndNear(from: number, reach: number): number {
    const bytes = this.#bytes
    if (reach >= bytes.length) return bytes.length
    const end = bytes.lastIndexOf(NEWLINE, reach - 1) + 1
    return end > from ? end : bytes.indexOf(NEWLINE, reach) + 1
  }

  #walk(at: number): number {
    const { module, timestamps, edits } = this.#options
    const { functions, output } = module
    const windowFrom = this.#windowFrom
    const next =
      windowFrom +
      functions.walk(
        at - windowFrom,
        this.#windowEnd - windowFrom,
        timestamps.digitsMax,
        timestamps.firstMax,
        this.#stampBytes,
      )
    this.#lineCount += functions.walkedLines()
    const writtenBytes = functions.writtenBytes()
    if (writtenBytes > 0) edits.replace(at, next, output.subarray(0, writtenBytes))
    return next
  }

  /** @returns whether the line at which the last walk ended can now be taken */
  #bringStamp(): boolean {
    const { module, stamp } = this.#options
    if (module.functions.lacksStamp() === 0) return false
    const text = stamp()
    if (text.length > module.stamp.length) return false
    this.#stampBytes = module.stamp.write(text, 'latin1')
    return true
  }

  #pauseBehind(at: number): void {
    this.#pauseBytes = Math.min(this.#pauseBytes * 2 + PAUSE_MIN_BYTES, PAUSE_MAX_BYTES)
    this.#resumeAt = at + this.#pauseBytes
    this.#nextWindowBytes = WINDOW_MIN_BYTES
  }
}
