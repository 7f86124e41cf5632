/**
 * Makes an accepted line safe among strangers: with a timestamp, and with an end that stays its end.
 *
 * Bodies are joined before InfluxDB sees them. A line may be accepted only because nothing follows it:
 * `m v="a"\` at the end of a body is a point, but joined with the next line its backslash escapes the
 * newline, and one of the two is lost. Nor can a timestamp be put behind such a line. So each form
 * that might do is read again, and the first that InfluxDB would store identically is taken.
 */

import { BACKSLASH, byteAt, latin1, NEWLINE, QUOTE, skipBlanks } from './bytes.ts'
import type { Span } from './key.ts'
import { settledLineEnd } from './line-end.ts'
import { type Point, type PointOptions, readPoint } from './point.ts'

/** Whether the newline at `end - 1` ends the line that begins at `from`, whatever follows. */
export function isSettled(bytes: Uint8Array, from: number, end: number): boolean {
  return byteAt(bytes, end - 1) === NEWLINE && settledLineEnd(bytes, from, end) === end - 1
}

/**
 * The line of `point` with a timestamp and a newline, meaning the same wherever it stands.
 *
 * @param line the line as received, without its newline
 * @param stamp decimal digits, for a line without a timestamp
 * @returns `undefined` when it has no such form
 */
export function settle(
  point: Point,
  { line, stamp, options }: { line: Span; stamp: () => string; options: PointOptions },
): Buffer | undefined {
  const { bytes, key, fieldsSpan, timestamp } = point
  const time = slice(bytes, timestamp) || stamp()
  const keyText = slice(bytes, key)
  const received = slice(bytes, line)
  const forms = [
    timestamp.from < timestamp.end ? received : `${received} ${time}`,
    `${keyText} ${slice(bytes, fieldsSpan)} ${time}`,
    `${keyText} ${renderFields(point)} ${time}`,
  ]
  for (const form of forms) {
    const candidate = Buffer.from(`${form}\n`, 'latin1')
    if (!isSettled(candidate, 0, candidate.length)) continue
    const from = skipBlanks(candidate, 0, candidate.length)
    const read = readPoint(candidate, { from, end: candidate.length - 1 }, options)
    if (typeof read !== 'string' && meaning(read, '') === meaning(point, time)) return candidate
  }
  return undefined
}

/** What InfluxDB stores for a point, in a form to compare. */
function meaning({ bytes, key, fields, timestamp }: Point, stamp: string): string {
  const names = fields.map((field) => slice(bytes, field.key))
  const values = fields.map((field) => storedValue(slice(bytes, field.value)))
  return JSON.stringify([slice(bytes, key), names, values, slice(bytes, timestamp) || stamp])
}

function renderFields({ bytes, fields }: Point): string {
  return fields
    .map((field) => `${slice(bytes, field.key)}=${renderValue(slice(bytes, field.value))}`)
    .join()
}

function renderValue(value: string): string {
  if (value.charCodeAt(0) !== QUOTE) return value
  return `"${storedValue(value).slice(1).replace(/["\\]/g, '\\$&')}"`
}

/** A string is cut of its first and last byte, whatever they are, and unescaped; `"` marks it. */
function storedValue(value: string): string {
  if (value.charCodeAt(0) !== QUOTE) return value
  const inner = value.slice(1, -1)
  return `"${inner.includes(String.fromCharCode(BACKSLASH)) ? inner.replace(/\\(["\\])/g, '$1') : inner}`
}

/** Bytes as latin1: one character a byte, nothing lost. */
function slice(bytes: Buffer, { from, end }: Span): string {
  return latin1(bytes, from, end)
}
