/**
 * A body of known length on its way in, read to where it will stay.
 *
 * A body that a client only announces costs no more than FIRST_MAX_BYTES: room beyond that is made
 * as it fills.
 */

const FIRST_MAX_BYTES = 1024 * 1024

export class IncomingBody {
  readonly bodyBytes: number
  #buffer: Buffer | undefined
  #bytes = 0

  /** @param bodyBytes at least 1 */
  constructor(bodyBytes: number) {
    this.bodyBytes = bodyBytes
  }

  /** What has come of it. */
  get bytes(): number {
    return this.#bytes
  }

  get missingBytes(): number {
    return this.bodyBytes - this.#bytes
  }

  /** Where what comes next goes; not empty while something is missing. */
  room(): Buffer {
    const buffer = this.#roomy()
    return this.#bytes === 0 ? buffer : buffer.subarray(this.#bytes)
  }

  /** So many bytes were read into the room. */
  advance(bytes: number): void {
    this.#bytes += bytes
  }

  /** Copies a part of what came; no more than is missing. */
  append(chunk: Buffer, from: number, to: number): void {
    chunk.copy(this.#roomy(to - from), this.#bytes, from, to)
    this.#bytes += to - from
  }

  /** All of it; nothing may be missing. */
  whole(): Buffer {
    if (this.#buffer === undefined || this.missingBytes > 0)
      throw new Error('BUG: a part of a body')
    return this.#buffer
  }

  #roomy(bytes = 1): Buffer {
    const buffer = this.#buffer
    const neededBytes = this.#bytes + bytes
    if (buffer !== undefined && neededBytes <= buffer.length) return buffer
    const lengthBytes = Math.max(neededBytes, FIRST_MAX_BYTES, 2 * (buffer?.length ?? 0))
    const larger = Buffer.allocUnsafeSlow(Math.min(this.bodyBytes, lengthBytes))
    buffer?.copy(larger, 0, 0, this.#bytes)
    this.#buffer = larger
    return larger
  }
}

/** Not from a pool: a body that waits for hours must not keep its neighbours. */
export function copyOf(chunk: Buffer, from: number, to: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(to - from)
  chunk.copy(copy, 0, from, to)
  return copy
}
