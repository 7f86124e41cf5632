/**
 * Single header values as Go's `Header.Get` gives them: the first, where node joins several. Pure.
 */

import type { IncomingMessage } from 'node:http'

/** @param name in lower case */
export function firstHeader(request: IncomingMessage, name: string): string {
  const value = request.headers[name]
  if (value === undefined) return ''
  if (typeof value !== 'string') return value[0] ?? ''
  // Only a joined value can have this; the raw list tells whether it came joined.
  return value.includes(', ') ? firstRawHeader(request.rawHeaders, name) : value
}

/** As `firstHeader`, from the list that nobody has changed. */
export function firstRawHeader(rawHeaders: readonly string[], name: string): string {
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const candidate = rawHeaders[index]
    if (candidate?.length === name.length && candidate.toLowerCase() === name) {
      return rawHeaders[index + 1] ?? ''
    }
  }
  return ''
}

/** Bytes the body will have, or `undefined` when it does not say (chunked) or there is none. */
export function contentLength(request: IncomingMessage): number | undefined {
  const value = request.headers['content-length']
  return value === undefined ? undefined : Number(value)
}
