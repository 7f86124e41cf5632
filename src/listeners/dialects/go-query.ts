/**
 * A URL's query string as Go's net/url reads it (1.17 and later), because InfluxDB is written in
 * Go. Pure.
 *
 * A pair with a semicolon or an invalid percent escape is ignored without an error. The first of
 * several values counts. A plus is a blank. Bytes that are not UTF-8 become U+FFFD.
 */

import { isUtf8 } from 'node:buffer'

export interface QueryValue {
  /** Decoded. */
  readonly text: string
  /** False: the bytes that came are no text, and `text` is not what the client has said. */
  readonly isUtf8: boolean
  /**
   * As received, with bytes outside printable ASCII percent-encoded. Safe in a URL.
   */
  readonly raw: string
}

export type GoQuery = ReadonlyMap<string, QueryValue>

/** @param query the text after the question mark, one character for each byte */
export function parseGoQuery(query: string): GoQuery {
  const values = new Map<string, QueryValue>()
  for (const pair of query.split('&')) {
    if (pair === '' || pair.includes(';')) continue
    const equalsAt = pair.indexOf('=')
    const name = unescapeGo(equalsAt < 0 ? pair : pair.slice(0, equalsAt))?.text
    const raw = equalsAt < 0 ? '' : pair.slice(equalsAt + 1)
    const value = unescapeGo(raw)
    if (name === undefined || value === undefined || values.has(name)) continue
    values.set(name, { ...value, raw: raw.replaceAll(/[^!-~]/g, percentEncoded) })
  }
  return values
}

/** The decoded value of `name`; '' when it is absent, as Go's `Get`. */
export function queryText(query: GoQuery, name: string): string {
  return query.get(name)?.text ?? ''
}

/** Whether `name` is absent, or text. */
export function isQueryText(query: GoQuery, name: string): boolean {
  return query.get(name)?.isUtf8 !== false
}

/** The query string of a request target, without the question mark. */
export function queryStringOf(requestTarget: string): string {
  const questionAt = requestTarget.indexOf('?')
  return questionAt < 0 ? '' : requestTarget.slice(questionAt + 1)
}

const PLAIN = /^[!-$'-*,-~]*$/ // Printable ASCII without percent, ampersand and plus.

function unescapeGo(text: string): Omit<QueryValue, 'raw'> | undefined {
  if (PLAIN.test(text)) return { text, isUtf8: true }
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined
  const characters = text
    .replaceAll('+', ' ')
    .replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
  const bytes = Buffer.from(characters, 'latin1')
  return { text: bytes.toString('utf8'), isUtf8: isUtf8(bytes) }
}

function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}
