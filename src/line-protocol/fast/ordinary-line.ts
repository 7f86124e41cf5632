/**
 * The middle tier of the scanner: decides on an ordinary line in one pass, without allocation.
 *
 * An ordinary line is what clients usually send: no blanks except the two separators, no two
 * consecutive backslashes outside strings, numbers that are in range by their length alone, and no
 * beginning of the separator of InfluxDB's storage in the key. InfluxDB accepts such a line, splits
 * it in the same places as the relay, and reads it in the same way between any other lines. Any
 * other line is "not ordinary", never "refused": point.ts decides on it.
 *
 * Limits: 64 tags, 32,000 bytes of key or field name; beyond, a line is not ordinary.
 */

import { isUtf8 } from 'node:buffer'

import {
  BACKSLASH,
  byteAt,
  COMMA,
  DOT,
  EQUALS,
  HASH,
  isDigit,
  isExponent,
  latin1,
  MINUS,
  NEWLINE,
  NINE,
  NUL,
  PLUS,
  QUOTE,
  SPACE,
  TAB,
} from '../bytes.ts'
import type { Precision } from '../precision.ts'
import { isBoolean } from '../scan/number.ts'
import { startsSeparator } from '../scan/series-key.ts'
import { type PlainTimestamps, plainTimestamps } from '../scan/timestamp.ts'

const TAGS_MAX = 64
/** A key and a field name that both have this length are together below InfluxDB's limit. */
const NAME_MAX_BYTES = 32_000
/** Up to this length a float is in range if its exponent has at most two digits. */
const FLOAT_PLAIN_MAX_BYTES = 200
const INTEGER_PLAIN_MAX_DIGITS = 18

const STOP = 1
const HIGH = 2
const ESCAPE = 3
const MARK = 4
const NAME_STOPS = byteTable([COMMA, SPACE, NEWLINE])
const FIELD_STOPS = byteTable([COMMA, SPACE, NEWLINE, EQUALS, QUOTE])
const TAG_STOPS = byteTable([COMMA, SPACE, NEWLINE, EQUALS])
NAME_STOPS[HASH] = MARK
TAG_STOPS[HASH] = MARK
NAME_STOPS.fill(HIGH, 0x80)
FIELD_STOPS.fill(HIGH, 0x80)

function byteTable(stops: readonly number[]): Uint8Array {
  const table = new Uint8Array(256)
  for (const byte of stops) table[byte] = STOP
  table[BACKSLASH] = ESCAPE
  return table
}

/** Not an ordinary line. */
const ODD = 0

export class OrdinaryLines {
  readonly #bytes: Buffer
  readonly #timestamps: PlainTimestamps
  readonly #tagFroms: number[] = []
  readonly #tagEnds: number[] = []
  #isUtf8: boolean | undefined

  /** @param bytes ends in a newline, which stops every loop here */
  constructor(bytes: Buffer, precision: Precision) {
    this.#bytes = bytes
    this.#timestamps = plainTimestamps(precision)
  }

  /**
   * Reads the line at `from`.
   *
   * @returns the start of the next line; its negative if this line lacks a timestamp; 0 if this
   * line is not ordinary
   */
  read(from: number): number {
    const keyEnd = this.#keyEnd(from)
    if (keyEnd === ODD) return ODD
    const fieldsEnd = this.#fieldsEnd(keyEnd + 1)
    if (fieldsEnd === ODD) return ODD
    if (byteAt(this.#bytes, fieldsEnd) === NEWLINE) return -(fieldsEnd + 1)
    return this.#timestampEnd(fieldsEnd + 1)
  }

  #keyEnd(from: number): number {
    const bytes = this.#bytes
    const first = byteAt(bytes, from)
    if (first === HASH || first === TAB || first === NUL) return ODD
    let i = this.#nameEnd(from, NAME_STOPS)
    if (i === from) return ODD
    let tagCount = 0
    let sorted = true
    while (byteAt(bytes, i) === COMMA) {
      const tagEnd = tagStop(bytes, i + 1)
      if (byteAt(bytes, tagEnd) !== EQUALS || tagEnd === i + 1 || tagCount === TAGS_MAX) return ODD
      this.#tagFroms[tagCount] = i + 1
      this.#tagEnds[tagCount] = tagEnd
      sorted = sorted && (tagCount === 0 || this.#compareTags(tagCount - 1, tagCount) < 0)
      tagCount++
      i = tagStop(bytes, tagEnd + 1)
      if (i === tagEnd + 1) return ODD
    }
    if (byteAt(bytes, i) !== SPACE || i - from > NAME_MAX_BYTES) return ODD
    return sorted || !this.#hasDuplicateTag(tagCount) ? i : ODD
  }

  /** The first byte at or after `from` that ends a name. */
  #nameEnd(from: number, stops: Uint8Array): number {
    const bytes = this.#bytes
    let i = from
    for (;;) {
      while (entryAt(stops, byteAt(bytes, i)) === 0) i++
      const stop = entryAt(stops, byteAt(bytes, i))
      if (stop === STOP) return i
      // If the whole body is UTF-8, so is every name, because names are cut at ASCII bytes.
      if (stop === HIGH && !this.#isUtf8Body()) return from
      if (stop === MARK && startsSeparator(bytes, i)) return from
      i = stop === ESCAPE ? escapeEnd(bytes, i) : i + 1
      if (i === ODD) return from
    }
  }

  #isUtf8Body(): boolean {
    this.#isUtf8 ??= isUtf8(this.#bytes)
    return this.#isUtf8
  }

  #compareTags(left: number, right: number): number {
    const bytes = this.#bytes
    const leftEnd = offsetAt(this.#tagEnds, left)
    const rightEnd = offsetAt(this.#tagEnds, right)
    let i = offsetAt(this.#tagFroms, left)
    let j = offsetAt(this.#tagFroms, right)
    while (i < leftEnd && j < rightEnd) {
      const difference = byteAt(bytes, i) - byteAt(bytes, j)
      if (difference !== 0) return difference
      i++
      j++
    }
    return leftEnd - i - (rightEnd - j)
  }

  #hasDuplicateTag(tagCount: number): boolean {
    for (let left = 0; left < tagCount; left++) {
      for (let right = left + 1; right < tagCount; right++) {
        if (this.#compareTags(left, right) === 0) return true
      }
    }
    return false
  }

  /** @returns the index of the space or newline after the fields */
  #fieldsEnd(from: number): number {
    const bytes = this.#bytes
    let i = from
    for (;;) {
      let equalsAt = i
      // Try a plain name first: this loop has a constant table, which is faster than an argument.
      while (entryAt(FIELD_STOPS, byteAt(bytes, equalsAt)) === 0) equalsAt++
      if (byteAt(bytes, equalsAt) !== EQUALS) equalsAt = this.#nameEnd(i, FIELD_STOPS)
      if (equalsAt === i || byteAt(bytes, equalsAt) !== EQUALS) return ODD
      if (equalsAt - i > NAME_MAX_BYTES) return ODD
      i = valueEnd(bytes, equalsAt + 1)
      if (i === ODD) return ODD
      const behind = byteAt(bytes, i)
      if (behind === SPACE || behind === NEWLINE) return i
      if (behind !== COMMA) return ODD
      i++
    }
  }

  /** @returns the index after the newline */
  #timestampEnd(from: number): number {
    const bytes = this.#bytes
    const { digitsMax, firstMax } = this.#timestamps
    const digitsFrom = byteAt(bytes, from) === MINUS ? from + 1 : from
    const end = digitsEnd(bytes, digitsFrom)
    const digits = end - digitsFrom
    if (byteAt(bytes, end) !== NEWLINE || digits === 0 || digits > digitsMax) return ODD
    if (digits === digitsMax && byteAt(bytes, digitsFrom) > firstMax) return ODD
    return end + 1
  }
}

// Not `byteAt`: V8 would then see two kinds of array there, and be slow for both.
function entryAt(table: Uint8Array, byte: number): number {
  return table[byte] as number
}

function offsetAt(values: readonly number[], index: number): number {
  return values[index] as number
}

function tagStop(bytes: Uint8Array, from: number): number {
  let i = from
  for (;;) {
    while (entryAt(TAG_STOPS, byteAt(bytes, i)) === 0) i++
    const byte = byteAt(bytes, i)
    if (byte === HASH && !startsSeparator(bytes, i)) i++
    else if (byte === BACKSLASH) i = escapeEnd(bytes, i)
    else return byte === HASH ? from : i
    if (i === ODD) return from
  }
}

/**
 * The index after the backslash at `index` and after the byte that it escapes.
 *
 * All scanners of InfluxDB read a single backslash in the same way. They disagree on two in a row:
 * for some the second backslash is escaped, for others it escapes the next byte.
 */
function escapeEnd(bytes: Uint8Array, index: number): number {
  const next = byteAt(bytes, index + 1)
  if (next === BACKSLASH || next === NEWLINE) return ODD
  return next === COMMA || next === SPACE || next === EQUALS ? index + 2 : index + 1
}

function digitsEnd(bytes: Uint8Array, from: number): number {
  let i = from
  while (isDigit(byteAt(bytes, i))) i++
  return i
}

function valueEnd(bytes: Buffer, from: number): number {
  const first = byteAt(bytes, from)
  if (first === QUOTE) return stringEnd(bytes, from + 1)
  if (isDigit(first) || first === MINUS || first === DOT) return numberEnd(bytes, from)
  return booleanEnd(bytes, from)
}

/** A string may hold newlines; a backslash in a string is skipped together with the next byte. */
function stringEnd(bytes: Uint8Array, from: number): number {
  const end = bytes.length
  let i = from
  while (i < end) {
    const byte = byteAt(bytes, i)
    if (byte === QUOTE) return i + 1 < end ? i + 1 : ODD
    i += byte === BACKSLASH ? 2 : 1
  }
  return ODD
}

function numberEnd(bytes: Uint8Array, from: number): number {
  const digitsFrom = byteAt(bytes, from) === MINUS ? from + 1 : from
  let i = digitsEnd(bytes, digitsFrom)
  let digits = i - digitsFrom
  if (byteAt(bytes, i) === 0x69) {
    return digits > 0 && digits <= INTEGER_PLAIN_MAX_DIGITS ? i + 1 : ODD
  }
  if (byteAt(bytes, i) === DOT) {
    const fractionFrom = i + 1
    i = digitsEnd(bytes, fractionFrom)
    digits += i - fractionFrom
  }
  if (digits === 0 || digits > FLOAT_PLAIN_MAX_BYTES) return ODD
  return isExponent(byteAt(bytes, i)) ? exponentEnd(bytes, i + 1) : i
}

function exponentEnd(bytes: Uint8Array, from: number): number {
  const sign = byteAt(bytes, from)
  const digitsFrom = sign === MINUS || sign === PLUS ? from + 1 : from
  const end = digitsEnd(bytes, digitsFrom)
  const digits = end - digitsFrom
  return digits === 1 || digits === 2 ? end : ODD
}

function booleanEnd(bytes: Buffer, from: number): number {
  let end = from
  while (byteAt(bytes, end) > NINE) end++
  // The longest spelling is "false".
  return end - from <= 5 && isBoolean(latin1(bytes, from, end)) ? end : ODD
}
