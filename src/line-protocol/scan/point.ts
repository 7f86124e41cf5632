/**
 * The slow tier of the scanner: reads one line by all of InfluxDB's rules, with escapes, quotes,
 * and every reason to refuse a line.
 *
 * Also refuses lines that InfluxDB accepts and then fails on: names that are not UTF-8 (500, or a
 * shard that does not open after a restart: influxdb#10583, #10584), series keys that InfluxDB's
 * storage would cut in the wrong place, and values that InfluxDB cannot store.
 *
 * Reasons are latin1 strings of the bytes that InfluxDB would write; see parse-errors.ts.
 */

import { isUtf8 } from 'node:buffer'

import { latin1, skipBlanks } from '../bytes.ts'
import type { Precision } from '../precision.ts'
import { eachField, fieldAt, isStorable, readFieldsEnd } from './fields.ts'
import {
  holdsSeparator,
  KEY_MAX_BYTES,
  readKey,
  SEPARATOR_BYTES,
  type SeriesKey,
  type Span,
} from './series-key.ts'
import { readTimestamp } from './timestamp.ts'

export interface PointOptions {
  readonly precision: Precision
  readonly unsignedIntegers: boolean
}

/** An accepted line, as slices of its buffer. */
export interface Point {
  readonly bytes: Buffer
  readonly key: SeriesKey
  readonly fields: Span
  /** Empty when the line has no timestamp. */
  readonly timestamp: Span
}

/** A line that InfluxDB accepts, and that then makes it fail the whole request. */
export interface Unstorable {
  readonly unstorable: string
}

/** Reads the line in `span`, without its newline. @returns the reason when it is refused */
export function readPoint(
  bytes: Buffer,
  span: Span,
  options: PointOptions,
): Point | Unstorable | string {
  const { end } = span
  const { unsignedIntegers, precision } = options
  const key = readKey(bytes, span.from, end)
  if (typeof key === 'string') return key

  const from = skipBlanks(bytes, key.end, end)
  const fieldsEnd = readFieldsEnd(bytes, { from, end, unsignedIntegers })
  if (typeof fieldsEnd === 'string') return fieldsEnd
  if (fieldsEnd === from) return 'missing fields'

  const fieldsProblem = lengthProblem(bytes, key, { from, end: fieldsEnd })
  if (fieldsProblem !== '') return fieldsProblem

  const timestamp = readTimestamp(bytes, { from: fieldsEnd, end }, precision)
  if (typeof timestamp === 'string') return timestamp
  const point = { bytes, key, fields: { from, end: fieldsEnd }, timestamp }
  const unstorable = storageProblem(point)
  return unstorable === '' ? point : { unstorable }
}

/** InfluxDB's reason if a name is too long, or has no value by the iterator's rules; else ''. */
function lengthProblem(bytes: Buffer, key: SeriesKey, { from, end }: Span): string {
  let start = from
  while (start < end) {
    const field = fieldAt(bytes, start, end)
    if ('problem' in field) return field.problem
    const size = key.end - key.from + SEPARATOR_BYTES + field.key.end - field.key.from
    if (size > KEY_MAX_BYTES) return `max key length exceeded: ${size} > ${KEY_MAX_BYTES}`
    start = field.value.end + 1
  }
  return ''
}

/** Why the accepted line would cause a 500, a broken shard or a crash of InfluxDB; else ''. */
function storageProblem({ bytes, key, fields }: Point): string {
  if (!isUtf8(bytes.subarray(key.from, key.measurementEnd))) return 'measurement is not valid UTF-8'
  if (holdsSeparator(bytes, key)) return 'series key contains #!~#'
  for (const { key: name, value } of eachField(bytes, fields)) {
    if (!isUtf8(bytes.subarray(name.from, name.end))) return 'field key is not valid UTF-8'
    // InfluxDB drops a field of this name without reading its value.
    if (latin1(bytes, name.from, name.end) === 'time') continue
    if (!isStorable(bytes, value)) return 'invalid field value'
  }
  return ''
}
