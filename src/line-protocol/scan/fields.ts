/**
 * The fields of a line, as InfluxDB reads them: twice, by two different rules.
 *
 * On receipt InfluxDB checks fields with a scanner that skips a backslash together with the next
 * byte, and recognises a quote only in a value. On storing, it uses an iterator that takes a byte
 * after a backslash for escaped, and recognises every quote after the first `=`. The two disagree
 * on `a\\="="`: the scanner sees the field `a\\` and accepts the line; the iterator sees the field
 * `a\\="` with the value `"`, and the process panics when it removes the quotes. `a=",b"=1,"="` has
 * the same effect. For a value that the iterator cannot read at all, InfluxDB fails the whole
 * request (500). So this file applies both rules, and refuses what the iterator cannot read.
 */

import {
  BACKSLASH,
  byteAt,
  COMMA,
  DOT,
  EQUALS,
  isDigit,
  latin1,
  MINUS,
  QUOTE,
  SPACE,
} from '../bytes.ts'
import { bareValueEnd, isBoolean, isFloat, isInteger, isUnsigned, numberProblem } from './number.ts'
import type { Span } from './series-key.ts'

/** One field as InfluxDB stores it: slices of the line, still escaped. */
export interface Field {
  readonly key: Span
  readonly value: Span
}

interface Section extends Span {
  readonly unsignedIntegers: boolean
}

/** The end of the fields at `from`. @returns InfluxDB's reason when it refuses them */
export function readFieldsEnd(bytes: Buffer, section: Section): number | string {
  const { from, end } = section
  let quoted = false
  let equals = 0
  let commas = 0
  let i = from
  while (i < end) {
    const byte = byteAt(bytes, i)
    i += byte === BACKSLASH && i + 1 < end ? 2 : 1
    if (byte === QUOTE && equals > commas) quoted = !quoted
    if (quoted) continue
    if (byte === SPACE) {
      i--
      break
    }
    if (byte === COMMA) commas++
    if (byte !== EQUALS) continue
    equals++
    const valueEnd = readValueEnd(bytes, i - 1, section)
    if (typeof valueEnd === 'string') return valueEnd
    i = valueEnd
  }
  if (quoted) return 'unbalanced quotes'
  const isPaired = equals > 0 && commas === equals - 1
  return isPaired ? i : 'invalid field format'
}

/**
 * @returns the end of the unquoted value after the `=` at `equalsAt`; for a quoted value its start,
 * and the caller finds the end
 */
function readValueEnd(
  bytes: Buffer,
  equalsAt: number,
  { end, unsignedIntegers }: Section,
): number | string {
  const before = byteAt(bytes, equalsAt - 1)
  if ((before === SPACE || before === COMMA) && byteAt(bytes, equalsAt - 2) !== BACKSLASH) {
    return 'missing field key'
  }
  const from = equalsAt + 1
  if (from >= end) return 'missing field value'
  const first = byteAt(bytes, from)
  if (first === COMMA || first === SPACE) return 'missing field value'
  if (first === QUOTE) return from
  const valueEnd = bareValueEnd(bytes, from, end)
  if (startsNumber(first)) {
    return numberProblem(bytes, { from, end: valueEnd, unsignedIntegers }) || valueEnd
  }
  return isBoolean(latin1(bytes, from, Math.min(valueEnd, from + 6))) ? valueEnd : 'invalid boolean'
}

function startsNumber(byte: number): boolean {
  // NaN goes to the rules for numbers, which refuse it with the reason "invalid number".
  return isDigit(byte) || byte === DOT || byte === MINUS || byte === 0x6e || byte === 0x4e
}

/** The rest of the fields when they end in a key without a value. */
export interface Leftover {
  /** InfluxDB's reason, as latin1 bytes. */
  readonly problem: string
}

/**
 * The field at `from` by the iterator's rules, in a section that ends at `end`. The next field
 * begins after the comma that follows.
 */
export function fieldAt(bytes: Buffer, from: number, end: number): Field | Leftover {
  const equalsAt = stopAt(bytes, from, end)
  if (equalsAt > end - 2) {
    return { problem: `invalid value: field-key=${latin1(bytes, from, equalsAt)}` }
  }
  const valueEnd = storedValueEnd(bytes, equalsAt + 1, end)
  return { key: { from, end: equalsAt }, value: { from: equalsAt + 1, end: valueEnd } }
}

/** The fields of an accepted section, in order. A generator, because a line may hold millions. */
export function* eachField(bytes: Buffer, { from, end }: Span): Generator<Field> {
  let start = from
  while (start < end) {
    const field = fieldAt(bytes, start, end)
    if ('problem' in field) return
    yield field
    start = field.value.end + 1
  }
}

/** The first `=` that begins the section or does not follow a backslash. */
function stopAt(bytes: Buffer, from: number, end: number): number {
  for (let i = from; i < end; i++) {
    if (byteAt(bytes, i) !== EQUALS) continue
    if (i === from || byteAt(bytes, i - 1) !== BACKSLASH) return i
  }
  return end
}

function storedValueEnd(bytes: Buffer, from: number, end: number): number {
  let quoted = false
  let i = from
  while (i < end) {
    const byte = byteAt(bytes, i)
    if (byte === BACKSLASH && i + 1 < end) {
      const next = byteAt(bytes, i + 1)
      i += next === QUOTE || next === BACKSLASH ? 2 : 1
      continue
    }
    if (byte === QUOTE) quoted = !quoted
    else if (byte === COMMA && !quoted) break
    i++
  }
  return i
}

/** Whether InfluxDB can store this value: it does not panic, and does not answer 500. */
export function isStorable(bytes: Buffer, { from, end }: Span): boolean {
  if (from >= end) return false
  const first = byteAt(bytes, from)
  if (first === QUOTE) return end - from > 1
  const text = latin1(bytes, from, end)
  if (!'0123456789-.nNiIu'.includes(text.charAt(0))) return isBoolean(text)
  if (text.endsWith('i')) return isInteger(text.slice(0, -1))
  return text.endsWith('u') ? isUnsigned(text.slice(0, -1)) : isFloat(text)
}
