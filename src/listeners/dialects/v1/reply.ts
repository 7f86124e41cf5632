/**
 * Answers in the dialect of InfluxDB 1.x: a `Reply`, or a fixed answer of its router, as status,
 * headers, body.
 *
 * Pure. What depends on the request alone (request ids, CORS) and what every answer carries
 * (version) is added by the writer of responses (http/responder.ts).
 */

import type { Reply } from '../../../write/reply.ts'
import { contentTypeOf, type ErrorFormat, errorHeader, renderError } from './error-text.ts'

export interface HttpAnswer {
  readonly status: number
  /** Names and values in turn. */
  readonly headers: readonly string[]
  readonly body: Buffer | string
}

/** What InfluxDB puts into `WWW-Authenticate` when it is not configured otherwise. */
const DEFAULT_CHALLENGE = 'Basic realm="InfluxDB"'

/** An answer of InfluxDB's handlers: on success no body, but a content type all the same. */
export function renderReply(reply: Reply, format: ErrorFormat): HttpAnswer {
  const headers = ['Content-Type', contentTypeOf(format)]
  if (reply.retryAfterS > 0) headers.push('Retry-After', String(reply.retryAfterS))
  if (isSuccess(reply.status)) return { status: reply.status, headers, body: '' }
  if (reply.status === 401)
    headers.push('WWW-Authenticate', reply.authenticate || DEFAULT_CHALLENGE)
  else headers.push('X-Influxdb-Error', errorHeader(reply.error))
  return { status: reply.status, headers, body: renderError(reply.error, format) }
}

/** What InfluxDB answers to a statement that has worked and has nothing to show. */
const EMPTY_RESULT = '{"results":[{"statement_id":0}]}\n'

/** The answer to a statement: a destination's own words where there are any. */
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

/** JSON with a content type, for what is not an error: `/ping?verbose=true`, `/health`. */
export function jsonAnswer(status: number, body: string): HttpAnswer {
  return { status, headers: ['Content-Type', 'application/json'], body }
}

/** To `OPTIONS`: InfluxDB's CORS wrapper returns before any handler. */
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

/** A known path, but not for this method. */
export function methodNotAllowedAnswer(allowed: readonly string[]): HttpAnswer {
  return {
    status: 405,
    headers: [...TEXT_HEADERS, 'Allow', allowed.join(', ')],
    body: 'Method Not Allowed\n',
  }
}
