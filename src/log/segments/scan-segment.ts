/**
 * Scans a segment: returns every intact record, and the ranges of all other bytes.
 *
 *     | header | r1 | r2 | damage | r4 | r5 | tail: torn record, zeros |
 *                         ▲         ▲         ▲
 *                         │         │         intactEnd
 *                         │         next valid mark and checksum (record.ts)
 *                         no intact record begins here
 *
 * Damage is a range of undecodable bytes before an intact record. The tail is the range after the
 * last intact record: zeros are unused room; other bytes are a record torn by a crash, or damage.
 *
 * Promise: no file content makes it throw. Memory: one window of WINDOW_BYTES, or of one record
 * if that is longer. Records are slices of their window and keep it alive.
 *
 * Not here: handling of damage and tails (recover-segments.ts, segment-reader.ts).
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
/** Unit of reading after the disk failed to read a whole window. */
const BLOCK_BYTES = 4096

export type ScanStep =
  | { readonly kind: 'record'; readonly record: LogRecord }
  /** Undecodable bytes before an intact record. */
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
  /** End of the last non-zero byte behind `intactEnd`, among the searched bytes. */
  #usedEnd: number
  /** Fits the next record, by its claimed length or that of the one before: one read suffices. */
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

  /** End of the torn or damaged tail behind `intactEnd`; valid once `read` has reached the end. */
  get tailEnd(): number {
    return Math.max(this.#usedEnd, this.#intactEnd)
  }

  /**
   * The next records, in order.
   *
   * @param end bytes of the file that may be read; may be larger in the next call
   * @returns an empty list when there are no more records before `end`
   */
  async read(end: number): Promise<readonly ScanStep[]> {
    const steps: ScanStep[] = []
    while (steps.length === 0 && this.#searchAt < end) {
      const at = this.#searchAt
      const asked = Math.min(this.#windowBytes, end - at)
      const window = await readWindow(this.#file, at, asked)
      if (window.length === 0) break
      // A window that is shorter than requested means that the file ends before `end`.
      const isLast = window.length < asked || at + window.length >= end
      this.#search(window, isLast, steps)
    }
    return steps
  }

  /** Adds the records and damage of the window to `steps`; sets the size of the next window. */
  #search(window: Buffer, isLast: boolean, steps: ScanStep[]): void {
    const base = this.#searchAt
    const { prefix } = this.#seal
    let at = 0
    let lastBytes = 0
    while (at < window.length) {
      const found = window.indexOf(prefix, at)
      if (found < 0) {
        // The window may end with the first bytes of a mark.
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

/** Length of `bytes` without the zeros at its end. */
export function usedBytes(bytes: Buffer): number {
  let end = bytes.length
  // Whole blocks first: unused room can be up to a megabyte of zeros.
  while (end >= BLOCK_BYTES && ZEROS.equals(bytes.subarray(end - BLOCK_BYTES, end))) {
    end -= BLOCK_BYTES
  }
  while (end > 0 && bytes[end - 1] === 0) end--
  return end
}

const ZEROS = Buffer.alloc(BLOCK_BYTES)

/**
 * Bytes of the file from `at` on. Returns zeros for blocks that the disk cannot read (EIO): the
 * scan treats them as damage and continues behind them.
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
