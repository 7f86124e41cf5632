/**
 * What must change in a body before it can be passed on: ranges replaced from front to back.
 *
 * Most bodies need nothing, and are passed on without a byte copied. Nothing is kept per change, so
 * that a body of a million blank lines costs no more memory than its bytes.
 */

import { free, trimmed } from '../../std/own-memory.ts'

/** Puts nothing in the place of a range. */
export const NOTHING = Buffer.alloc(0)

/** Room for what is still to come, above what the changes so far let expect. */
const ROOM_FACTOR = 1.05
/** Most that a body is expected to grow by timestamps: lines of forty bytes. */
const GROWTH_MAX = 1.5
/** As `GROWTH_MAX`, once so much has been seen of it: lines of five bytes. */
const SEEN_GROWTH_MAX = 5
const SEEN_MIN_BYTES = 64 * 1024

/** Collects changes. */
export class Edits {
  readonly #bytes: Buffer
  /** What is changed so far; its first `#size` bytes stand for the first `#done` of the body. */
  #result = NOTHING
  #size = 0
  #done = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** What the changes may take of memory at the worst while `moreBytes` of the body are read. */
  heldBytesWithin(moreBytes: number): number {
    const heldBytes = this.#result.length
    const isEnough = heldBytes - this.#size >= moreBytes * SEEN_GROWTH_MAX
    if (isEnough || heldBytes === 0) return heldBytes
    // The old and the new, for as long as it takes to copy.
    return heldBytes + this.#roomFor(this.#size, this.#done)
  }

  /** Nobody will ask for the result. */
  drop(): void {
    free(this.#result)
  }

  /** Puts `text` in the place of `[from, end)`; ranges come in order and do not overlap. */
  replace(from: number, end: number, text: Buffer): void {
    this.#reserve(from - this.#done + text.length, end)
    this.#keepUntil(from)
    this.#size += text.copy(this.#result, this.#size)
    this.#done = end
  }

  /** Puts ASCII `text` before `at`. */
  insert(at: number, text: string): void {
    this.#reserve(at - this.#done + text.length, at)
    this.#keepUntil(at)
    const result = this.#result
    // A native call costs more than the twenty bytes of a timestamp.
    for (let i = 0; i < text.length; i++) result[this.#size + i] = text.charCodeAt(i)
    this.#size += text.length
  }

  /** The changed bytes; the same object when nothing changed. Call once, at the end. */
  apply(): Buffer {
    if (this.#done === 0 && this.#result === NOTHING) return this.#bytes
    this.#reserve(this.#bytes.length - this.#done, this.#bytes.length)
    this.#keepUntil(this.#bytes.length)
    return trimmed(this.#result, this.#size)
  }

  #keepUntil(end: number): void {
    if (end > this.#done) this.#size += this.#bytes.copy(this.#result, this.#size, this.#done, end)
    this.#done = end
  }

  /** Room for `more` bytes, and for what follows `end` if that changes alike. */
  #reserve(more: number, end: number): void {
    const needed = this.#size + more
    if (needed <= this.#result.length && this.#result !== NOTHING) return
    const result = Buffer.allocUnsafeSlow(this.#roomFor(needed, end))
    this.#result.copy(result, 0, 0, this.#size)
    free(this.#result)
    this.#result = result
  }

  /** @param needed bytes for all up to `end` */
  #roomFor(needed: number, end: number): number {
    const growthMax = end < SEEN_MIN_BYTES ? GROWTH_MAX : SEEN_GROWTH_MAX
    const growth = Math.min(Math.max(needed / Math.max(end, 1), 1), growthMax)
    const restBytes = (this.#bytes.length - end) * growth * ROOM_FACTOR
    return Math.ceil(needed + restBytes)
  }
}
