/**
 * What must change in a body before it can be passed on: ranges replaced from front to back.
 *
 * Most bodies need nothing, and are passed on without a byte copied. Nothing is kept per change, so
 * that a body of a million blank lines costs no more memory than its bytes.
 */

import { byteAt } from './bytes.ts'

/** Puts nothing in the place of a range. */
export const NOTHING = Buffer.alloc(0)

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

  /** Puts `text` in the place of `[from, end)`; ranges come in order and do not overlap. */
  replace(from: number, end: number, text: Buffer): void {
    this.#reserve(from - this.#done + text.length)
    this.#keepUntil(from)
    const result = this.#result
    // A native call costs more than the twenty bytes of a timestamp.
    for (let i = 0; i < text.length; i++) result[this.#size + i] = byteAt(text, i)
    this.#size += text.length
    this.#done = end
  }

  /** The changed bytes; the same object when nothing changed. Call once, at the end. */
  apply(): Buffer {
    if (this.#done === 0 && this.#result === NOTHING) return this.#bytes
    this.#reserve(this.#bytes.length - this.#done)
    this.#keepUntil(this.#bytes.length)
    const result = this.#result.subarray(0, this.#size)
    // Room that was not needed must not stay in memory for as long as the write does.
    return this.#result.length - this.#size > this.#size / 4 ? Buffer.from(result) : result
  }

  #keepUntil(end: number): void {
    if (end > this.#done) this.#size += this.#bytes.copy(this.#result, this.#size, this.#done, end)
    this.#done = end
  }

  #reserve(more: number): void {
    const needed = this.#size + more
    if (needed <= this.#result.length && this.#result !== NOTHING) return
    const result = Buffer.allocUnsafe(Math.ceil(Math.max(needed, this.#bytes.length) * 1.25) + 32)
    this.#result.copy(result, 0, 0, this.#size)
    this.#result = result
  }
}
