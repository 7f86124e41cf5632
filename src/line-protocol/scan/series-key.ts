/**
 * The series key of a line: measurement and tags, up to the first unescaped space.
 *
 * Limits: 65,535 bytes, as in InfluxDB. Tags beyond this limit are not checked for duplicates,
 * because a key of many megabytes, which is refused anyway, would take many times its size in
 * memory.
 *
 * Not refused: exactly 100, 200, 400 … tags. InfluxDB 1.6 answers 500 to such a line, because it
 * writes past the end of a table, but 1.8 and later store it.
 */

import { byteAt, COMMA, EQUALS, HASH, isEscaped, latin1, SPACE } from '../bytes.ts'

/** InfluxDB's limit in bytes for a series key, and for a key with separator and field name. */
export const KEY_MAX_BYTES = 65_535

/** Length of `#!~#`, which separates series key and field name in InfluxDB's storage. */
export const SEPARATOR_BYTES = 4
const EXCLAMATION = 0x21
const TILDE = 0x7e

/** A slice of the line. */
export interface Span {
  readonly from: number
  readonly end: number
}

export interface SeriesKey extends Span {
  readonly measurementEnd: number
  readonly tagKeys: readonly Span[]
}

/** Reads the key at `from`. @returns InfluxDB's reason when it refuses it */
export function readKey(bytes: Buffer, from: number, end: number): SeriesKey | string {
  const measurementEnd = readMeasurement(bytes, from, end)
  if (typeof measurementEnd === 'string') return measurementEnd
  const tagKeys: Span[] = []
  let i = measurementEnd
  while (byteAt(bytes, i) === COMMA) {
    const key = readTagKey(bytes, i + 1, end)
    if (typeof key === 'string') return key
    if (i - from <= KEY_MAX_BYTES) tagKeys.push(key)
    const valueEnd = readTagValue(bytes, key.end + 1, end)
    if (typeof valueEnd === 'string') return valueEnd
    i = valueEnd
  }
  if (hasDuplicate(bytes, tagKeys)) return 'duplicate tags'
  if (i - from > KEY_MAX_BYTES) return `max key length exceeded: ${i - from} > ${KEY_MAX_BYTES}`
  return { from, end: i, measurementEnd, tagKeys }
}

function readMeasurement(bytes: Buffer, from: number, end: number): number | string {
  if (from >= end || byteAt(bytes, from) === COMMA) return 'missing measurement'
  for (let i = from + 1; i < end; i++) {
    const byte = byteAt(bytes, i)
    if ((byte === COMMA || byte === SPACE) && !isEscaped(bytes, i)) return i
  }
  return 'missing fields'
}

function readTagKey(bytes: Buffer, from: number, end: number): Span | string {
  if (from >= end) return 'missing tag key'
  const first = byteAt(bytes, from)
  if (first === SPACE || first === COMMA || first === EQUALS) return 'missing tag key'
  for (let i = from + 1; i < end; i++) {
    const byte = byteAt(bytes, i)
    if (byte !== SPACE && byte !== COMMA && byte !== EQUALS) continue
    if (isEscaped(bytes, i)) continue
    return byte === EQUALS ? { from, end: i } : 'missing tag value'
  }
  return 'missing tag value'
}

/** @returns the index of the comma or space after the value */
function readTagValue(bytes: Buffer, from: number, end: number): number | string {
  if (from >= end) return 'missing tag value'
  const first = byteAt(bytes, from)
  if (first === SPACE || first === COMMA) return 'missing tag value'
  for (let i = from + 1; i < end; i++) {
    const byte = byteAt(bytes, i)
    if (byte !== SPACE && byte !== COMMA && byte !== EQUALS) continue
    if (isEscaped(bytes, i)) continue
    return byte === EQUALS ? 'invalid tag format' : i
  }
  return 'missing fields'
}

function hasDuplicate(bytes: Buffer, tagKeys: readonly Span[]): boolean {
  if (tagKeys.length < 2) return false
  const names = new Set(tagKeys.map(({ from, end }) => latin1(bytes, from, end)))
  return names.size < tagKeys.length
}

/**
 * Whether InfluxDB would cut the key in the wrong place when it reads its files at the next start.
 * It cuts at the first `#!~#` of key, separator and field name. The rest of the key then names
 * another series, and the part that goes to the field name may not be UTF-8, in which case the
 * shard never opens again (measured on 1.6.7 with its default index).
 *
 * The value of any tag that ends in `#!~` counts: InfluxDB sorts the tags, so that tag may become
 * the last one, and the separator follows the last tag.
 */
export function holdsSeparator(bytes: Buffer, { from, end, measurementEnd }: SeriesKey): boolean {
  for (let i = from; i + 3 <= end; i++) {
    if (byteAt(bytes, i) !== HASH || !startsSeparator(bytes, i)) continue
    const behind = i + 3
    if (behind === end || byteAt(bytes, behind) === HASH) return true
    if (byteAt(bytes, behind) === COMMA && behind > measurementEnd) return true
  }
  return false
}

/** Whether `#!~` begins at `index`; the caller has already found the `#`. */
export function startsSeparator(bytes: Uint8Array, index: number): boolean {
  const isNext = index + 2 < bytes.length && byteAt(bytes, index + 1) === EXCLAMATION
  return isNext && byteAt(bytes, index + 2) === TILDE
}
