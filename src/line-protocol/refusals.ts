/**
 * The refused lines of one body, in InfluxDB's words.
 *
 * Limits: 1 MiB of text. InfluxDB has no limit; beyond ours the echo of a line is cut short, and
 * the lines after that are counted without being named.
 */

import { isUtf8 } from 'node:buffer'

import { byteAt, latin1 } from './bytes.ts'

/** More than any client shows; so that a large body of garbage is not held a second time. */
const ERRORS_MAX_BYTES = 1024 * 1024

/** A byte that is no UTF-8 stands in a text as this plus its value. */
const RAW_BYTE_BASE = 0xdc00

/** Collects refusals. */
export class Refusals {
  #count = 0
  #size = 0
  readonly #texts: string[] = []

  get count(): number {
    return this.#count
  }

  /**
   * @param line the line without its newline
   * @param reason latin1, as the bytes InfluxDB would write
   */
  add(line: Buffer, reason: string): void {
    this.#count++
    const room = ERRORS_MAX_BYTES - this.#size
    if (room <= 0) return
    // A reason may hold as many digits as the line.
    const why = reason.slice(0, Math.ceil(room / 2))
    const echo = `unable to parse '${latin1(line, 0, room - why.length)}': ${why}`
    this.#size += echo.length
    this.#texts.push(decodeLossless(Buffer.from(echo, 'latin1')))
  }

  /** All refusals in InfluxDB's form, one a line; '' when there are none. */
  render(): string {
    return this.#texts.join('\n')
  }
}

/**
 * Bytes as text, with one lone surrogate, U+DC00 plus the byte, for *each* byte that is not UTF-8.
 *
 * InfluxDB echoes such bytes raw in a header and as U+FFFD in JSON: so both can be made from it.
 */
function decodeLossless(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  let text = ''
  let i = 0
  while (i < bytes.length) {
    const size = characterSize(bytes, i)
    text +=
      size === 0
        ? String.fromCharCode(RAW_BYTE_BASE + byteAt(bytes, i))
        : bytes.toString('utf8', i, i + size)
    i += size === 0 ? 1 : size
  }
  return text
}

/** Bytes of the UTF-8 character at `index`; 0 when there is none. */
function characterSize(bytes: Buffer, index: number): number {
  const lead = byteAt(bytes, index)
  if (lead < 0x80) return 1
  const size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2
  const character = bytes.subarray(index, index + size)
  return character.length === size && isUtf8(character) ? size : 0
}
