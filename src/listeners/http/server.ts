/**
 * Node's HTTP server, behind the readers of canonical/ and fast-path/. It does not listen: it gets
 * its connections from connections.ts. Answers clients that violate a limit or HTTP.
 *
 * `POST /write` never reaches the router.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { errorCode } from '../../std/errors.ts'
import { refusedReply } from '../../write/reply.ts'
import { errorFormat } from '../dialects/v1/error-text.ts'
import { renderReply } from '../dialects/v1/reply.ts'
import { CanonicalConnection } from './canonical/connection.ts'
import type { HeadRefusal } from './canonical/request-head.ts'
import { BAD_REQUEST, REQUEST_TIMEOUT, renderClosing } from './closing.ts'
import { connectionOf } from './connections.ts'
import { countAnswer, type HttpCounters } from './counters.ts'
import type { WriteHandler } from './ingest/write-handler.ts'
import type { HttpLimits } from './limits.ts'
import type { RefusalLog } from './refusal-log.ts'
import type { HttpRequestsInFlight } from './requests-in-flight.ts'
import type { HttpResponder } from './responder.ts'

type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void

export interface HttpServerOptions {
  readonly limits: HttpLimits
  readonly requestsInFlight: HttpRequestsInFlight
  readonly counters: HttpCounters
  readonly responder: HttpResponder
  readonly refusals: RefusalLog
  readonly writes: WriteHandler
}

/**
 * @param route takes every request but `POST /write`
 */
export function createHttpServer(options: HttpServerOptions, route: RequestHandler): Server {
  const { limits, writes, requestsInFlight, responder } = options
  const server = createBareServer(limits)
  server.timeout = limits.idleTimeoutMs
  server.maxHeadersCount = 0 // Any number: `headersMaxBytes` bounds their size.
  // The types lack this option of node's: a client that closes its sending half gets its answer.
  Object.assign(server, { httpAllowHalfOpen: true })

  const onRequest = (isAwaitingContinue: boolean): RequestHandler => {
    return (request, response) => {
      const connection = connectionOf(request)
      const refusal = connection.begin(response)
      if (refusal !== undefined) return refuseRequest(response, refusal, options)
      if (isAwaitingContinue) responder.noteAwaitingContinue(request)
      if (isWrite(request)) writes.handle(request, response)
      else route(request, response)
      // Must come after the handlers have added their listeners for the body.
      connection.goOnBehind(request)
    }
  }
  server.on('request', onRequest(false))
  server.on('checkContinue', onRequest(true))
  server.on('timeout', (connection: Duplex) => {
    if (!requestsInFlight.isAnsweringOn(connection)) connection.destroy()
  })
  server.on('clientError', (error: Error, connection: Duplex) =>
    refuseBytes(error, connection, options),
  )
  return server
}

function createBareServer(limits: HttpLimits): Server {
  return createServer({
    headersTimeout: 0, // Node gets whole heads only.
    requestTimeout: 0, // Node checks it for servers that listen only; ./canonical/ does.
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // Only escapes can make a canonical head longer than the head that the client sent.
    maxHeaderSize: 4 * limits.headersMaxBytes,
    // Strict: the relaxed parser of node 26.10 loops for ever on a NUL in a header value.
    insecureHTTPParser: false,
  })
}

const WRITE = '/write'
const QUESTION_MARK = 0x3f

function isWrite({ method, url = '' }: IncomingMessage): boolean {
  if (method !== 'POST' || !url.startsWith(WRITE)) return false
  return url.length === WRITE.length || url.charCodeAt(WRITE.length) === QUESTION_MARK
}

/** The last answer on its connection: no bytes behind that request are read as a request. */
function refuseRequest(
  response: ServerResponse,
  refusal: HeadRefusal,
  { counters, refusals }: HttpServerOptions,
): void {
  const { status, text } = refusal
  if (status === 503) counters.memoryFullRequests++
  else counters.malformedRequests++
  countAnswer(counters, status)
  const told = text === '' ? 'Expect is not understood' : text
  refusals.noteBytes(status, told, connectionOf(response.req))
  const type = text === '' ? [] : ['Content-Type', 'text/plain; charset=utf-8']
  response.writeHead(status, [...type, 'Connection', 'close', 'Content-Length', `${text.length}`])
  response.end(text)
}

/**
 * Answers a malformed body, or one that arrived too slowly. The parser has stopped reading this
 * connection.
 */
function refuseBytes(error: Error, connection: Duplex, options: HttpServerOptions): void {
  const { counters, refusals, requestsInFlight } = options
  const isOurs = connection instanceof CanonicalConnection && connection.writable
  if (!isOurs || errorCode(error) === 'ECONNRESET') return void connection.destroy()
  counters.malformedRequests++
  if (refuseBody(error, connection, options)) return
  // An earlier request of this connection is still unanswered, and the client would take an error
  // for its answer. So the error is not sent, and the earlier answer closes the connection.
  if (requestsInFlight.isAnsweringOn(connection))
    return requestsInFlight.closeAfterAnswer(connection)
  // The request was already answered, before the rest of its body arrived.
  if (requestsInFlight.receivingOn(connection) === undefined) return connection.destroySoon()
  const isLate = errorCode(error) === 'ERR_HTTP_REQUEST_TIMEOUT'
  const refusal = isLate ? REQUEST_TIMEOUT : BAD_REQUEST
  const status = isLate ? 408 : 400
  countAnswer(counters, status)
  refusals.noteBytes(status, `${refusal} (${errorCode(error)})`, connection)
  connection.end(renderClosing(refusal), () => connection.destroy())
}

/** @returns false when no body was being received, or when the error is not one of the body */
function refuseBody(
  error: Error,
  connection: CanonicalConnection,
  options: HttpServerOptions,
): boolean {
  const text = bodyErrorOf(error, connection)
  const open = text === '' ? undefined : options.requestsInFlight.receivingOn(connection)
  if (open === undefined) return false
  const { request, response } = open
  // Node drops an answered request without an event. `destroy` tells the receiver that the body is
  // lost.
  response.once('finish', () => request.destroy())
  const format = errorFormat(request.headers.accept, false)
  options.responder.answerLast(request, response, renderReply(refusedReply(400, text), format))
  return true
}

/** The error in a body, in the words of Go's body reader in InfluxDB; '' when there is none. */
function bodyErrorOf(error: Error, connection: CanonicalConnection): string {
  if (connection.bodyError !== '') return connection.bodyError
  return errorCode(error) === 'HPE_INVALID_EOF_STATE' ? 'unexpected EOF' : ''
}
