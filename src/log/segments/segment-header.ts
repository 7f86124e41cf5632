/**
 * The header of a segment file: format, first sequence number, roster, and nonce of its records.
 *
 * Little endian; a string is a two-byte length and then UTF-8:
 *
 *     offset  bytes
 *          0      8  89 "LRSEG" 0D 0A
 *          8      4  CRC32 of the rest of the header
 *         12      4  length of the header
 *         16      4  format version: 1
 *                    every later version keeps the fields down to here
 *         20      8  sequence number of the first record, if the segment has one
 *         28      8  the same number of the previous segment; 0 = there was none
 *         36     16  nonce, random: in the mark and checksum of each record (record.ts)
 *         52      2  number of outputs in the roster, then the name of each
 *
 * The header is padded to whole sectors of 512 bytes and written twice. No record can be checked
 * without the nonce, and one bad sector must not make a whole segment unreadable. Records follow.
 *
 * Promise: the checksum distinguishes a segment of a newer version from a damaged segment. This
 * module changes neither.
 */

import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import { type LogFile, readWhole } from '../file-system.ts'
import { type RecordSeal, recordSeal } from './record.ts'

const MAGIC = Buffer.from('\x89LRSEG\r\n', 'latin1')
const CRC_AT = 8
const COVERED_AT = 12
const LENGTH_AT = 12
const VERSION_AT = 16
const FIRST_SEQUENCE_AT = 20
const PREVIOUS_FIRST_AT = 28
const NONCE_AT = 36
const ROSTER_AT = 52
export const NONCE_BYTES = 16

const VERSION = 1
const SECTOR_BYTES = 512
/** Size of one copy; enough for far more outputs than any relay has. */
const COPY_MAX_BYTES = 256 * 1024

export interface SegmentHeader {
  readonly firstSequence: number
  /** 0 = there was no segment before this one. */
  readonly previousFirstSequence: number
  readonly nonce: Buffer
  /** Names of the outputs that the relay had when the segment was begun. */
  readonly roster: readonly string[]
}

export type FoundHeader =
  | {
      readonly kind: 'header'
      readonly header: SegmentHeader
      readonly seal: RecordSeal
      /** Where the first record is. */
      readonly recordsAt: number
    }
  | { readonly kind: 'newer'; readonly version: number }
  /** Neither copy of the header is intact. */
  | { readonly kind: 'unreadable' }

/** @returns both copies, the beginning of a new segment */
export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const names = header.roster.map((name) => Buffer.from(name))
  const length = names.reduce((sum, name) => sum + 2 + name.length, ROSTER_AT + 2)
  const copyBytes = Math.ceil(length / SECTOR_BYTES) * SECTOR_BYTES
  assert(copyBytes <= COPY_MAX_BYTES, `BUG: a roster of ${length} bytes`)
  const bytes = Buffer.alloc(2 * copyBytes)
  MAGIC.copy(bytes)
  bytes.writeUInt32LE(length, LENGTH_AT)
  bytes.writeUInt32LE(VERSION, VERSION_AT)
  bytes.writeBigUInt64LE(BigInt(header.firstSequence), FIRST_SEQUENCE_AT)
  bytes.writeBigUInt64LE(BigInt(header.previousFirstSequence), PREVIOUS_FIRST_AT)
  header.nonce.copy(bytes, NONCE_AT, 0, NONCE_BYTES)
  let at = bytes.writeUInt16LE(names.length, ROSTER_AT)
  for (const name of names) {
    at = bytes.writeUInt16LE(name.length, at)
    at += name.copy(bytes, at)
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(COVERED_AT, length)), CRC_AT)
  bytes.copy(bytes, copyBytes, 0, copyBytes)
  return bytes
}

/** Rejects only when the file cannot be read, whatever its content. */
export async function readSegmentHeader(file: LogFile): Promise<FoundHeader> {
  const few = await readWhole(file, Buffer.alloc(2 * SECTOR_BYTES), 0)
  const found = decodeSegmentHeader(few)
  if (found.kind !== 'unreadable') return found
  // The roster is long, or the first copy is damaged and its length is unknown: read the maximum.
  return decodeSegmentHeader(await readWhole(file, Buffer.alloc(2 * COPY_MAX_BYTES), 0))
}

function decodeSegmentHeader(bytes: Buffer): FoundHeader {
  for (let at = bytes.indexOf(MAGIC); at >= 0; at = bytes.indexOf(MAGIC, at + 1)) {
    if (at % SECTOR_BYTES !== 0) continue
    const found = decodeCopy(bytes.subarray(at))
    if (found.kind !== 'unreadable') return found
  }
  return { kind: 'unreadable' }
}

function decodeCopy(bytes: Buffer): FoundHeader {
  if (bytes.length < ROSTER_AT) return { kind: 'unreadable' }
  const length = bytes.readUInt32LE(LENGTH_AT)
  if (length < FIRST_SEQUENCE_AT || length > bytes.length) return { kind: 'unreadable' }
  const crc = crc32(bytes.subarray(COVERED_AT, length))
  if (crc !== bytes.readUInt32LE(CRC_AT)) return { kind: 'unreadable' }
  const version = bytes.readUInt32LE(VERSION_AT)
  if (version > VERSION) return { kind: 'newer', version }
  const firstSequence = Number(bytes.readBigUInt64LE(FIRST_SEQUENCE_AT))
  const previousFirstSequence = Number(bytes.readBigUInt64LE(PREVIOUS_FIRST_AT))
  if (!Number.isSafeInteger(firstSequence)) return { kind: 'unreadable' }
  const nonce = Buffer.from(bytes.subarray(NONCE_AT, NONCE_AT + NONCE_BYTES))
  return {
    kind: 'header',
    header: { firstSequence, previousFirstSequence, nonce, roster: decodeRoster(bytes) },
    seal: recordSeal(nonce),
    recordsAt: 2 * Math.ceil(length / SECTOR_BYTES) * SECTOR_BYTES,
  }
}

function decodeRoster(bytes: Buffer): string[] {
  let at = ROSTER_AT + 2
  return Array.from({ length: bytes.readUInt16LE(ROSTER_AT) }, () => {
    const end = at + 2 + bytes.readUInt16LE(at)
    const name = bytes.toString('utf8', at + 2, end)
    at = end
    return name
  })
}
