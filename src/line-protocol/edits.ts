/**
 * What must change in a body before it can be passed on: a list of replaced ranges, applied in one copy.
 *
 * Most bodies need nothing, and are passed on without a byte copied.
 */

/** Collects changes from front to back. */
export class Edits {
  readonly #bytes: Buffer
  readonly #froms: number[] = []
  readonly #ends: number[] = []
  readonly #texts: Buffer[] = []
  #size: number

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#size = bytes.length
  }

  /** Puts `text` in the place of `[from, end)`; ranges come in order and do not overlap. */
  replace(from: number, end: number, text: Buffer): void {
    this.#froms.push(from)
    this.#ends.push(end)
    this.#texts.push(text)
    this.#size += text.length - (end - from)
  }

  /** The changed bytes; the same object when nothing changed. */
  apply(): Buffer {
    if (this.#froms.length === 0) return this.#bytes
    const result = Buffer.allocUnsafe(this.#size)
    let from = 0
    let size = 0
    for (const [i, text] of this.#texts.entries()) {
      size += this.#bytes.copy(result, size, from, this.#froms[i])
      size += text.copy(result, size)
      from = this.#ends[i] ?? from
    }
    this.#bytes.copy(result, size, from)
    return result
  }
}
