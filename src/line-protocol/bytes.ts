/**
 * Single bytes of line protocol: their values, and the tests that several scanners share.
 *
 * Limits: none; the caller of every function guarantees that the bytes exist.
 */

export const NUL = 0x00
export const TAB = 0x09
export const NEWLINE = 0x0a
export const SPACE = 0x20
export const QUOTE = 0x22
export const HASH = 0x23
export const PLUS = 0x2b
export const COMMA = 0x2c
export const MINUS = 0x2d
export const DOT = 0x2e
const ZERO = 0x30
export const EIGHT = 0x38
export const NINE = 0x39
export const EQUALS = 0x3d
export const BACKSLASH = 0x5c

/**
 * The byte at `index`; the caller guarantees that the index is in range.
 *
 * Only this function drops the `undefined` of an index out of range: a check in every step of the
 * inner loops costs a third of their speed. Call it with buffers only: V8 makes it slow once it has
 * seen a second kind of array.
 */
export function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] as number
}

/** Whether `byte` is an ASCII digit. */
export function isDigit(byte: number): boolean {
  return (byte - ZERO) >>> 0 <= 9
}

/** Whether `byte` is an exponent's `e` or `E`. */
export function isExponent(byte: number): boolean {
  return byte === 0x65 || byte === 0x45
}

/** The first index at or after `from` that holds neither space, tab nor NUL; `end` if none does. */
export function skipBlanks(bytes: Uint8Array, from: number, end: number): number {
  let i = from
  while (i < end) {
    const byte = byteAt(bytes, i)
    if (byte !== SPACE && byte !== TAB && byte !== NUL) break
    i++
  }
  return i
}

/**
 * Whether the byte at `index` follows a backslash, which is InfluxDB's test for an escaped byte.
 */
export function isEscaped(bytes: Uint8Array, index: number): boolean {
  return byteAt(bytes, index - 1) === BACKSLASH
}

/** Bytes as text without loss, one character for each byte; not for people to read. */
export function latin1(bytes: Buffer, from: number, end: number): string {
  return bytes.toString('latin1', from, end)
}
