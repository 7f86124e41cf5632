/**
 * Reading a segment: every intact record in it, and where the rest is.
 *
 *     | header | r1 | r2 | damage | r4 | r5 | tail: torn record, zeros |
 *                         ▲         ▲         ▲
 *                         │         │         intactEnd
 *                         │         next mark and checksum that fit (record.ts)
 *                         nothing intact begins here
 *
 * What does not decode and has an intact record behind it is damage. What has none is the tail:
 * zeros are room that was never used; anything else was torn by a crash, or damaged.
 *
 * Promise: never throws for what a file holds. Memory: one window of WINDOW_BYTES, or of one record
 * where that is longer. Records are parts of their window and keep it alive.
 *
 * Not here: what becomes of damage and tails (recover-segments.ts, segment-reader.ts).
 */

import { errorCode } from '../../std/errors.ts'
import { type LogFile, readWhole } from '../file-system.ts'
import {
  decodeRecord,
  type LogRecord,
  RECORD_MAX_BYTES,
  type RecordSeal,
  recordBytes,
} from './record.ts'

export const WINDOW_BYTES = 256 * 1024
/** Read on their own after the disk has failed to read a window. */
const BLOCK_BYTES = 4096

export type ScanStep =
  | { readonly kind: 'record'; readonly record: LogRecord }
  /** Bytes between intact records that are none. */
  | { readonly kind: 'damage'; readonly at: number; readonly bytes: number }

export interface SegmentScanOptions {
  readonly file: LogFile
  readonly seal: RecordSeal
  readonly recordsAt: number
}

export class SegmentScan {
  readonly #file: LogFile
  readonly #seal: RecordSeal
  /** End of the last intact record. */
  #intactEnd: number
  /** No intact record begins before this. Invariant: intactEnd <= searchAt. */
  #searchAt: number
  /** End of the last byte behind `intactEnd` that is not zero, as far as was searched. */
  #usedEnd: number
  /** As long as the record before: records of one size are read once, and not in two windows. */
  #windowBytes = WINDOW_BYTES

  constructor(options: SegmentScanOptions) {
    this.#file = options.file
    this.#seal = options.seal
    this.#intactEnd = options.recordsAt
    this.#searchAt = options.recordsAt
    this.#usedEnd = options.recordsAt
  }

  get intactEnd(): number {
    return this.#intactEnd
  }

  /** Once `read` has come to the end: what is behind it up to here is not zero, and no record. */
  get tailEnd(): number {
    return Math.max(this.#usedEnd, this.#intactEnd)
  }

  /**
   * The next records, in order.
   *
   * @param end bytes of the file that may be read; may be more at the next call
   * @returns nothing when there are no more before `end`
   */
  async read(end: number): Promise<readonly ScanStep[]> {
    const steps: ScanStep[] = []
    while (steps.length === 0 && this.#searchAt < end) {
      const at = this.#searchAt
      const asked = Math.min(this.#windowBytes, end - at)
      const window = await readWindow(this.#file, at, asked)
      if (window.length === 0) break
      // Fewer bytes than asked for: the file ends before `end`.
      const isLast = window.length < asked || at + window.length >= end
      this.#search(window, isLast, steps)
    }
    return steps
  }

  /** Takes what is in the window, and says how long the next one has to be. */
  #search(window: Buffer, isLast: boolean, steps: ScanStep[]): void {
    const base = this.#searchAt
    const { prefix } = this.#seal
    let at = 0
    let lastBytes = 0
    while (at < window.length) {
      const found = window.indexOf(prefix, at)
      if (found < 0) {
        // Half a mark may stand at the end of the window.
        const searched = isLast ? window.length : Math.max(at, window.length - prefix.length + 1)
        this.#noteUsed(window, at, searched)
        at = searched
        break
      }
      this.#noteUsed(window, at, found)
      const record = decodeRecord(window, found, this.#seal)
      at = found
      if (record === 'torn' && !isLast) break
      if (typeof record === 'string') {
        at = found + 1
        this.#usedEnd = base + at
      } else {
        if (base + found > this.#intactEnd) {
          const bytes = base + found - this.#intactEnd
          steps.push({ kind: 'damage', at: this.#intactEnd, bytes })
        }
        steps.push({ kind: 'record', record })
        lastBytes = record.bytes
        at = found + lastBytes
        this.#intactEnd = base + at
      }
    }
    this.#searchAt = base + at
    const nextBytes = recordBytes(window, at) ?? lastBytes
    this.#windowBytes = Math.max(WINDOW_BYTES, Math.min(nextBytes, RECORD_MAX_BYTES))
  }

  #noteUsed(window: Buffer, from: number, to: number): void {
    const used = usedBytes(window.subarray(from, to))
    if (used > 0) this.#usedEnd = this.#searchAt + from + used
  }
}

/** Up to and with the last byte that is not zero. */
export function usedBytes(bytes: Buffer): number {
  let end = bytes.length
  // Blocks first: unused room is megabytes of zeros.
  while (end >= BLOCK_BYTES && ZEROS.equals(bytes.subarray(end - BLOCK_BYTES, end))) {
    end -= BLOCK_BYTES
  }
  while (end > 0 && bytes[end - 1] === 0) end--
  return end
}

const ZEROS = Buffer.alloc(BLOCK_BYTES)

/**
 * Bytes of the file from `at` on. What the disk cannot read (EIO) comes as zeros: damage, behind
 * which the search goes on.
 */
async function readWindow(file: LogFile, at: number, bytes: number): Promise<Buffer> {
  const window = Buffer.allocUnsafeSlow(bytes)
  try {
    return await readWhole(file, window, at)
  } catch (error) {
    if (errorCode(error) !== 'EIO') throw error
  }
  window.fill(0)
  for (let done = 0; done < bytes; done += BLOCK_BYTES) {
    const block = window.subarray(done, done + BLOCK_BYTES)
    try {
      await readWhole(file, block, at + done)
    } catch (error) {
      if (errorCode(error) !== 'EIO') throw error
      block.fill(0)
    }
  }
  return window
}
