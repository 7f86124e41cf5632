/**
 * Makes an accepted line safe among strangers: with a timestamp, and with an end that stays its
 * end.
 *
 * Bodies are joined before InfluxDB sees them. A line may be accepted only because nothing follows
 * it: `m v="a"\` at the end of a body is a point, but joined with the next line its backslash
 * escapes the newline, and one of the two is lost. Nor can a timestamp be put behind such a line.
 * So each form that might do is read again, and the first that InfluxDB would store identically is
 * taken.
 */

import { byteAt, latin1, NEWLINE, QUOTE, skipBlanks } from '../bytes.ts'
import { eachField } from './fields.ts'
import { settledLineEnd } from './line-end.ts'
import { type Point, type PointOptions, readPoint } from './point.ts'
import type { Span } from './series-key.ts'

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
  const { bytes, key, fields, timestamp } = point
  const time = slice(bytes, timestamp) || stamp()
  const received = slice(bytes, line)
  const forms = [
    () => (timestamp.from < timestamp.end ? received : `${received} ${time}`),
    () => `${slice(bytes, key)} ${slice(bytes, fields)} ${time}`,
    () => `${slice(bytes, key)} ${renderFields(point)} ${time}`,
  ]
  for (const form of forms) {
    const candidate = Buffer.from(`${form()}\n`, 'latin1')
    if (!isSettled(candidate, 0, candidate.length)) continue
    const from = skipBlanks(candidate, 0, candidate.length)
    const read = readPoint(candidate, { from, end: candidate.length - 1 }, options)
    if (typeof read !== 'string' && 'key' in read && isSame(read, point, time)) return candidate
  }
  return undefined
}

/** Whether InfluxDB stores for `left` what it stores for `right` at `time`. */
function isSame(left: Point, right: Point, time: string): boolean {
  if (slice(left.bytes, left.key) !== slice(right.bytes, right.key)) return false
  if (slice(left.bytes, left.timestamp) !== time) return false
  const others = eachField(right.bytes, right.fields)
  for (const field of eachField(left.bytes, left.fields)) {
    const other = others.next()
    if (other.done === true) return false
    if (slice(left.bytes, field.key) !== slice(right.bytes, other.value.key)) return false
    const value = storedValue(slice(left.bytes, field.value))
    if (value !== storedValue(slice(right.bytes, other.value.value))) return false
  }
  return others.next().done === true
}

function renderFields({ bytes, fields }: Point): string {
  let text = ''
  for (const { key, value } of eachField(bytes, fields)) {
    text += `${text === '' ? '' : ','}${slice(bytes, key)}=${renderValue(slice(bytes, value))}`
  }
  return text
}

function renderValue(value: string): string {
  if (value.charCodeAt(0) !== QUOTE) return value
  return `"${storedValue(value).slice(1).replace(/["\\]/g, '\\$&')}"`
}

/** A string is cut of its first and last byte, whatever they are, and unescaped; `"` marks it. */
function storedValue(value: string): string {
  if (value.charCodeAt(0) !== QUOTE) return value
  return `"${value.slice(1, -1).replace(/\\(["\\])/g, '$1')}`
}

/** Bytes as latin1: one character a byte, nothing lost. */
function slice(bytes: Buffer, { from, end }: Span): string {
  return latin1(bytes, from, end)
}
