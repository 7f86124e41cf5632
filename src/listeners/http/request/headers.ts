/**
 * Single header values as Go's `Header.Get` returns them: the first of several, which node joins.
 * Pure.
 */

import type { IncomingMessage } from 'node:http'

/** @param name in lower case */
export function firstHeader(request: IncomingMessage, name: string): string {
  const value = request.headers[name]
  if (value === undefined) return ''
  if (typeof value !== 'string') return value[0] ?? ''
  // A joined value has `, ` in it, but a single value can have it too: the raw list decides.
  return value.includes(', ') ? firstRawHeader(request.rawHeaders, name) : value
}

/** As `firstHeader`, from the raw list, which node and fastify leave unchanged. */
export function firstRawHeader(rawHeaders: readonly string[], name: string): string {
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const candidate = rawHeaders[index]
    if (candidate?.length === name.length && candidate.toLowerCase() === name) {
      return rawHeaders[index + 1] ?? ''
    }
  }
  return ''
}

/** The announced length of the body; `undefined` when it is chunked or there is no body. */
export function contentLength(request: IncomingMessage): number | undefined {
  const value = request.headers['content-length']
  return value === undefined ? undefined : Number(value)
}
