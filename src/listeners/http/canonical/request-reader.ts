/**
 * Turns the bytes of a connection into the same requests in canonical form, one after the other.
 *
 *        ┌───── received ────── held ◀── body complete ───┐
 *        ▼                                                │
 *     a head ──▶ head for node ──▶ body of known length ──┤
 *        │                    └──▶ chunks ────────────────┤
 *        │ refused                                        │ the last one on this connection
 *        ▼                                                ▼
 *     a head that stands for the refusal ───────────▶ over: further bytes are discarded
 *
 * Promise: node's parser makes exactly one request, with exactly that body, from every head that is
 * pushed. Bytes behind a refused request, or behind the last one, are never read as a request. So
 * reading stops after each request until its receiver has the whole request and has not refused it.
 */

import { free, unpooledConcat, unpooledCopy } from '../../../std/unpooled.ts'
import { ChunkedBody } from './chunked-body.ts'
import { HeadScan } from './head-scan.ts'
import {
  BAD_REQUEST,
  type RefusedHead,
  type RequestHead,
  readRequestHead,
  refused,
} from './request-head.ts'

const EMPTY = Buffer.alloc(0)
const LF = 0x0a
const CR = 0x0d
const LAST_CHUNK = Buffer.from('0\r\n\r\n')
const CHUNK_END = Buffer.from('\r\n')
/** Every parser refuses this as the size of a chunk. */
const BROKEN_CHUNK = Buffer.from('\0\r\n')
/** Replaces any request that is refused. */
const REFUSED = Buffer.from('GET / HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n')
/** The first byte of a method. Other bytes are not a request, and a line end may never come. */
const TOKEN_BYTE = /[!#$%&'*+.^_`|~0-9A-Za-z-]/
const POST = 'POST '
/** Old clients send line ends behind the body of a POST. Go's server passes over as many. */
const LINE_ENDS_MAX_BYTES = 4
const TOO_LARGE_HEAD = refused(431, '431 Request Header Fields Too Large')

export interface RequestSink {
  /** Bytes for node. */
  push(bytes: Buffer): void
  /** A head is about to be pushed. */
  onHead(head: RequestHead | RefusedHead): void
  /** Broken chunks are about to be pushed. */
  onBrokenBody(error: string): void
}

type Phase = 'head' | 'length' | 'chunks' | 'held' | 'over'

export class RequestReader {
  readonly #sink: RequestSink
  readonly #headersMaxBytes: number
  #phase: Phase = 'head'
  /** The bytes of an incomplete head. */
  #kept: Buffer = EMPTY
  #scan: HeadScan | undefined
  #missingBytes = 0
  #chunks = new ChunkedBody()
  #isLast = false
  #isCut = false
  /** Bytes of line ends that may still be passed over before the next head. */
  #lineEndBytes: number

  /** @param isAfterPost the request before, which somebody else has read, was a POST */
  constructor(sink: RequestSink, headersMaxBytes: number, isAfterPost = false) {
    this.#sink = sink
    this.#headersMaxBytes = headersMaxBytes
    this.#lineEndBytes = isAfterPost ? LINE_ENDS_MAX_BYTES : 0
  }

  /** A head has begun and is incomplete. */
  get isInHead(): boolean {
    return this.#phase === 'head' && this.#kept.length > 0
  }

  /** Size of the incomplete head. */
  get keptBytes(): number {
    return this.#kept.length
  }

  /** No request has begun. */
  get isBetween(): boolean {
    return this.#phase === 'over' || (this.#phase === 'head' && this.#kept.length === 0)
  }

  /** Nothing more is read. */
  get isOver(): boolean {
    return this.#phase === 'over'
  }

  /** More bytes of a refused request may arrive. */
  get isCut(): boolean {
    return this.#isCut
  }

  /** @returns the offset up to which it has read: not the end when reading is held or over */
  read(chunk: Buffer, start = 0): number {
    let at = start
    while (at < chunk.length) {
      if (this.#phase === 'head' && this.#isLineEnd(chunk[at])) at++
      else if (this.#phase === 'head') at = this.#readHead(chunk, at)
      else if (this.#phase === 'length') at = this.#readLength(chunk, at)
      else if (this.#phase === 'chunks') at = this.#readChunks(chunk, at)
      else return at
    }
    return at
  }

  /** Call when the request after which reading is held has been received. */
  goOn(): void {
    if (this.#phase === 'held') this.#phase = 'head'
  }

  /** The current request is the last one of this connection. */
  readNoMore(): void {
    this.#isLast = true
    if (this.#phase !== 'head' && this.#phase !== 'held') return
    this.#phase = 'over'
    this.#kept = EMPTY
  }

  /** The client has closed its sending half. */
  end(): void {
    if (this.isInHead) this.refuse(BAD_REQUEST)
  }

  /** Call between two requests or within a head only. */
  refuse(refusal: RefusedHead): void {
    this.#phase = 'over'
    this.#isCut = true
    this.#kept = EMPTY
    this.#sink.onHead(refusal)
    this.#sink.push(REFUSED)
  }

  /** Whether the byte is passed over: it is of a line end behind the body of a POST. */
  #isLineEnd(byte: number | undefined): boolean {
    const isPassed = this.#lineEndBytes > 0 && (byte === CR || byte === LF)
    this.#lineEndBytes = isPassed ? this.#lineEndBytes - 1 : 0
    return isPassed
  }

  #readHead(chunk: Buffer, start: number): number {
    const keptBytes = this.#kept.length
    const bytes =
      keptBytes === 0 ? chunk : unpooledConcat([this.#kept, chunk], keptBytes + chunk.length)
    this.#scan ??= new HeadScan(start)
    const result = this.#scan.read(bytes)
    if (result.kind === 'incomplete') {
      this.#keep(keptBytes === 0 ? bytes.subarray(start) : bytes, keptBytes === 0)
      return chunk.length
    }
    this.#scan = undefined
    this.#forgetKept()
    if (bytes !== chunk) free(bytes)
    if (result.kind === 'refused') this.refuse(result.refusal)
    else if (result.end - (keptBytes === 0 ? start : 0) > this.#headersMaxBytes) {
      this.refuse(TOO_LARGE_HEAD)
    } else this.#begin(readRequestHead(result.lines))
    return result.kind === 'refused' ? chunk.length : result.end - keptBytes
  }

  /** @param isNew the head begins with these bytes */
  #keep(bytes: Buffer, isNew: boolean): void {
    if (bytes.length > this.#headersMaxBytes) return this.refuse(TOO_LARGE_HEAD)
    if (!TOKEN_BYTE.test(String.fromCharCode(bytes[0] ?? 0))) return this.refuse(BAD_REQUEST)
    if (!isNew) {
      this.#forgetKept()
      this.#kept = bytes
      return
    }
    this.#kept = unpooledCopy(bytes)
    // From now on offsets count from the start of the head.
    this.#scan = new HeadScan(0)
    this.#scan.read(this.#kept)
  }

  #forgetKept(): void {
    free(this.#kept)
    this.#kept = EMPTY
  }

  #begin(head: RequestHead | RefusedHead): void {
    if (head.isRefused) return this.refuse(head)
    const { framing, canonical, isLast } = head
    this.#isLast = isLast
    this.#lineEndBytes = canonical.startsWith(POST) ? LINE_ENDS_MAX_BYTES : 0
    if (framing.kind === 'chunked') {
      this.#chunks = new ChunkedBody()
      this.#phase = 'chunks'
    } else {
      this.#missingBytes = framing.bytes
      if (framing.bytes > 0) this.#phase = 'length'
      else this.#finish()
    }
    this.#sink.onHead(head)
    this.#sink.push(Buffer.from(canonical, 'latin1'))
  }

  #readLength(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#missingBytes)
    this.#missingBytes -= end - at
    if (this.#missingBytes === 0) this.#finish()
    this.#sink.push(chunk.subarray(at, end))
    return end
  }

  #readChunks(chunk: Buffer, at: number): number {
    const { end, data, dataBytes, state } = this.#chunks.read(chunk, at)
    if (state === 'complete') this.#finish()
    if (dataBytes > 0) {
      this.#sink.push(Buffer.from(`${dataBytes.toString(16)}\r\n`))
      // Joined into one chunk: many small chunks would cost node more than the copy.
      this.#sink.push(data.length === 1 && data[0] ? data[0] : Buffer.concat(data, dataBytes))
      this.#sink.push(CHUNK_END)
    }
    if (state === 'complete') this.#sink.push(LAST_CHUNK)
    else if (state === 'broken') {
      this.#phase = 'over'
      this.#isCut = true
      this.#sink.onBrokenBody(this.#chunks.error)
      this.#sink.push(BROKEN_CHUNK)
    }
    return end
  }

  #finish(): void {
    this.#phase = this.#isLast ? 'over' : 'held'
  }
}
