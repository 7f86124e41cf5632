/**
 * A body on its way in, read to where it will stay.
 *
 * Memory for it is taken as it comes, `growth` times what has come at the most: a body that a
 * client only announces costs nothing. Its owner asks `heldBytesWith` before it
 * appends, and charges that.
 */

import { free, trimmed } from '../../../std/own-memory.ts'

const EMPTY = Buffer.alloc(0)
const GROWTH = 4
/** Beyond the expected length less is taken in advance. */
const UNEXPECTED_GROWTH = 2
/** What is read at once into less costs more than to copy it. */
const ROOM_MIN_BYTES = 64 * 1024

export class IncomingBody {
  readonly #maxBytes: number
  readonly #expectedBytes: number
  readonly #growth: number
  #buffer: Buffer = EMPTY
  #bytes = 0

  /**
   * @param maxBytes at least 1; how long it may be at the most
   * @param expectedBytes how long it will be, on somebody's word; 0 where nobody has said it
   * @param growth up to the expected length
   */
  constructor(maxBytes: number, expectedBytes = maxBytes, growth = GROWTH) {
    this.#maxBytes = maxBytes
    this.#growth = growth
    this.#expectedBytes = Math.min(expectedBytes, maxBytes)
  }

  /** What has come of it. */
  get bytes(): number {
    return this.#bytes
  }

  /** What may still come. */
  get missingBytes(): number {
    return this.#maxBytes - this.#bytes
  }

  /** What it will take of memory once so many bytes more have come. */
  heldBytesWith(moreBytes: number): number {
    const bytes = this.#bytes + moreBytes
    if (bytes <= this.#buffer.length) return this.#buffer.length
    const isExpected = bytes <= this.#expectedBytes
    return isExpected
      ? Math.min(this.#expectedBytes, this.#growth * bytes)
      : Math.min(this.#maxBytes, UNEXPECTED_GROWTH * bytes)
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

  /** Copies a part of what came; no more than may still come. */
  append(chunk: Buffer, from = 0, to = chunk.length): void {
    const moreBytes = to - from
    if (this.#bytes + moreBytes > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(this.heldBytesWith(moreBytes))
      this.#buffer.copy(larger, 0, 0, this.#bytes)
      free(this.#buffer)
      this.#buffer = larger
    }
    chunk.copy(this.#buffer, this.#bytes, from, to)
    this.#bytes += moreBytes
  }

  /** It is not needed any more, and nothing is being read into it. */
  drop(): void {
    free(this.#buffer)
  }

  /** What has come, in memory of its own. To be called once, at the end. */
  whole(): Buffer {
    return trimmed(this.#buffer, this.#bytes)
  }
}
