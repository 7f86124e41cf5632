/**
 * Renders answers in the dialect of InfluxDB 1.x: a `Reply`, or a fixed answer of its router, as
 * status, headers, body.
 *
 * Pure. http/responder.ts adds the headers that depend on the request alone (request ids, CORS) and
 * the headers of every answer (version).
 */

import type { Reply } from '../../../write/reply.ts'
import { contentTypeOf, type ErrorFormat, errorHeader, renderError } from './error-text.ts'

export interface HttpAnswer {
  readonly status: number
  /** Alternating names and values. */
  readonly headers: readonly string[]
  readonly body: Buffer | string
}

/** InfluxDB's default value of `WWW-Authenticate`. */
const DEFAULT_CHALLENGE = 'Basic realm="InfluxDB"'

/** An answer of InfluxDB's handlers: a success has no body, but still a content type. */
export function renderReply(reply: Reply, format: ErrorFormat): HttpAnswer {
  const headers = ['Content-Type', contentTypeOf(format)]
  if (reply.retryAfterS > 0) headers.push('Retry-After', String(reply.retryAfterS))
  if (isSuccess(reply.status)) return { status: reply.status, headers, body: '' }
  if (reply.status === 401)
    headers.push('WWW-Authenticate', reply.authenticate || DEFAULT_CHALLENGE)
  else headers.push('X-Influxdb-Error', errorHeader(reply.error))
  return { status: reply.status, headers, body: renderError(reply.error, format) }
}

/** InfluxDB's answer to a successful statement without a result. */
const EMPTY_RESULT = '{"results":[{"statement_id":0}]}\n'

/** The answer to a statement: the destination's own body if it has one. */
export function renderStatementReply(reply: Reply, format: ErrorFormat): HttpAnswer {
  const hasOwnBody = reply.body !== ''
  if (!hasOwnBody && !isSuccess(reply.status)) return renderReply(reply, format)
  const status = reply.status === 204 ? 200 : reply.status
  const headers = ['Content-Type', 'application/json']
  return { status, headers, body: hasOwnBody ? reply.body : EMPTY_RESULT }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}

/** JSON with a content type, for answers other than errors: `/ping?verbose=true`, `/health`. */
export function jsonAnswer(status: number, body: string): HttpAnswer {
  return { status, headers: ['Content-Type', 'application/json'], body }
}

/** The answer to `OPTIONS`: InfluxDB's CORS wrapper returns before any handler. */
export const OPTIONS_ANSWER: HttpAnswer = { status: 200, headers: [], body: '' }

const TEXT_HEADERS = [
  'Content-Type',
  'text/plain; charset=utf-8',
  'X-Content-Type-Options',
  'nosniff',
] as const

/** No such path, in the words of Go's router. */
export const NOT_FOUND_ANSWER: HttpAnswer = {
  status: 404,
  headers: TEXT_HEADERS,
  body: '404 page not found\n',
}

/** The path is known, but not with this method. */
export function methodNotAllowedAnswer(allowed: readonly string[]): HttpAnswer {
  return {
    status: 405,
    headers: [...TEXT_HEADERS, 'Allow', allowed.join(', ')],
    body: 'Method Not Allowed\n',
  }
}
