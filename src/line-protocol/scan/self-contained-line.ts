/**
 * Makes an accepted line safe to join with other lines: with a timestamp, and with an end that does
 * not depend on the next line.
 *
 * Bodies are joined before InfluxDB sees them. Some lines are valid only at the end of a body:
 * `m v="a"\` is a point there, but joined with the next line its backslash escapes the newline, and
 * one of the two is lost. Nor can a timestamp be appended to such a line. So this file tries
 * several spellings of the line, parses each one, and takes the first that InfluxDB would store
 * identically.
 */

import { byteAt, latin1, NEWLINE, QUOTE, skipBlanks } from '../bytes.ts'
import { eachField } from './fields.ts'
import { settledLineEnd } from './line-end.ts'
import { type Point, type PointOptions, readPoint } from './point.ts'
import type { Span } from './series-key.ts'

/** Whether the newline at `end - 1` ends the line at `from`, independent of the bytes after it. */
export function isSettled(bytes: Uint8Array, from: number, end: number): boolean {
  return byteAt(bytes, end - 1) === NEWLINE && settledLineEnd(bytes, from, end) === end - 1
}

/**
 * The line of `point` with a timestamp and a newline, with the same meaning between other lines.
 *
 * @param line the line as received, without its newline
 * @param stamp decimal digits, for a line without a timestamp
 * @returns `undefined` when the line has no such spelling
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

/** InfluxDB removes the first and last byte of a string and unescapes the rest; `"` marks one. */
function storedValue(value: string): string {
  if (value.charCodeAt(0) !== QUOTE) return value
  return `"${value.slice(1, -1).replace(/\\(["\\])/g, '$1')}`
}

function slice(bytes: Buffer, { from, end }: Span): string {
  return latin1(bytes, from, end)
}
