/**
 * A body of known length on its way in, read to where it will stay.
 *
 * Memory for it is taken as it comes, GROWTH times what has come at the most: a body that a client
 * only announces costs nothing.
 */

const EMPTY = Buffer.alloc(0)
const GROWTH = 4
/** What is read at once into less costs more than to copy it. */
const ROOM_MIN_BYTES = 64 * 1024

export class IncomingBody {
  readonly bodyBytes: number
  #buffer: Buffer = EMPTY
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

  /** Where what comes next may be read to; `undefined`: not here, it is to be appended. */
  room(): Buffer | undefined {
    const roomBytes = this.#buffer.length - this.#bytes
    if (roomBytes < Math.min(this.missingBytes, ROOM_MIN_BYTES)) return undefined
    return this.#buffer.subarray(this.#bytes)
  }

  /** So many bytes were read into the room. */
  advance(bytes: number): void {
    this.#bytes += bytes
  }

  /** Copies a part of what came; no more than is missing. */
  append(chunk: Buffer, from: number, to: number): void {
    const bytes = this.#bytes + to - from
    if (bytes > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(this.bodyBytes, GROWTH * bytes))
      this.#buffer.copy(larger, 0, 0, this.#bytes)
      this.#buffer = larger
    }
    chunk.copy(this.#buffer, this.#bytes, from, to)
    this.#bytes = bytes
  }

  /** All of it; nothing may be missing. */
  whole(): Buffer {
    if (this.missingBytes > 0) throw new Error('BUG: a part of a body')
    return this.#buffer
  }
}
