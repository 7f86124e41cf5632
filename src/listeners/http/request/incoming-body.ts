/**
 * A body that is being received, in its final buffer.
 *
 * The buffer grows with the received bytes, to at most `growth` times their number: a body that a
 * client only announces costs no memory. Before each append the owner calls `heldBytesWith` and
 * charges the result to the memory budget.
 */

import { free, trimmed } from '../../../std/unpooled.ts'

const EMPTY = Buffer.alloc(0)
const GROWTH = 4
/** Growth beyond the expected length. */
const UNEXPECTED_GROWTH = 2
/** Reads into less room than this cost more than reading elsewhere and copying. */
const ROOM_MIN_BYTES = 64 * 1024

export class IncomingBody {
  readonly #maxBytes: number
  readonly #expectedBytes: number
  readonly #growth: number
  #buffer: Buffer = EMPTY
  #bytes = 0

  /**
   * @param maxBytes maximum length of the body; at least 1
   * @param expectedBytes announced length of the body, which need not be true; 0 if unknown
   * @param growth growth of the buffer up to the expected length
   */
  constructor(maxBytes: number, expectedBytes = maxBytes, growth = GROWTH) {
    this.#maxBytes = maxBytes
    this.#growth = growth
    this.#expectedBytes = Math.min(expectedBytes, maxBytes)
  }

  /** Number of bytes received. */
  get bytes(): number {
    return this.#bytes
  }

  /** Number of bytes that may still arrive. */
  get missingBytes(): number {
    return this.#maxBytes - this.#bytes
  }

  /** Memory of the buffer after `moreBytes` more bytes. */
  heldBytesWith(moreBytes: number): number {
    const bytes = this.#bytes + moreBytes
    if (bytes <= this.#buffer.length) return this.#buffer.length
    const isExpected = bytes <= this.#expectedBytes
    return isExpected
      ? Math.min(this.#expectedBytes, this.#growth * bytes)
      : Math.min(this.#maxBytes, UNEXPECTED_GROWTH * bytes)
  }

  /** The buffer for the next read; `undefined`: too small, so the bytes must be appended. */
  room(): Buffer | undefined {
    const roomBytes = this.#buffer.length - this.#bytes
    if (roomBytes < Math.min(this.missingBytes, ROOM_MIN_BYTES)) return undefined
    return this.#buffer.subarray(this.#bytes)
  }

  /** Counts bytes that were read into the buffer of `room`. */
  advance(bytes: number): void {
    this.#bytes += bytes
  }

  /** Copies a part of `chunk`, at most `missingBytes`. */
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

  /** Frees the buffer. Call only while nothing is being read into the buffer. */
  drop(): void {
    free(this.#buffer)
  }

  /** The received bytes, in memory of their own. Call once, at the end. */
  whole(): Buffer {
    return trimmed(this.#buffer, this.#bytes)
  }
}
