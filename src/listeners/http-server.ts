/**
 * The server under the listener: node's own, with every limit set, and what happens when a client
 * breaks them.
 *
 * Requests for the hot path never reach the router.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { errorCode } from '../std/errors.ts'
import { refusedReply } from '../write/reply.ts'
import { errorFormat } from './dialects/error-text.ts'
import { methodNotAllowedAnswer, renderReply } from './dialects/v1.ts'
import type { FastLane } from './fast-lane/fast-lane.ts'
import type { HttpCounters } from './http-counters.ts'
import type { HttpLimits } from './http-limits.ts'
import type { HttpRequestsInFlight } from './http-requests-in-flight.ts'
import type { HttpResponder } from './http-responder.ts'
import type { WriteLane } from './http-write-lane.ts'
import type { RefusalLog } from './refusal-log.ts'
import { type HeadRefusal, headRefusal } from './request-head.ts'
import type { ListenerCertificate } from './tls.ts'

type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void

export interface HttpServerOptions {
  readonly certificate: ListenerCertificate | undefined
  readonly limits: HttpLimits
  readonly maxConnections: number
  /** For the answers that no handler gives. */
  readonly version: string
  readonly requestsInFlight: HttpRequestsInFlight
  readonly counters: HttpCounters
  readonly responder: HttpResponder
  readonly refusals: RefusalLog
  readonly writes: WriteLane
  /** Stands in front of node's parser; `undefined`: nothing does. */
  readonly fastLane: FastLane | undefined
}

/** @param route takes every request but `POST /write` */
export function createHttpServer(options: HttpServerOptions, route: RequestHandler): Server {
  const { limits, certificate, maxConnections, counters, writes, requestsInFlight } = options
  const { fastLane, refusals } = options
  const serverOptions = {
    keepAlive: true, // Of TCP: finds out about clients that have vanished.
    noDelay: true,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: limits.timeoutCheckMs,
    maxHeaderSize: limits.headersMaxBytes,
    // Strict: node 26.10's 'relaxed' loops for ever on a NUL in a header value.
    insecureHTTPParser: false,
    requireHostHeader: false, // Ours to say: see request-head.ts.
  }
  const tlsOptions = { handshakeTimeout: limits.headersTimeoutMs, ALPNProtocols: ['http/1.1'] }
  const server =
    certificate === undefined
      ? createServer(serverOptions)
      : createTlsServer({ ...serverOptions, ...tlsOptions, ...certificate })
  server.maxConnections = maxConnections
  server.timeout = limits.idleTimeoutMs
  // Read by node, known to no type: a client that has sent all and closes its half gets its answer.
  Object.assign(server, { httpAllowHalfOpen: true })

  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const refusal = headRefusal(request)
    if (refusal !== undefined) refuseRequest(response, refusal, options)
    else if (isWrite(request)) writes.handle(request, response)
    else route(request, response)
  })
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    const refusal = headRefusal(request)
    if (refusal !== undefined) return refuseRequest(response, refusal, options)
    if (isWrite(request)) return writes.handle(request, response, true)
    response.writeContinue()
    route(request, response)
  })
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    refusals.noteAnswer(request, { status: 417, headers: [], body: 'Expect is not understood' })
    response.writeHead(417, ['Connection', 'close', 'Content-Length', '0'])
    response.end()
  })
  server.on('timeout', (socket: Socket) => {
    if (!requestsInFlight.isAnsweringOn(socket)) socket.destroy()
  })
  server.on('drop', () => counters.refusedConnections++)
  server.on('tlsClientError', () => counters.malformedRequests++)
  server.on('clientError', (error: Error, socket: Duplex) => refuseBytes(error, socket, options))
  fastLane?.attach(server, certificate === undefined ? 'connection' : 'secureConnection')
  return server
}

const WRITE = '/write'
const QUESTION_MARK = 0x3f

function isWrite({ method, url = '' }: IncomingMessage): boolean {
  if (method !== 'POST' || !url.startsWith(WRITE)) return false
  return url.length === WRITE.length || url.charCodeAt(WRITE.length) === QUESTION_MARK
}

/** What follows on such a connection is not trusted either: it is closed. */
function refuseRequest(
  response: ServerResponse,
  refusal: HeadRefusal,
  { counters, refusals }: HttpServerOptions,
): void {
  counters.malformedRequests++
  const { status, text } = refusal
  refusals.noteAnswer(response.req, { status, headers: [], body: text })
  const headers = ['Content-Type', 'text/plain; charset=utf-8', 'Connection', 'close']
  response.writeHead(status, [...headers, 'Content-Length', String(text.length)])
  response.end(text)
}

/**
 * Bytes that are no request, or one that came too slowly. The parser has given up on this
 * connection.
 */
function refuseBytes(error: Error, socket: Duplex, options: HttpServerOptions): void {
  const { counters, refusals, requestsInFlight, version } = options
  if (!socket.writable || errorCode(error) === 'ECONNRESET') return void socket.destroy()
  counters.malformedRequests++
  // An earlier request of this connection is still being answered; these bytes must not pass for
  // its answer. So nothing is said of them, and that answer closes the connection.
  if (isSocket(socket) && requestsInFlight.isAnsweringOn(socket))
    return requestsInFlight.condemn(socket)
  if (isSocket(socket) && refuseBody(error, socket, options)) return
  const refusal = renderRefusal(error, version)
  const [head = ''] = refusal.split('\r\n', 1)
  const status = Number(head.split(' ')[1])
  if (isSocket(socket)) refusals.noteBytes(status, `${head} (${errorCode(error)})`, socket)
  socket.end(refusal, () => socket.destroy())
}

/** What is wrong within a body, as Go's reader of bodies says it to InfluxDB's handler. */
const BODY_ERRORS: ReadonlyMap<string, string> = new Map([
  ['HPE_INVALID_EOF_STATE', 'unexpected EOF'],
  ['HPE_INVALID_CHUNK_SIZE', 'invalid byte in chunk length'],
  ['HPE_STRICT', 'malformed chunked encoding'],
  ['HPE_CR_EXPECTED', 'malformed chunked encoding'],
])

/** @returns false when no body was being received, or when this is no fault of the body */
function refuseBody(error: Error, socket: Socket, options: HttpServerOptions): boolean {
  const text = BODY_ERRORS.get(errorCode(error))
  const open = text === undefined ? undefined : options.requestsInFlight.receivingOn(socket)
  if (text === undefined || open === undefined) return false
  const { request, response } = open
  // Node forgets a request that is answered; without this nobody would learn that its body is lost.
  response.once('finish', () => request.destroy())
  const format = errorFormat(request.headers.accept, false)
  options.responder.answerLast(request, response, renderReply(refusedReply(400, text), format))
  return true
}

function isSocket(socket: Duplex): socket is Socket {
  return 'remoteAddress' in socket
}

const BAD_REQUEST = '400 Bad Request'
const REQUEST_TIMEOUT = '408 Request Timeout'

const REFUSALS: ReadonlyMap<string, string> = new Map([
  ['HPE_INVALID_HEADER_TOKEN', '400 Bad Request: invalid header name'],
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', '413 Request Entity Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', REQUEST_TIMEOUT],
])

function renderRefusal(error: Error, version: string): string {
  const code = errorCode(error)
  if (code === 'HPE_INVALID_METHOD' && isForWrite(error)) return renderMethodNotAllowed(version)
  return renderClosing(
    code === 'HPE_INVALID_URL' ? urlRefusal(error) : (REFUSALS.get(code) ?? BAD_REQUEST),
  )
}

/** To a client whose request does not come to its end in time. */
export const TIMEOUT_ANSWER = renderClosing(REQUEST_TIMEOUT)

function renderClosing(status: string): string {
  return (
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
    `Connection: close\r\nContent-Length: ${status.length}\r\n\r\n${status}`
  )
}

/**
 * InfluxDB takes bytes outside ASCII in a URL as they are, which curl sends for `db=köln`. Node's
 * parser takes none, whatever its options; so the client is told what helps.
 */
function urlRefusal(error: Error): string {
  const isRaw = /^[^\r\n]*[\x80-\xff]/.test(rawPacketOf(error))
  return isRaw ? `${BAD_REQUEST}: percent-encode the URL` : BAD_REQUEST
}

/** A method that node's parser does not know is still a 405 to InfluxDB. */
function isForWrite(error: Error): boolean {
  return /^[A-Z]{1,32} \/write(?:\?[!-~]*)? HTTP\/1\.1\r\n/.test(rawPacketOf(error))
}

/** The bytes in which the parser gave up, one character a byte. */
function rawPacketOf(error: Error): string {
  if (!('rawPacket' in error) || !Buffer.isBuffer(error.rawPacket)) return ''
  return error.rawPacket.toString('latin1')
}

function renderMethodNotAllowed(version: string): string {
  const { headers, body } = methodNotAllowedAnswer(['OPTIONS', 'POST'])
  const lines = headers.map((text, index) => text + (index % 2 === 0 ? ': ' : '\r\n'))
  return (
    `HTTP/1.1 405 Method Not Allowed\r\n${lines.join('')}` +
    `X-Influxdb-Build: OSS\r\nX-Influxdb-Version: ${version}\r\n` +
    `Connection: close\r\nContent-Length: ${body.length}\r\n\r\n${body.toString()}`
  )
}
