/**
 * Finds the end of a line: a newline that is neither escaped nor inside a quoted string.
 *
 * InfluxDB splits a body into lines before it parses any line, and has separate rules for that: it
 * counts the `=` and `,` after the first space, and recognises quotes and backslashes in comments
 * too. With other rules the relay would see other lines than the database.
 */

import { BACKSLASH, byteAt, COMMA, EQUALS, NEWLINE, QUOTE, SPACE } from '../bytes.ts'

/**
 * The end of the line at `from` as InfluxDB finds it in a body of `end` bytes.
 *
 * @returns the index of the newline, or `end` for a last line without one
 */
export function lineEnd(bytes: Uint8Array, from: number, end: number): number {
  // A backslash escapes nothing where fewer than two bytes follow it.
  return Math.min(endOfLine(bytes, from, { end, escapesBefore: end - 2 }), end)
}

/**
 * The end of the line at `from`, independent of the bytes after `end`.
 *
 * @returns the index of the newline; `end` or more when the line continues beyond `end`
 */
export function settledLineEnd(bytes: Uint8Array, from: number, end: number): number {
  return endOfLine(bytes, from, { end, escapesBefore: end })
}

interface Reach {
  readonly end: number
  /** A backslash at this index or later escapes nothing. */
  readonly escapesBefore: number
}

function endOfLine(bytes: Uint8Array, from: number, reach: Reach): number {
  // Before the first space, quotes, `=` and `,` do not count.
  let i = from
  while (i < reach.end) {
    const byte = byteAt(bytes, i)
    if (byte === NEWLINE) return i
    if (byte === SPACE) return endOfFields(bytes, i, reach)
    i += byte === BACKSLASH && i < reach.escapesBefore ? 2 : 1
  }
  return i
}

function endOfFields(bytes: Uint8Array, from: number, { end, escapesBefore }: Reach): number {
  let quoted = false
  let equals = 0
  let commas = 0
  let i = from
  while (i < end) {
    const byte = byteAt(bytes, i)
    if (byte === BACKSLASH && i < escapesBefore) i++
    else if (byte === QUOTE) quoted = equals > commas ? !quoted : quoted
    else if (!quoted) {
      if (byte === NEWLINE) return i
      if (byte === EQUALS) equals++
      if (byte === COMMA) commas++
    }
    i++
  }
  return i
}
