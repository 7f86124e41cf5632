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
import { methodNotAllowedAnswer } from './dialects/v1.ts'
import type { HttpCounters } from './http-counters.ts'
import type { HttpLimits } from './http-limits.ts'
import type { HttpRequestsInFlight } from './http-requests-in-flight.ts'
import type { WriteLane } from './http-write-lane.ts'
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
  readonly writes: WriteLane
}

/** @param route takes every request but `POST /write` */
export function createHttpServer(options: HttpServerOptions, route: RequestHandler): Server {
  const { limits, certificate, maxConnections, counters, writes, requestsInFlight } = options
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
    requireHostHeader: true,
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
    if (request.httpVersionMajor !== 1) refuseRequest(response, counters)
    else if (isWrite(request)) writes.handle(request, response)
    else route(request, response)
  })
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (request.httpVersionMajor !== 1) return refuseRequest(response, counters)
    if (isWrite(request)) return writes.handle(request, response, true)
    response.writeContinue()
    route(request, response)
  })
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(417, ['Connection', 'close', 'Content-Length', '0'])
    response.end()
  })
  server.on('timeout', (socket: Socket) => {
    if (!requestsInFlight.isAnsweringOn(socket)) socket.destroy()
  })
  server.on('drop', () => counters.refusedConnections++)
  server.on('tlsClientError', () => counters.malformedRequests++)
  server.on('clientError', (error: Error, socket: Duplex) => refuseBytes(error, socket, options))
  return server
}

const WRITE = '/write'
const QUESTION_MARK = 0x3f

function isWrite({ method, url = '' }: IncomingMessage): boolean {
  if (method !== 'POST' || !url.startsWith(WRITE)) return false
  return url.length === WRITE.length || url.charCodeAt(WRITE.length) === QUESTION_MARK
}

/** HTTP/0.9 and what calls itself HTTP/2, which node's parser lets pass and Go's does not. */
function refuseRequest(response: ServerResponse, counters: HttpCounters): void {
  counters.malformedRequests++
  const body = '400 Bad Request'
  const headers = ['Content-Type', 'text/plain; charset=utf-8', 'Connection', 'close']
  response.writeHead(400, [...headers, 'Content-Length', String(body.length)])
  response.end(body)
}

/**
 * Bytes that are no request, or one that came too slowly. The parser has given up on this
 * connection.
 */
function refuseBytes(error: Error, socket: Duplex, options: HttpServerOptions): void {
  const { counters, requestsInFlight, version } = options
  if (!socket.writable || errorCode(error) === 'ECONNRESET') return void socket.destroy()
  counters.malformedRequests++
  // An earlier request of this connection is still being answered; these bytes must not pass for
  // its answer. So nothing is said of them, and that answer closes the connection.
  if (isSocket(socket) && requestsInFlight.isAnsweringOn(socket))
    return requestsInFlight.condemn(socket)
  socket.end(renderRefusal(error, version), () => socket.destroy())
}

function isSocket(socket: Duplex): socket is Socket {
  return 'remoteAddress' in socket
}

const REFUSALS: ReadonlyMap<string, string> = new Map([
  ['HPE_INVALID_HEADER_TOKEN', '400 Bad Request: invalid header name'],
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', '413 Request Entity Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
])

function renderRefusal(error: Error, version: string): string {
  const code = errorCode(error)
  if (code === 'HPE_INVALID_METHOD' && isForWrite(error)) return renderMethodNotAllowed(version)
  const status = REFUSALS.get(code) ?? '400 Bad Request'
  return (
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
    `Connection: close\r\nContent-Length: ${status.length}\r\n\r\n${status}`
  )
}

/** A method that node's parser does not know is still a 405 to InfluxDB. */
function isForWrite(error: Error): boolean {
  if (!('rawPacket' in error) || !Buffer.isBuffer(error.rawPacket)) return false
  return /^[A-Z]{1,32} \/write(?:\?[!-~]*)? HTTP\/1\.1\r\n/.test(error.rawPacket.toString('latin1'))
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
