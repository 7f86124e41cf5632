/**
 * One record of the disk log: a write as bytes, and back. Pure.
 *
 * Little endian:
 *
 *     offset  bytes
 *          0      4  F7 4C 52 A9: bytes that no UTF-8 text holds
 *          4      4  mark: the first four bytes of the segment's nonce
 *          8      4  CRC32 of all that follows, payload included, continued from the nonce's CRC32
 *         12      4  length of the header, fields included; at most HEADER_MAX_BYTES
 *         16      4  length of the payload; at most PAYLOAD_MAX_BYTES
 *         20      8  sequence number, below 2 ** 53
 *         28      1  format version: 1
 *         29      1  kind: 1 lines, 2 statement, 3 opaque; 4 is a dead letter, which is never in
 *                    a log (dead-letters/letter.ts); other values are reserved
 *                    layout of the rest in version 1, kinds 1 to 3:
 *         30      1  precision: 0 ns, 1 us, 2 ms, 3 s, 4 m, 5 h
 *         31      1  0
 *         32      4  lines in the payload
 *         36      8  time of receipt, milliseconds since 1970 (double)
 *         44         fields, each a two-byte length and then UTF-8: database, retention policy,
 *                    authorization, credentials as a query, output ('' = all outputs); then the
 *                    number of request headers (two bytes), and name and value of each header
 *                    payload: the lines, the statement, or the opaque body
 *
 * The nonce is random and never leaves the folder. Mark and checksum depend on it, so that a client
 * cannot forge a record inside a payload: the search for the next record after damage would find
 * the forged record, or would have to check one long false record after another.
 *
 * Promise: a record of an unknown kind or version is carried unchanged and is not an error: a newer
 * relay may have written it, and an older relay must not lose it.
 *
 * Limits: `prepareRecord` returns `undefined` for content that does not fit. Not here: assigning
 * the sequence number (segment-log.ts), finding the next record after damage (scan-segment.ts).
 */

import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import { PRECISIONS, type Precision } from '../../line-protocol/precision.ts'
import { unreachable } from '../../std/errors.ts'
import { type Write, type WriteTarget, writeTarget } from '../../write/write.ts'

export const PAYLOAD_MAX_BYTES = 32 * 1024 * 1024
const HEADER_MAX_BYTES = 1024 * 1024
export const RECORD_MAX_BYTES = HEADER_MAX_BYTES + PAYLOAD_MAX_BYTES

/** Every record begins with these bytes and the mark of its segment. */
const MAGIC = Buffer.from([0xf7, 0x4c, 0x52, 0xa9])
const CRC_AT = 8
/** The checksum covers the record from this offset on. */
const COVERED_AT = 12
const PAYLOAD_LENGTH_AT = 16
const SEQUENCE_AT = 20
const VERSION_AT = 28
const KIND_AT = 29
/** Every later version keeps the layout of these bytes. */
const ENVELOPE_BYTES = 30
const PRECISION_AT = 30
const LINE_COUNT_AT = 32
const RECEIVED_AT = 36
const FIELDS_AT = 44

const VERSION = 1
const KIND_BYTES: Readonly<Record<Write['kind'], number>> = { lines: 1, statement: 2, opaque: 3 }
const FIELD_MAX_BYTES = 0xffff
const TWO_POW_32 = 2 ** 32

/** The values that all records of a segment share. */
export interface RecordSeal {
  /** The first eight bytes of each record. */
  readonly prefix: Buffer
  readonly crcSeed: number
}

export type RecordContent =
  | { readonly kind: 'write'; readonly write: Write; readonly output: string | undefined }
  /** A record of an unknown kind or version. */
  | {
      readonly kind: 'carried'
      readonly version: number
      readonly kindByte: number
      /** The header behind the kind byte. */
      readonly header: Buffer
      readonly payload: Buffer
    }

export interface LogRecord {
  readonly sequence: number
  /** Length of the record in the segment. */
  readonly bytes: number
  /** Bodies are slices of the decoded buffer, not copies. */
  readonly content: RecordContent
}

/** A record before it gets its sequence number and its segment. */
export interface PreparedRecord {
  readonly header: Buffer
  readonly payload: Buffer
  /** Its length in the segment. */
  readonly bytes: number
}

export function recordSeal(nonce: Buffer): RecordSeal {
  return { prefix: Buffer.concat([MAGIC, nonce.subarray(0, 4)]), crcSeed: crc32(nonce) }
}

/** @returns `undefined` when the content is too large for a record */
export function prepareRecord(content: RecordContent): PreparedRecord | undefined {
  const payload = content.kind === 'write' ? content.write.body : content.payload
  if (payload.length > PAYLOAD_MAX_BYTES) return undefined
  const header = content.kind === 'write' ? writeHeader(content) : carriedHeader(content)
  if (header === undefined || header.length > HEADER_MAX_BYTES) return undefined
  MAGIC.copy(header)
  header.writeUInt32LE(header.length, COVERED_AT)
  header.writeUInt32LE(payload.length, PAYLOAD_LENGTH_AT)
  return { header, payload, bytes: header.length + payload.length }
}

/** Writes the record into `into` from `at` on; `into` must have `record.bytes` bytes from there. */
export function encodeRecord(
  record: PreparedRecord,
  sequence: number,
  seal: RecordSeal,
  cursor: { readonly into: Buffer; readonly at: number },
): void {
  assert(Number.isSafeInteger(sequence) && sequence >= 0, `BUG: sequence number ${sequence}`)
  const bytes = cursor.into.subarray(cursor.at, cursor.at + record.bytes)
  assert.equal(bytes.length, record.bytes, 'BUG: no room for the record')
  record.header.copy(bytes)
  seal.prefix.copy(bytes)
  bytes.writeUInt32LE(sequence % TWO_POW_32, SEQUENCE_AT)
  bytes.writeUInt32LE(Math.floor(sequence / TWO_POW_32), SEQUENCE_AT + 4)
  record.payload.copy(bytes, record.header.length)
  bytes.writeUInt32LE(crc32(bytes.subarray(COVERED_AT), seal.crcSeed), CRC_AT)
}

/**
 * Decodes the record at `at`.
 *
 * @returns `torn`: the record runs past the end of `bytes`, or `bytes` is too short to tell.
 *   `damaged`: no record begins here, or its bytes were changed.
 */
export function decodeRecord(
  bytes: Buffer,
  at: number,
  seal: RecordSeal,
): LogRecord | 'torn' | 'damaged' {
  const length = recordBytes(bytes, at)
  if (length === undefined) return 'torn'
  const { prefix } = seal
  if (length > RECORD_MAX_BYTES) return 'damaged'
  if (bytes.compare(prefix, 0, prefix.length, at, at + prefix.length) !== 0) return 'damaged'
  const headerBytes = bytes.readUInt32LE(at + COVERED_AT)
  if (headerBytes < ENVELOPE_BYTES || headerBytes > HEADER_MAX_BYTES) return 'damaged'
  if (at + length > bytes.length) return 'torn'
  const record = bytes.subarray(at, at + length)
  const crc = crc32(record.subarray(COVERED_AT), seal.crcSeed)
  if (crc !== record.readUInt32LE(CRC_AT)) return 'damaged'
  const high = record.readUInt32LE(SEQUENCE_AT + 4)
  const sequence = high * TWO_POW_32 + record.readUInt32LE(SEQUENCE_AT)
  if (!Number.isSafeInteger(sequence)) return 'damaged'
  const header = record.subarray(0, headerBytes)
  const payload = record.subarray(headerBytes)
  return { sequence, bytes: length, content: decodeContent(header, payload) }
}

/**
 * The length that the record at `at` claims; not verified.
 *
 * @returns `undefined` when `bytes` is too short to tell
 */
export function recordBytes(bytes: Buffer, at: number): number | undefined {
  if (at + ENVELOPE_BYTES > bytes.length) return undefined
  return bytes.readUInt32LE(at + COVERED_AT) + bytes.readUInt32LE(at + PAYLOAD_LENGTH_AT)
}

function carriedHeader(content: Extract<RecordContent, { kind: 'carried' }>): Buffer {
  const header = Buffer.alloc(ENVELOPE_BYTES + content.header.length)
  header[VERSION_AT] = content.version
  header[KIND_AT] = content.kindByte
  content.header.copy(header, ENVELOPE_BYTES)
  return header
}

function writeHeader(content: Extract<RecordContent, { kind: 'write' }>): Buffer | undefined {
  const { write, output = '' } = content
  const { database, retentionPolicy, precision, credentials } = write.target
  const { authorization, query } = credentials
  const texts = [database, retentionPolicy, authorization, query, output]
  const headers = write.kind === 'opaque' ? Object.entries(write.headers).flat() : []
  const fields = [...texts, ...headers].map((text) => Buffer.from(text))
  if (fields.some(({ length }) => length > FIELD_MAX_BYTES)) return undefined
  if (headers.length / 2 > FIELD_MAX_BYTES) return undefined

  const fieldBytes = fields.reduce((sum, { length }) => sum + 2 + length, 0)
  const header = Buffer.alloc(FIELDS_AT + fieldBytes + 2)
  header[VERSION_AT] = VERSION
  header[KIND_AT] = KIND_BYTES[write.kind]
  header[PRECISION_AT] = PRECISIONS.indexOf(precision)
  header.writeUInt32LE(write.lineCount, LINE_COUNT_AT)
  header.writeDoubleLE(write.receivedAtMs, RECEIVED_AT)
  let at = FIELDS_AT
  for (const [index, field] of fields.entries()) {
    if (index === texts.length) at = header.writeUInt16LE(headers.length / 2, at)
    at = header.writeUInt16LE(field.length, at)
    at += field.copy(header, at)
  }
  return header
}

function decodeContent(header: Buffer, payload: Buffer): RecordContent {
  const version = header[VERSION_AT] ?? 0
  const kindByte = header[KIND_AT] ?? 0
  const known = version === VERSION ? decodeWrite(header, payload, kindByte) : undefined
  if (known !== undefined) return known
  return { kind: 'carried', version, kindByte, header: header.subarray(ENVELOPE_BYTES), payload }
}

/** @returns `undefined` when the header is intact but has an unknown layout */
function decodeWrite(header: Buffer, body: Buffer, kindByte: number): RecordContent | undefined {
  const kind = kindOf(kindByte)
  const precision = PRECISIONS[header[PRECISION_AT] ?? PRECISIONS.length]
  if (kind === undefined || precision === undefined || header.length < FIELDS_AT) return undefined
  const fields = decodeFields(header, precision)
  if (fields === undefined) return undefined
  const { target, output, headers } = fields
  const base = {
    target,
    body,
    lineCount: header.readUInt32LE(LINE_COUNT_AT),
    receivedAtMs: header.readDoubleLE(RECEIVED_AT),
  }
  const write = writeOfKind(kind, base, headers)
  return { kind: 'write', write, output }
}

interface Fields {
  readonly target: WriteTarget
  readonly output: string | undefined
  readonly headers: Readonly<Record<string, string>>
}

/**
 * The fields of the last decoded record. Most records have the same fields as the record before:
 * this cache makes reading a log of small records twice as fast, and they share one target object.
 */
let lastFields: (Fields & { readonly bytes: Buffer }) | undefined

function decodeFields(header: Buffer, precision: Precision): Fields | undefined {
  const bytes = header.subarray(FIELDS_AT)
  const last = lastFields
  if (last?.target.precision === precision && last.bytes.equals(bytes)) return last
  const fields = new FieldReader(header, FIELDS_AT)
  const database = fields.text()
  const retentionPolicy = fields.text()
  const credentials = { authorization: fields.text(), query: fields.text() }
  const output = fields.text() || undefined
  const pairs = Array.from({ length: fields.count() }, () => [fields.text(), fields.text()])
  if (fields.at !== header.length) return undefined
  const target = writeTarget({ database, retentionPolicy, precision, credentials })
  // Copy the bytes: a slice would keep the whole window of the record in memory.
  lastFields = { bytes: Buffer.from(bytes), target, output, headers: Object.fromEntries(pairs) }
  return lastFields
}

function kindOf(kindByte: number): Write['kind'] | undefined {
  const kinds: readonly Write['kind'][] = ['lines', 'statement', 'opaque']
  return kinds.find((kind) => KIND_BYTES[kind] === kindByte)
}

function writeOfKind(
  kind: Write['kind'],
  base: Omit<Extract<Write, { kind: 'lines' }>, 'kind'>,
  headers: Readonly<Record<string, string>>,
): Write {
  switch (kind) {
    case 'lines':
    case 'statement':
      return { kind, ...base }
    case 'opaque':
      return { kind, ...base, headers }
    default:
      return unreachable(kind)
  }
}

/** Reads the fields in order. Past the end it returns empty fields, and `at` exceeds the length. */
class FieldReader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  get at(): number {
    return this.#at
  }

  count(): number {
    const at = this.#at
    this.#at += 2
    return this.#at <= this.#bytes.length ? this.#bytes.readUInt16LE(at) : 0
  }

  text(): string {
    const length = this.count()
    const at = this.#at
    this.#at += length
    return this.#bytes.toString('utf8', at, this.#at)
  }
}
