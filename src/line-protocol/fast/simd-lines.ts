/**
 * The SIMD tier of the scanner: reads runs of ordinary lines in WebAssembly (simd-module.ts),
 * several times faster than ordinary-line.ts.
 *
 * The body is copied into the module's memory in windows, each of which ends after a newline:
 *
 *     body     ███████████████▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒░░░░░░░░░░░░░░░░
 *              taken          what is in the window    not seen yet
 *
 * The module adds missing timestamps, and its output replaces the run of lines. A line that is not
 * taken is undecided: ordinary-line.ts reads it, then point.ts. Where such lines are frequent, this
 * tier pauses, longer each time.
 *
 * Invariant: ordinary-line.ts would also take every line that this tier takes, with the same end;
 * property tests compare the two.
 *
 * Limits: the whole process has one window, so a scan that has paused must call `resume`. Lines
 * longer than a window are not taken.
 */

import { NEWLINE } from '../bytes.ts'
import type { Edits } from '../scan/edits.ts'
import type { PlainTimestamps } from '../scan/timestamp.ts'
import type { SimdModule } from './simd-module.ts'

/** The first pause after a line that was not taken: about one more line. Later pauses double. */
const PAUSE_MIN_BYTES = 128
/** A vain attempt costs less than a fiftieth of the other tiers' work during this pause. */
const PAUSE_MAX_BYTES = 65_536
/** Size of the first window, and of the first after a pause. Each further window is 4 times it. */
const WINDOW_MIN_BYTES = 1_024

export interface SimdLinesOptions {
  readonly module: SimdModule
  /** Receives lines to which a timestamp was added. */
  readonly edits: Edits
  readonly timestamps: PlainTimestamps
  /** Returns a space and the timestamp for lines without one; called at the first such line. */
  readonly stamp: () => string
}

/** Takes ordinary lines of one body. */
export class SimdLines {
  readonly #bytes: Buffer
  readonly #options: SimdLinesOptions
  #lineCount = 0
  #windowFrom = 0
  #windowEnd = 0
  /** 0: `stamp` was not called yet. */
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

  /** Before this offset `take` is probably in vain. */
  get resumeAt(): number {
    return this.#resumeAt
  }

  /** As `take`, but other scans may have used the module since the last call. */
  resume(from: number, until: number): number {
    this.#windowEnd = 0
    this.#stampBytes = 0
    return this.take(from, until)
  }

  /**
   * Takes lines from `from` on, which must be the start of a line.
   *
   * @param until no window is opened at or after this offset
   * @returns the start of the first line that was not taken
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

  /** @returns false at the end of the body, or when the line is longer than the window */
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

  /** The last line end before `reach`, or the first after it if the line is longer than that. */
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

  /** @returns whether the line at which the last walk ended can be taken now */
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
