/**
 * The server under the listener: node's own behind the readers of ../canonical and of the fast
 * lane, with every limit set, and what happens when a client breaks them.
 *
 * Requests for the hot path never reach the router.
 */

import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../../std/clock.ts'
import { errorCode } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import type { SharedMemory } from '../../std/memory-budget.ts'
import { refusedReply } from '../../write/reply.ts'
import { errorFormat } from '../dialects/v1/error-text.ts'
import { renderReply } from '../dialects/v1/reply.ts'
import { CanonicalConnection } from './canonical/connection.ts'
import { CanonicalConnections } from './canonical/connections.ts'
import type { HeadRefusal } from './canonical/request-head.ts'
import { BAD_REQUEST, REQUEST_TIMEOUT, renderClosing } from './closing.ts'
import { ConnectionMemory } from './connection-memory.ts'
import { countAnswer, type HttpCounters } from './counters.ts'
import { FastLane, type FastLaneOptions } from './fast-path/fast-path.ts'
import type { WriteLane } from './ingest/write-lane.ts'
import type { HttpLimits } from './limits.ts'
import type { RefusalLog } from './refusal-log.ts'
import type { HttpRequestsInFlight } from './requests-in-flight.ts'
import type { HttpResponder } from './responder.ts'
import type { ListenerCertificate } from './tls.ts'

type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void

export interface HttpServerOptions {
  readonly certificate: ListenerCertificate | undefined
  readonly clock: Clock
  readonly memory: SharedMemory
  readonly logger: Logger
  readonly limits: HttpLimits
  readonly maxConnections: number
  readonly requestsInFlight: HttpRequestsInFlight
  readonly counters: HttpCounters
  readonly responder: HttpResponder
  readonly refusals: RefusalLog
  readonly writes: WriteLane
  /** Of the lane in front of all; `undefined`: there is none. */
  readonly fastLane: FastLaneOptions | undefined
}

/**
 * @param route takes every request but `POST /write`
 * @returns a server whose `closeIdleConnections` knows of all its connections
 */
export function createHttpServer(options: HttpServerOptions, route: RequestHandler): Server {
  const { limits, certificate, maxConnections, counters, writes, requestsInFlight } = options
  const server = createBareServer(limits, certificate)
  server.maxConnections = maxConnections
  server.timeout = limits.idleTimeoutMs
  server.maxHeadersCount = 0 // Any number: their bytes are bounded.
  // Read by node, known to no type: a client that has sent all and closes its half gets its answer.
  Object.assign(server, { httpAllowHalfOpen: true })

  const onRequest = (isAwaitingContinue: boolean): RequestHandler => {
    return (request, response) => {
      const connection = CanonicalConnections.of(request)
      const refusal = connection.begin(response)
      if (refusal !== undefined) return refuseRequest(response, refusal, options)
      if (isWrite(request)) writes.handle(request, response, isAwaitingContinue)
      else {
        if (isAwaitingContinue) response.writeContinue()
        route(request, response)
      }
      // After the listeners of those who receive the body.
      connection.goOnBehind(request)
    }
  }
  server.on('request', onRequest(false))
  server.on('checkContinue', onRequest(true))
  server.on('timeout', (connection: Duplex) => {
    if (!requestsInFlight.isAnsweringOn(connection)) connection.destroy()
  })
  server.on('drop', () => counters.refusedConnections++)
  server.on('tlsClientError', () => counters.malformedRequests++)
  server.on('clientError', (error: Error, connection: Duplex) =>
    refuseBytes(error, connection, options),
  )
  takeOverConnections(server, options)
  return server
}

function createBareServer(limits: HttpLimits, certificate: ListenerCertificate | undefined) {
  const options: ServerOptions = {
    keepAlive: true, // Of TCP: finds out about clients that have vanished.
    noDelay: true,
    headersTimeout: 0, // Heads are whole when node gets them.
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: limits.timeoutCheckMs,
    // Canonical heads are no longer than what the client has sent, but for escapes.
    maxHeaderSize: 4 * limits.headersMaxBytes,
    // Strict: node 26.10's 'relaxed' loops for ever on a NUL in a header value.
    insecureHTTPParser: false,
  }
  if (certificate === undefined) return createServer(options)
  const tls = { handshakeTimeout: limits.headersTimeoutMs, ALPNProtocols: ['http/1.1'] }
  return createTlsServer({ ...options, ...tls, ...certificate })
}

/** From the sockets to node's own listener for new connections. */
function takeOverConnections(server: Server, options: HttpServerOptions): void {
  const { memory } = options
  const isTls = options.certificate !== undefined
  const event = isTls ? 'secureConnection' : 'connection'
  const connections = CanonicalConnections.before(server, event, {
    ...options,
    memory: memory.clients,
  })
  const charged = new ConnectionMemory({ ...options, memory: memory.clients, isTls })
  server.prependListener('connection', (socket: Socket) => charged.charge(socket))
  const open = (socket: Socket) => connections.open(socket)
  const fastLane = options.fastLane && new FastLane(options.fastLane, open)
  server.on(event, (socket: Socket) => {
    if (socket.destroyed) return // There was no memory for it.
    if (fastLane === undefined) open(socket)
    else fastLane.take(socket)
  })
  // Node asks for it as well when it closes, and does not see that a head is coming in.
  server.closeIdleConnections = () => {
    connections.closeIdle()
    fastLane?.closeIdleConnections()
  }
}

const WRITE = '/write'
const QUESTION_MARK = 0x3f

function isWrite({ method, url = '' }: IncomingMessage): boolean {
  if (method !== 'POST' || !url.startsWith(WRITE)) return false
  return url.length === WRITE.length || url.charCodeAt(WRITE.length) === QUESTION_MARK
}

/** The last answer on its connection: nothing behind it was read as a request. */
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
  refusals.noteBytes(status, told, CanonicalConnections.of(response.req))
  const type = text === '' ? [] : ['Content-Type', 'text/plain; charset=utf-8']
  response.writeHead(status, [...type, 'Connection', 'close', 'Content-Length', `${text.length}`])
  response.end(text)
}

/**
 * A body that is none, or one that came too slowly. The parser has given up on this connection.
 */
function refuseBytes(error: Error, connection: Duplex, options: HttpServerOptions): void {
  const { counters, refusals, requestsInFlight } = options
  // Also one that has failed to agree on TLS, which is counted as that.
  const isOurs = connection instanceof CanonicalConnection && connection.writable
  if (!isOurs || errorCode(error) === 'ECONNRESET') return void connection.destroy()
  counters.malformedRequests++
  if (refuseBody(error, connection, options)) return
  // An earlier request of this connection is still being answered; these bytes must not pass for
  // its answer. So nothing is said of them, and that answer closes the connection.
  if (requestsInFlight.isAnsweringOn(connection)) return requestsInFlight.condemn(connection)
  // It has its answer already, given without waiting for the rest of its body.
  if (requestsInFlight.receivingOn(connection) === undefined) return connection.destroySoon()
  const isLate = errorCode(error) === 'ERR_HTTP_REQUEST_TIMEOUT'
  const refusal = isLate ? REQUEST_TIMEOUT : BAD_REQUEST
  const status = isLate ? 408 : 400
  countAnswer(counters, status)
  refusals.noteBytes(status, `${refusal} (${errorCode(error)})`, connection)
  connection.end(renderClosing(refusal), () => connection.destroy())
}

/** @returns false when no body was being received, or when this is no fault of the body */
function refuseBody(
  error: Error,
  connection: CanonicalConnection,
  options: HttpServerOptions,
): boolean {
  const text = bodyErrorOf(error, connection)
  const open = text === '' ? undefined : options.requestsInFlight.receivingOn(connection)
  if (open === undefined) return false
  const { request, response } = open
  // Node forgets a request that is answered; without this nobody would learn that its body is lost.
  response.once('finish', () => request.destroy())
  const format = errorFormat(request.headers.accept, false)
  options.responder.answerLast(request, response, renderReply(refusedReply(400, text), format))
  return true
}

/** What is wrong within a body, as Go's reader of bodies says it to InfluxDB's handler; or ''. */
function bodyErrorOf(error: Error, connection: CanonicalConnection): string {
  if (connection.bodyError !== '') return connection.bodyError
  return errorCode(error) === 'HPE_INVALID_EOF_STATE' ? 'unexpected EOF' : ''
}
