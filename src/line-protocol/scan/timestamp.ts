/**
 * Timestamps: the forms that InfluxDB accepts, and its range.
 *
 * Limits: ±9,223,372,036,854,775,806 nanoseconds around the Unix epoch, as in InfluxDB.
 */

import {
  byteAt,
  EIGHT,
  isDigit,
  latin1,
  MINUS,
  NEWLINE,
  NINE,
  SPACE,
  skipBlanks,
} from '../bytes.ts'
import { nsPer, type Precision } from '../precision.ts'
import { isInteger } from './number.ts'
import type { Span } from './series-key.ts'

const TIME_MAX_NS = 9_223_372_036_854_775_806n
const OUT_OF_RANGE = `time outside range -${TIME_MAX_NS} - ${TIME_MAX_NS}`

/**
 * Reads the rest of a line from the end of its fields. An empty span means that the line has no
 * timestamp; InfluxDB ignores the bytes after it.
 *
 * @returns InfluxDB's reason when it refuses the rest
 */
export function readTimestamp(bytes: Buffer, rest: Span, precision: Precision): Span | string {
  const span = digitsAt(bytes, skipBlanks(bytes, rest.from, rest.end), rest.end)
  if (span === undefined) return 'bad timestamp'
  if (span.from === span.end) return span
  const text = latin1(bytes, span.from, span.end)
  if (!isInteger(text)) {
    const why = text === '-' ? 'invalid syntax' : 'value out of range'
    return `strconv.ParseInt: parsing "${text}": ${why}`
  }
  const timeNs = BigInt(text) * nsPer(precision)
  if (timeNs > TIME_MAX_NS || timeNs < -TIME_MAX_NS) return OUT_OF_RANGE
  for (let i = span.end; i < rest.end; i++) {
    if (byteAt(bytes, i) !== SPACE) return 'point is invalid'
  }
  return span
}

/** @returns `undefined` when the text at `from` is not a number */
function digitsAt(bytes: Buffer, from: number, end: number): Span | undefined {
  let i = from
  while (i < end) {
    const byte = byteAt(bytes, i)
    if (byte === NEWLINE || byte === SPACE) break
    if (!isDigit(byte) && !(byte === MINUS && i === from)) return undefined
    i++
  }
  return { from, end: i }
}

/** The timestamp of a scanned line, searched backwards from its end. */
export function endingTimestamp(lines: Buffer, start: number, lineEnd: number): Span {
  let end = lineEnd
  // Only spaces may follow the timestamp.
  while (byteAt(lines, end - 1) === NEWLINE || byteAt(lines, end - 1) === SPACE) end--
  let from = end
  while (from > start && (isDigit(byteAt(lines, from - 1)) || byteAt(lines, from - 1) === MINUS)) {
    from--
  }
  return { from, end }
}

/** The longest timestamps that are known to be in range without arithmetic. */
export interface PlainTimestamps {
  readonly digitsMax: number
  /** For a number of `digitsMax` digits: its greatest first digit. */
  readonly firstMax: number
}

const PLAIN: Readonly<Record<Precision, PlainTimestamps>> = {
  ns: { digitsMax: 19, firstMax: EIGHT },
  us: { digitsMax: 16, firstMax: EIGHT },
  ms: { digitsMax: 13, firstMax: EIGHT },
  s: { digitsMax: 10, firstMax: EIGHT },
  m: { digitsMax: 8, firstMax: NINE },
  h: { digitsMax: 6, firstMax: NINE },
}

/** @returns which timestamps of `precision` are in range by their length */
export function plainTimestamps(precision: Precision): PlainTimestamps {
  return PLAIN[precision]
}
