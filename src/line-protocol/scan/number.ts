/**
 * Numbers and booleans that InfluxDB accepts as a field value, and its reasons for refusing others.
 *
 * InfluxDB computes the value of a number only if the number might be out of range: it checks `1.5`
 * by its characters and `1e400` by its value. This file does the same, so that the reasons are the
 * same.
 */

import { byteAt, COMMA, DOT, isDigit, isExponent, latin1, MINUS, PLUS, SPACE } from '../bytes.ts'

const INTEGER_MAX = 9_223_372_036_854_775_807n
const INTEGER_MIN = -9_223_372_036_854_775_808n
const UNSIGNED_MAX = 18_446_744_073_709_551_615n

/** From these lengths on InfluxDB computes the value of a number to check its range. */
const INTEGER_READ_LENGTH = 19
const UNSIGNED_READ_LENGTH = 20
const FLOAT_READ_LENGTH = 25

const SMALL_I = 0x69
const SMALL_U = 0x75

const DECIMAL = /^-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
const INTEGER = /^[+-]?\d+$/
const BOOLEANS = ['t', 'T', 'true', 'TRUE', 'True', 'f', 'F', 'false', 'FALSE', 'False']

/** The end of the unquoted value at `from`: the next comma or space, or `end`. */
export function bareValueEnd(bytes: Uint8Array, from: number, end: number): number {
  let i = from
  while (i < end && byteAt(bytes, i) !== COMMA && byteAt(bytes, i) !== SPACE) i++
  return i
}

/** @returns the reason for refusing the number in `[from, end)`, or '' */
export function numberProblem(
  bytes: Buffer,
  { from, end, unsignedIntegers }: { from: number; end: number; unsignedIntegers: boolean },
): string {
  const shape = numberShape(bytes, from, end)
  if (shape === undefined) return 'invalid number'
  const text = latin1(bytes, from, end)
  const { suffix, scientific } = shape
  if (suffix === 0) {
    const isRead = scientific || text.length >= FLOAT_READ_LENGTH
    return isRead && !isFloat(text) ? 'invalid float' : ''
  }
  const digits = text.slice(0, -1)
  if (suffix === SMALL_I) {
    if (digits.length < INTEGER_READ_LENGTH || isInteger(digits)) return ''
    const why = `strconv.ParseInt: parsing "${digits}": value out of range`
    return `unable to parse integer ${digits}: ${why}`
  }
  if (!unsignedIntegers || digits.startsWith('-')) return 'invalid number'
  if (digits.length < UNSIGNED_READ_LENGTH || isUnsigned(digits)) return ''
  const why = `strconv.ParseUint: parsing "${digits}": value out of range`
  return `unable to parse unsigned ${digits}: ${why}`
}

interface NumberShape {
  /** `i`, `u`, or 0 for a float. */
  readonly suffix: number
  readonly scientific: boolean
}

/** @returns `undefined` if the characters cannot be those of a number */
function numberShape(bytes: Uint8Array, from: number, end: number): NumberShape | undefined {
  let suffix = 0
  let dotCount = 0
  let scientific = false
  const digitsFrom = byteAt(bytes, from) === MINUS ? from + 1 : from
  for (let i = digitsFrom; i < end; i++) {
    const byte = byteAt(bytes, i)
    if (isDigit(byte)) continue
    if (byte === DOT) dotCount++
    else if (i > from && isExponent(byte)) scientific = true
    else if (i > from && i === end - 1 && isSuffix(byte)) suffix = byte
    else if (!isExponentSign(bytes, i, digitsFrom)) return undefined
  }
  const isFloatOnly = dotCount > 0 || scientific
  if (dotCount > 1 || (suffix !== 0 && isFloatOnly)) return undefined
  // InfluxDB counts the characters of an exponent, and the `u`, as digits here.
  const digitCount = end - digitsFrom - dotCount - (suffix === SMALL_I ? 1 : 0)
  return digitCount > 0 ? { suffix, scientific } : undefined
}

function isSuffix(byte: number): boolean {
  return byte === SMALL_I || byte === SMALL_U
}

function isExponentSign(bytes: Uint8Array, index: number, from: number): boolean {
  const byte = byteAt(bytes, index)
  if (byte !== PLUS && byte !== MINUS) return false
  return index > from && isExponent(byteAt(bytes, index - 1))
}

/** Whether `text` is a decimal number that fits into a 64-bit float. */
export function isFloat(text: string): boolean {
  return DECIMAL.test(text) && Number.isFinite(Number(text))
}

/** Whether `text` is a whole number that fits into 64 bits with sign. */
export function isInteger(text: string): boolean {
  if (!INTEGER.test(text)) return false
  const value = toBigInt(text)
  return value >= INTEGER_MIN && value <= INTEGER_MAX
}

/** Whether `text` is a whole number that fits into 64 bits without sign. */
export function isUnsigned(text: string): boolean {
  return /^\d+$/.test(text) && toBigInt(text) <= UNSIGNED_MAX
}

/** Whether `text` is one of InfluxDB's ten spellings of a boolean. */
export function isBoolean(text: string): boolean {
  return BOOLEANS.includes(text)
}

/**
 * A decimal integer of any length.
 *
 * Conversion takes quadratic time, so a body of digits could block the process. A number with too
 * many digits is therefore cut to a length that is still out of range.
 */
function toBigInt(text: string): bigint {
  const negative = text.startsWith('-')
  const digits = text.replace(/^[+-]?0*/, '').slice(0, UNSIGNED_READ_LENGTH + 1)
  const value = BigInt(digits === '' ? 0 : digits)
  return negative ? -value : value
}
