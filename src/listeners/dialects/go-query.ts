/**
 * A URL's query string as Go's net/url reads it (1.17 and later), because InfluxDB is written in
 * Go. Pure.
 *
 * A pair with a semicolon or an invalid percent escape is ignored without an error. The first of
 * several values counts. A plus is a blank. Bytes that are not UTF-8 become U+FFFD.
 */

export interface QueryValue {
  /** Decoded. */
  readonly text: string
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
    const name = unescapeGo(equalsAt < 0 ? pair : pair.slice(0, equalsAt))
    const raw = equalsAt < 0 ? '' : pair.slice(equalsAt + 1)
    const text = unescapeGo(raw)
    if (name === undefined || text === undefined || values.has(name)) continue
    values.set(name, { text, raw: raw.replaceAll(/[^!-~]/g, percentEncoded) })
  }
  return values
}

/** The decoded value of `name`; '' when it is absent, as Go's `Get`. */
export function queryText(query: GoQuery, name: string): string {
  return query.get(name)?.text ?? ''
}

/** The query string of a request target, without the question mark. */
export function queryStringOf(requestTarget: string): string {
  const questionAt = requestTarget.indexOf('?')
  return questionAt < 0 ? '' : requestTarget.slice(questionAt + 1)
}

const PLAIN = /^[!-$'-*,-~]*$/ // Printable ASCII without percent, ampersand and plus.

function unescapeGo(text: string): string | undefined {
  if (PLAIN.test(text)) return text
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined
  const bytes = text
    .replaceAll('+', ' ')
    .replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}
