/**
 * Handles `/query`: `CREATE DATABASE` becomes a write for the relay.
 *
 * Every other query is refused with an explanation, because an answer for one database would not be
 * true for the others.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { unpooledCopy } from '../../../std/unpooled.ts'
import { type Reply, refusedReply } from '../../../write/reply.ts'
import { type Write, writeTarget } from '../../../write/write.ts'
import { parseGoQuery, queryStringOf, queryText } from '../../dialects/go-query.ts'
import { parseStatement } from '../../dialects/v1/create-database.ts'
import { errorFormat } from '../../dialects/v1/error-text.ts'
import { findStatement } from '../../dialects/v1/query.ts'
import { renderStatementReply } from '../../dialects/v1/reply.ts'
import { credentialsQuery } from '../../dialects/v1/request.ts'
import { firstRawHeader } from '../request/headers.ts'
import { writeWholeBody } from './whole-body.ts'
import type { HandlerOptions } from './write-handler.ts'

const MISSING_QUERY = refusedReply(400, 'missing required parameter "q"')
const QUERIES_GO_ELSEWHERE = refusedReply(
  403,
  'this is a write relay: it carries out CREATE DATABASE, one statement a request; ' +
    'send queries to the databases directly',
)
/** InfluxDB would create a database with another name, with U+FFFD for these bytes. */
const STATEMENT_NOT_UTF8 = refusedReply(400, 'invalid statement: it is not UTF-8')

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
    const render = (reply: Reply) => renderStatementReply(reply, format)
    writeWholeBody(this.#options, { request, response, maxBytes, render, read })
  }
}
