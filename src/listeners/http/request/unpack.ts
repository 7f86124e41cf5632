/**
 * Decompresses a gzip body up to a limit, and reports errors in Go's words.
 *
 * Accepts what Go's gzip reader accepts, which is less than zlib accepts: any bytes after a member
 * must be another member, so padding with NULs is an error.
 *
 * Small bodies are decompressed synchronously, because the thread pool would cost more than they
 * do. Large bodies are decompressed in pieces, and each piece is charged to the memory budget
 * before the next, so that a gzip bomb stops at the limit.
 */

import { crc32, createGunzip, gunzipSync } from 'node:zlib'
import { errorCode, errorText } from '../../../std/errors.ts'
import { Lease } from '../../../std/lease.ts'
import type { Memory } from '../../../std/memory-budget.ts'
import { free, withoutRest } from '../../../std/unpooled.ts'
import { IncomingBody } from './incoming-body.ts'

export type UnpackResult =
  | { readonly kind: 'unpacked'; readonly body: Buffer }
  | { readonly kind: 'broken'; readonly error: string }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'memory-full' }

export interface UnpackOptions {
  readonly maxBytes: number
  readonly memory: Memory
}

/** A body that is larger, compressed or decompressed, is handled in pieces. */
const AT_ONCE_MAX_BYTES = 1_048_576
/** Decompressed size of a piece. */
const PIECE_BYTES = AT_ONCE_MAX_BYTES / 4
/** Memory for a large body apart from the body itself: zlib's window, and a piece. */
const GUNZIP_BYTES = PIECE_BYTES + 64 * 1024
/** Smallest output buffer for zlib. */
const CHUNK_MIN_BYTES = 1_024
const HEADER_BYTES = 10
/** The only compression method that gzip has. */
const DEFLATE = 8
const TRAILER_BYTES = 8

/** @returns the result itself when the body is small, otherwise a promise that never rejects */
export function unpackGzip(
  packed: Buffer,
  options: UnpackOptions,
): UnpackResult | Promise<UnpackResult> {
  const headerError = gzipHeaderError(packed)
  if (headerError !== undefined) return { kind: 'broken', error: headerError }
  const sizeBytes = claimedBytes(packed)
  if (packed.length <= AT_ONCE_MAX_BYTES && sizeBytes <= AT_ONCE_MAX_BYTES) {
    const result = unpackAtOnce(packed, sizeBytes, options.maxBytes)
    if (result !== undefined) return result
  }
  return unpackInPieces(packed, sizeBytes, options)
}

/** The decompressed size of the last member modulo 2^32, as its trailer claims. */
function claimedBytes(packed: Buffer): number {
  return packed.length < HEADER_BYTES + TRAILER_BYTES ? 0 : packed.readUInt32LE(packed.length - 4)
}

/** @returns `undefined` when the body is larger than its trailer claims */
function unpackAtOnce(
  packed: Buffer,
  sizeBytes: number,
  maxBytes: number,
): UnpackResult | undefined {
  const maxOutputLength = Math.min(maxBytes, AT_ONCE_MAX_BYTES)
  const chunkSize = Math.min(Math.max(sizeBytes, CHUNK_MIN_BYTES), AT_ONCE_MAX_BYTES)
  try {
    // With `info` node also returns the engine, which knows how much of the input it has read.
    const options = { maxOutputLength, chunkSize, info: true }
    const { buffer, engine } = gunzipSync(packed, options) as unknown as GunzipInfo
    // V8 keeps the engine until the whole heap is marked, and the engine would keep the body.
    engine._outBuffer = null
    return (
      trailingError(packed, engine.bytesWritten) ?? { kind: 'unpacked', body: withoutRest(buffer) }
    )
  } catch (error) {
    if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE') {
      return maxOutputLength === maxBytes ? { kind: 'too-large' } : undefined
    }
    return { kind: 'broken', error: goGzipError(error, packed) }
  }
}

/** The result of `gunzipSync` with `info: true`, which node's types lack. */
interface GunzipInfo {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number; _outBuffer: Buffer | null }
}

async function unpackInPieces(
  packed: Buffer,
  sizeBytes: number,
  { maxBytes, memory }: UnpackOptions,
): Promise<UnpackResult> {
  const lease = new Lease(memory)
  if (!lease.tryGrowTo(GUNZIP_BYTES)) return { kind: 'memory-full' }
  const gunzip = createGunzip({ chunkSize: PIECE_BYTES })
  // Unlimited growth takes the whole expected size at once: the pieces come fast, and growing would
  // hold the body twice while it is copied.
  const body = new IncomingBody(maxBytes, sizeBytes, Number.POSITIVE_INFINITY)
  const fail = (result: UnpackResult): UnpackResult => {
    lease.end()
    body.drop()
    return result
  }
  gunzip.end(packed)
  try {
    // Leaving the loop early destroys the stream.
    for await (const piece of gunzip as AsyncIterable<Buffer>) {
      if (body.bytes + piece.length > maxBytes) return fail({ kind: 'too-large' })
      if (!lease.tryGrowTo(GUNZIP_BYTES + body.heldBytesWith(piece.length))) {
        return fail({ kind: 'memory-full' })
      }
      body.append(piece)
      // Counts as garbage what `free` cannot free: a piece may share its buffer with zlib's next.
      memory.noteGarbage(free(piece))
    }
    const trailing = trailingError(packed, gunzip.bytesWritten)
    if (trailing !== undefined) return fail(trailing)
    lease.transfer()
    return { kind: 'unpacked', body: body.whole() }
  } catch (error) {
    return fail({ kind: 'broken', error: goGzipError(error, packed) })
  }
}

/** zlib ignores NULs and garbage after the last member; Go reads them as the next member. */
function trailingError(packed: Buffer, readBytes: number): UnpackResult | undefined {
  if (readBytes >= packed.length) return undefined
  const error = gzipHeaderError(packed.subarray(readBytes)) ?? 'gzip: invalid header'
  return { kind: 'broken', error }
}

const FLAG_HEADER_CRC = 0x02
const FLAG_EXTRA = 0x04
const FLAG_NAME = 0x08
const FLAG_COMMENT = 0x10
/** Go's reader refuses longer names and comments. */
const HEADER_STRING_MAX_BYTES = 511

const UNEXPECTED_EOF = 'unexpected EOF'
const INVALID_HEADER = 'gzip: invalid header'

/** The error of Go's gzip reader for a member's header, checked in Go's order, or `undefined`. */
export function gzipHeaderError(packed: Buffer): string | undefined {
  if (packed.length === 0) return 'EOF'
  if (packed.length < HEADER_BYTES) return UNEXPECTED_EOF
  if (packed[0] !== 0x1f || packed[1] !== 0x8b || packed[2] !== DEFLATE) {
    return INVALID_HEADER
  }
  const flags = packed[3] ?? 0
  let end = HEADER_BYTES
  if (flags & FLAG_EXTRA) {
    if (packed.length < end + 2) return UNEXPECTED_EOF
    end += 2 + packed.readUInt16LE(end)
  }
  for (const flag of [FLAG_NAME, FLAG_COMMENT]) {
    if (!(flags & flag)) continue
    const next = headerStringEnd(packed, end)
    if (typeof next === 'string') return next
    end = next
  }
  if (end > packed.length) return UNEXPECTED_EOF
  return flags & FLAG_HEADER_CRC ? headerCrcError(packed, end) : undefined
}

/** @returns the offset after a name or a comment, or Go's error */
function headerStringEnd(packed: Buffer, from: number): number | string {
  const nulAt = packed.indexOf(0, from)
  const length = (nulAt < 0 ? packed.length : nulAt) - from
  if (length > HEADER_STRING_MAX_BYTES) return INVALID_HEADER
  return nulAt < 0 ? UNEXPECTED_EOF : nulAt + 1
}

function headerCrcError(packed: Buffer, end: number): string | undefined {
  if (packed.length < end + 2) return UNEXPECTED_EOF
  const isRight = packed.readUInt16LE(end) === (crc32(packed.subarray(0, end)) & 0xffff)
  return isRight ? undefined : INVALID_HEADER
}

/** Translates an error of zlib into Go's. */
function goGzipError(error: unknown, packed: Buffer): string {
  const text = errorText(error)
  if (errorCode(error) === 'Z_BUF_ERROR') return UNEXPECTED_EOF
  if (text === 'incorrect data check' || text === 'incorrect length check') {
    return 'gzip: invalid checksum'
  }
  if (/header|compression method/.test(text)) return INVALID_HEADER
  // Go names the offset, which zlib does not report; the size of the input is an upper bound.
  return `flate: corrupt input before offset ${packed.length}`
}
