/**
 * The handlers of the less usual writes: `CREATE DATABASE` through `/query`, and Prometheus remote
 * write.
 *
 * Both receive the whole body and pass one write to the relay. Every other query is refused with an
 * explanation, because an answer for one database would not be true for the others.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { unpooledCopy } from '../../../std/unpooled.ts'
import { type Reply, refusedReply } from '../../../write/reply.ts'
import { type Write, writeTarget } from '../../../write/write.ts'
import { parseGoQuery, queryStringOf, queryText } from '../../dialects/go-query.ts'
import { parseStatement } from '../../dialects/v1/create-database.ts'
import { errorFormat } from '../../dialects/v1/error-text.ts'
import { findStatement } from '../../dialects/v1/query.ts'
import { renderReply, renderStatementReply } from '../../dialects/v1/reply.ts'
import { credentialsQuery, parseV1WriteRequest } from '../../dialects/v1/request.ts'
import { contentLength, firstRawHeader } from '../request/headers.ts'
import { type Exchange, receiveInFlight } from './receive-body.ts'
import type { HandlerOptions, WriteHandler } from './write-handler.ts'
import { MEMORY_FULL, TOO_LARGE, TOO_MANY } from './write-refusals.ts'

const MISSING_QUERY = refusedReply(400, 'missing required parameter "q"')
const QUERIES_GO_ELSEWHERE = refusedReply(
  403,
  'this is a write relay: it carries out CREATE DATABASE, one statement a request; ' +
    'send queries to the databases directly',
)
/** InfluxDB would create one with another name: U+FFFD in the place of such bytes. */
const STATEMENT_NOT_UTF8 = refusedReply(400, 'invalid statement: it is not UTF-8')
/** InfluxDB's words for a body that cannot be what it says. */
const NOT_SNAPPY = refusedReply(400, 'snappy: corrupt input')

type Render = Exchange['render']

interface Task extends Exchange {
  /** Turns the whole body into a write for the relay, or into an answer that needs no write. */
  readonly read: (body: Buffer) => Write | Reply
}

export class QueryHandler {
  readonly #options: HandlerOptions

  constructor(options: HandlerOptions) {
    this.#options = options
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const query = queryStringOf(request.url ?? '')
    const parameters = parseGoQuery(query)
    const format = errorFormat(request.headers.accept, queryText(parameters, 'pretty') === 'true')
    const authorization = request.headers.authorization ?? ''
    const credentials = { authorization, query: credentialsQuery(parameters) }
    const read = (body: Buffer): Write | Reply => {
      const contentType = firstRawHeader(request.rawHeaders, 'content-type')
      const statement = findStatement({ query, contentType, body })
      if (statement.text === '') return MISSING_QUERY
      const parsed = parseStatement(statement.text)
      if (parsed.kind === 'misspelt') {
        return refusedReply(400, `error parsing query: ${parsed.reason}`)
      }
      if (parsed.kind === 'other') return QUERIES_GO_ELSEWHERE
      if (!statement.isUtf8) return STATEMENT_NOT_UTF8
      const { database, text } = parsed
      const target = writeTarget({ database, retentionPolicy: '', precision: 'ns', credentials })
      const receivedAtMs = this.#options.clock.wallMs()
      return {
        kind: 'statement',
        target,
        body: unpooledCopy(Buffer.from(text)),
        lineCount: 1,
        receivedAtMs,
      }
    }
    const { queryBodyMaxBytes: maxBytes } = this.#options.limits
    const render: Render = (reply) => renderStatementReply(reply, format)
    runTask(this.#options, { request, response, maxBytes, render, read })
  }
}

/** The headers that tell a receiver of Prometheus remote write how to read the body. */
const BODY_HEADERS = ['content-type', 'content-encoding', 'x-prometheus-remote-write-version']

export class PrometheusHandler {
  readonly #options: HandlerOptions
  /** Applies the limits that all writes share. */
  readonly #writes: WriteHandler

  constructor(options: HandlerOptions, writes: WriteHandler) {
    this.#options = options
    this.#writes = writes
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const { config, counters, clock, responder } = this.#options
    counters.writeRequests++
    const parsed = parseV1WriteRequest({
      query: parseGoQuery(queryStringOf(request.url ?? '')),
      authorization: request.headers.authorization ?? '',
      defaultRetentionPolicy: config.defaultRetentionPolicy,
      honorsConsistency: config.honorsConsistency,
    })
    const { target, policy, isPretty } = parsed
    const format = errorFormat(request.headers.accept, isPretty)
    const render: Render = (reply) => renderReply(reply, format)
    const refusal = this.#writes.admit(request, parsed)
    if (refusal === TOO_LARGE) return responder.answerEarly(request, response, render(refusal))
    if (refusal !== undefined) return responder.answer(request, response, render(refusal))
    const read = (body: Buffer): Write | Reply => {
      if (body.length === 0) return NOT_SNAPPY
      const receivedAtMs = clock.wallMs()
      const headers = bodyHeaders(request)
      return { kind: 'opaque', target, body, headers, lineCount: 1, receivedAtMs }
    }
    const { maxBodyBytes: maxBytes } = config
    runTask(this.#options, { request, response, maxBytes, render, read }, { policy })
  }
}

function bodyHeaders(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name of BODY_HEADERS) {
    const value = firstRawHeader(request.rawHeaders, name)
    if (value !== '') headers[name] = value
  }
  return headers
}

function runTask(
  options: HandlerOptions,
  task: Task,
  accept?: Parameters<HandlerOptions['relay']['accept']>[1],
): void {
  const { requestsInFlight, counters, responder, relay, onBug } = options
  const { request, response, maxBytes, render, read } = task
  const answer = (reply: Reply): void => {
    requestsInFlight.end(request)
    responder.answer(request, response, render(reply))
  }
  const answerEarly = (reply: Reply): void => {
    responder.answerEarly(request, response, render(reply))
  }
  if ((contentLength(request) ?? 0) > maxBytes) {
    counters.tooLargeRequests++
    return answerEarly(TOO_LARGE)
  }
  if (requestsInFlight.isFull) {
    counters.tooManyRequests++
    return responder.answer(request, response, render(TOO_MANY))
  }
  if (!requestsInFlight.tryBegin(request, response)) {
    counters.memoryFullRequests++
    return responder.answerEarly(request, response, render(MEMORY_FULL))
  }
  receiveInFlight(options, task, (body) => {
    const write = read(body)
    if ('status' in write) return answer(write)
    relay.accept(write, accept).then(answer, onBug)
  })
}
