/**
 * Removes the credentials of a request from a text that quotes the request. Pure.
 *
 * A server that refuses a request may quote its URL or its `Authorization` header in the error
 * text. That text goes into log lines, dead letters and the answer of /health.
 *
 * Removes the credentials of the request, in every form in which they came or may be quoted: the
 * whole header, its value behind the scheme, that value decoded, and the passwords of the query
 * string. Also removes any text in the position of the credentials of a URL.
 *
 * Limits: a password shorter than WORD_MIN_CHARS is found only in a URL or a header, and a password
 * shorter than ANYWHERE_MIN_CHARS only as a separate word. Otherwise log lines would become
 * unreadable.
 */

import type { Credentials } from './write.ts'

const HIDDEN = '***'
const WORD_MIN_CHARS = 3
const ANYWHERE_MIN_CHARS = 6
const IN_QUERY = /([?&](?:u|p|q|username|password|token)=)[^&#\s"'\\]+/gi
const IN_AUTHORITY = /(\b[a-z][a-z\d+.-]*:\/\/)[^/\s"'@]+@/gi
const SECRET_NAMES: ReadonlySet<string> = new Set(['p', 'password', 'token'])
const SCHEME = /^\s*([a-z]+)\s+(\S.*?)\s*$/i

/** The text without the credentials. */
export function redacted(text: string, credentials: Credentials): string {
  if (text === '') return text
  let shown = text.replace(IN_QUERY, `$1${HIDDEN}`).replace(IN_AUTHORITY, `$1${HIDDEN}@`)
  for (const secret of secretsOf(credentials)) shown = without(shown, secret)
  return shown
}

/** Longest first: replacing a short secret inside a longer one would leave the rest of it. */
function secretsOf({ authorization, query }: Credentials): readonly string[] {
  const secrets = new Set([...ofAuthorization(authorization), ...ofQuery(query)])
  for (const secret of [...secrets]) {
    secrets.add(JSON.stringify(secret).slice(1, -1))
    secrets.add(encodeURIComponent(secret.toWellFormed()))
  }
  return [...secrets].sort((a, b) => b.length - a.length)
}

function ofAuthorization(authorization: string): readonly string[] {
  if (authorization === '') return []
  // A header is read as Latin-1, but an answer may quote the same bytes as UTF-8.
  const read = Buffer.from(authorization, 'latin1').toString()
  return read === authorization ? ofHeader(read) : [...ofHeader(read), ...ofHeader(authorization)]
}

function ofHeader(authorization: string): readonly string[] {
  const [, scheme = '', value = ''] = SCHEME.exec(authorization) ?? []
  if (value === '') return [authorization]
  const isBasic = scheme.toLowerCase() === 'basic'
  const pair = isBasic ? Buffer.from(value, 'base64').toString() : value
  // InfluxDB 1.8 takes `Token user:password`.
  const colonAt = pair.indexOf(':')
  return [authorization, value, pair, ...(colonAt < 0 ? [] : [pair.slice(colonAt + 1)])]
}

function ofQuery(query: string): readonly string[] {
  return query.split('&').flatMap((pair) => {
    const equalsAt = pair.indexOf('=')
    const raw = pair.slice(equalsAt + 1)
    const isSecret = equalsAt > 0 && SECRET_NAMES.has(pair.slice(0, equalsAt).toLowerCase())
    if (!isSecret || raw === '') return []
    const decoded = new URLSearchParams(`v=${raw}`).get('v') ?? ''
    return [pair, raw, decoded]
  })
}

function without(text: string, secret: string): string {
  if (secret.length >= ANYWHERE_MIN_CHARS) return text.replaceAll(secret, HIDDEN)
  if (secret.length < WORD_MIN_CHARS || !text.includes(secret)) return text
  return text.replace(new RegExp(`(?<!\\w)${RegExp.escape(secret)}(?!\\w)`, 'g'), HIDDEN)
}
