/**
 * Texts from clients, or echoes of them, whose bytes may not be UTF-8. Pure.
 *
 * InfluxDB sends such bytes unchanged in a header, in CSV and in msgpack, and as U+FFFD in JSON. A
 * lossless text can be rendered in all of these forms.
 */

import { isUtf8 } from 'node:buffer'
import { byteAt } from './bytes.ts'

/** The text holds a byte that is not UTF-8 as this base plus the byte's value: a lone surrogate. */
const RAW_BYTE_BASE = 0xdc00
const RAW_BYTES = /[\udc80-\udcff]/gu

/** Bytes as text, with one lone surrogate for *each* byte that is not UTF-8. */
export function decodeLossless(bytes: Buffer): string {
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

/** The inverse of `decodeLossless`. */
export function encodeLossless(text: string): Buffer {
  const bytes: Buffer[] = []
  let at = 0
  for (const { index, 0: character } of text.matchAll(RAW_BYTES)) {
    if (index > at) bytes.push(Buffer.from(text.slice(at, index)))
    bytes.push(Buffer.of(character.charCodeAt(0) - RAW_BYTE_BASE))
    at = index + 1
  }
  if (at === 0) return Buffer.from(text)
  bytes.push(Buffer.from(text.slice(at)))
  return Buffer.concat(bytes)
}
