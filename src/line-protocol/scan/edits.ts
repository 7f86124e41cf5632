/**
 * The changes that a body needs before it is passed on: ranges are replaced from front to back.
 *
 * Most bodies need no change and are passed on without a copy. Changes are applied at once and not
 * stored, so a body of a million blank lines costs no more memory than its bytes.
 */

import { free, trimmed } from '../../std/unpooled.ts'

/** Replacement that removes a range. */
export const NOTHING = Buffer.alloc(0)

/** Reserve for the rest of the body, above the growth that the changes so far predict. */
const ROOM_FACTOR = 1.05
/** Largest growth by timestamps that is predicted at first: lines of forty bytes. */
const GROWTH_MAX = 1.5
/** As `GROWTH_MAX`, once `SEEN_MIN_BYTES` of the body were read: lines of five bytes. */
const SEEN_GROWTH_MAX = 5
const SEEN_MIN_BYTES = 64 * 1024

export class Edits {
  readonly #bytes: Buffer
  /** The changed body so far: its first `#size` bytes replace the body's first `#done` bytes. */
  #result = NOTHING
  #size = 0
  #done = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Largest memory of the changes while `moreBytes` more bytes of the body are read. */
  heldBytesWithin(moreBytes: number): number {
    const heldBytes = this.#result.length
    const isEnough = heldBytes - this.#size >= moreBytes * SEEN_GROWTH_MAX
    if (isEnough || heldBytes === 0) return heldBytes
    // The old and the new buffer exist together while the bytes are copied.
    return heldBytes + this.#roomFor(this.#size, this.#done)
  }

  /** Frees the buffer. `apply` must not be called afterwards. */
  drop(): void {
    free(this.#result)
  }

  /** Replaces `[from, end)` with `text`. Calls must be in order, and ranges must not overlap. */
  replace(from: number, end: number, text: Buffer): void {
    this.#reserve(from - this.#done + text.length, end)
    this.#keepUntil(from)
    this.#size += text.copy(this.#result, this.#size)
    this.#done = end
  }

  /** Inserts ASCII `text` before `at`. */
  insert(at: number, text: string): void {
    this.#reserve(at - this.#done + text.length, at)
    this.#keepUntil(at)
    const result = this.#result
    // A native call costs more than copying the twenty bytes of a timestamp here.
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

  /** Reserves `more` bytes, and room for the body after `end` if it grows at the same rate. */
  #reserve(more: number, end: number): void {
    const needed = this.#size + more
    if (needed <= this.#result.length && this.#result !== NOTHING) return
    const result = Buffer.allocUnsafeSlow(this.#roomFor(needed, end))
    this.#result.copy(result, 0, 0, this.#size)
    free(this.#result)
    this.#result = result
  }

  /** @param needed size of the changed body up to `end` */
  #roomFor(needed: number, end: number): number {
    const growthMax = end < SEEN_MIN_BYTES ? GROWTH_MAX : SEEN_GROWTH_MAX
    const growth = Math.min(Math.max(needed / Math.max(end, 1), 1), growthMax)
    const restBytes = (this.#bytes.length - end) * growth * ROOM_FACTOR
    return Math.ceil(needed + restBytes)
  }
}
