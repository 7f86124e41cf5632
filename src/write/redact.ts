/**
 * Texts that quote a request, without the credentials that it carried. Pure.
 *
 * A server may put the request's URL or its `Authorization` header into the words with which it
 * refuses it. Those words go into log lines, dead letters and the answer of /health.
 *
 * Taken out is what the request carried, in every form in which it came or may be quoted: the whole
 * header, what stands behind its scheme, what that says when it is decoded, the passwords of the
 * query string; besides, whatever stands where a URL has credentials.
 *
 * Limits: a password of less than WORD_MIN_CHARS is only found in a URL or a header; one of less
 * than ANYWHERE_MIN_CHARS only as a word of its own: else no log line could be read any more.
 */

import type { Credentials } from './write.ts'

const HIDDEN = '***'
const WORD_MIN_CHARS = 3
const ANYWHERE_MIN_CHARS = 6
const IN_QUERY = /([?&](?:u|p|q|username|password|token)=)[^&#\s"'\\]+/gi
const IN_AUTHORITY = /(\b[a-z][a-z\d+.-]*:\/\/)[^/\s"'@]+@/gi
const SECRET_NAMES: ReadonlySet<string> = new Set(['p', 'password', 'token'])
const SCHEME = /^\s*([a-z]+)\s+(\S.*?)\s*$/i

/** The text without what a request with these credentials carried. */
export function redacted(text: string, credentials: Credentials): string {
  if (text === '') return text
  let shown = text.replace(IN_QUERY, `$1${HIDDEN}`).replace(IN_AUTHORITY, `$1${HIDDEN}@`)
  for (const secret of secretsOf(credentials)) shown = without(shown, secret)
  return shown
}

/** The longest first: a part of one must not be left of it. */
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
  // A header stands for bytes, an answer quotes them as UTF-8.
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
