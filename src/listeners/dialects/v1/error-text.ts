/**
 * Renders an error text in the forms in which InfluxDB 1.x sends it to clients. Pure.
 *
 * Source: influxdb@1.6 services/httpd/response_writer.go, and Go's encoding/json, encoding/csv and
 * net/http.
 */

import { encodeLossless } from '../../../line-protocol/lossless-text.ts'
import { unreachable } from '../../../std/errors.ts'

/** The format that the client requests by `Accept` and `pretty`. */
export type ErrorFormat = 'json' | 'pretty' | 'csv' | 'msgpack'

/** InfluxDB compares the whole value of `Accept`, so a list of types means JSON. */
export function errorFormat(accept: string | undefined, isPretty: boolean): ErrorFormat {
  if (accept === 'application/csv' || accept === 'text/csv') return 'csv'
  if (accept === 'application/x-msgpack') return 'msgpack'
  return isPretty ? 'pretty' : 'json'
}

export function contentTypeOf(format: ErrorFormat): string {
  if (format === 'csv') return 'text/csv'
  return format === 'msgpack' ? 'application/x-msgpack' : 'application/json'
}

export function renderError(error: string, format: ErrorFormat): Buffer {
  switch (format) {
    case 'json':
      return Buffer.from(`{"error":${goJsonString(error)}}\n`)
    case 'pretty':
      return Buffer.from(`{\n    "error": ${goJsonString(error)}\n}\n`)
    case 'csv':
      return encodeLossless(`error\n${goCsvField(error)}\n`)
    case 'msgpack':
      return Buffer.concat([Buffer.of(0x81), msgpackString('error'), msgpackString(error)])
    default:
      return unreachable(format)
  }
}

const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

// biome-ignore lint/suspicious/noControlCharactersInRegex: these must be escaped.
const GO_ESCAPED = /[\u0000-\u001f"\\<>&\u2028\u2029\ufffd\udc80-\udcff]/gu

/** JSON as Go writes it: safe in HTML, and without the short escapes of backspace and form feed. */
export function goJsonString(text: string): string {
  return `"${text.replaceAll(GO_ESCAPED, goJsonEscape)}"`
}

function goJsonEscape(character: string): string {
  if (isRawByte(character)) return '\\ufffd'
  const code = character.charCodeAt(0).toString(16).padStart(4, '0')
  return SHORT_ESCAPES.get(character) ?? `\\u${code}`
}

/** The form of a byte that is not UTF-8 in a lossless text (line-protocol/lossless-text.ts). */
function isRawByte(character: string): boolean {
  return character >= '\udc80' && character <= '\udcff'
}

function goCsvField(text: string): string {
  if (text !== '' && text !== '\\.' && !/[,"\r\n]|^\s/.test(text)) return text
  return text === '' ? '' : `"${text.replaceAll('"', '""')}"`
}

function msgpackString(text: string): Buffer {
  const bytes = encodeLossless(text)
  const { length } = bytes
  if (length < 32) return Buffer.concat([Buffer.of(0xa0 | length), bytes])
  if (length < 0x100) return Buffer.concat([Buffer.of(0xd9, length), bytes])
  const head = Buffer.alloc(length < 0x10000 ? 3 : 5)
  if (head.length === 3) {
    head.writeUInt8(0xda)
    head.writeUInt16BE(length, 1)
  } else {
    head.writeUInt8(0xdb)
    head.writeUInt32BE(length, 1)
  }
  return Buffer.concat([head, bytes])
}

/** Longest value of `X-Influxdb-Error` in bytes; the body has the whole text. */
const ERROR_HEADER_MAX_BYTES = 1024

/**
 * The text as the value of a header, one character for each byte.
 *
 * Line ends become blanks, as in Go's net/http. NULs, which Go allows and node does not, become
 * blanks too. Other control characters stay, as in InfluxDB's answers, although clients built with
 * Go 1.20 or later, or on node, cannot read such an answer.
 */
export function errorHeader(text: string): string {
  const bytes = encodeLossless(text.length > ERROR_HEADER_MAX_BYTES ? cut(text) : text)
  return (
    bytes
      .toString('latin1', 0, ERROR_HEADER_MAX_BYTES)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the expression replaces them.
      .replaceAll(/[\u0000\n\r]/g, ' ')
      .trim()
  )
}

function cut(text: string): string {
  return text.slice(0, ERROR_HEADER_MAX_BYTES) // A character has at least one byte.
}
