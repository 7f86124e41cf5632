/**
 * node's HTTP server with one request on a connection: whatever comes behind it is not read.
 *
 * A client that sends thousands in one piece would have node make as many requests, and keep as
 * many answers, before anybody could say no.
 *
 * Limits: `connectionsMax`, further ones are closed; `requestMaxMs` for a request to arrive;
 * MEMORY_BYTES for what all of its connections keep, apart from the memory of writes: neither can
 * take from the other.
 */

import { createServer, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { CanonicalConnections } from '../listeners/http/canonical/connections.ts'
import { HTTP_LIMITS } from '../listeners/http/limits.ts'
import type { Clock } from '../std/clock.ts'
import { MemoryBudget } from '../std/memory-budget.ts'

const MEMORY_BYTES = 16 * 1024 * 1024

export interface OneRequestOptions {
  readonly clock: Clock
  readonly connectionsMax: number
  readonly requestMaxMs: number
}

/** @returns a server whose closing ends all its connections */
export function createOneRequestServer(
  { clock, connectionsMax, requestMaxMs }: OneRequestOptions,
  onRequest: RequestListener,
): Server {
  const server = createServer({
    keepAlive: false,
    requestTimeout: requestMaxMs,
    headersTimeout: 0, // Heads are whole when node gets them.
    connectionsCheckingInterval: HTTP_LIMITS.timeoutCheckMs,
    maxHeaderSize: 4 * HTTP_LIMITS.headersMaxBytes,
  })
  server.maxConnections = connectionsMax
  server.timeout = requestMaxMs
  const limits = {
    ...HTTP_LIMITS,
    headersTimeoutMs: requestMaxMs,
    idleTimeoutMs: requestMaxMs,
    keepAliveTimeoutMs: requestMaxMs,
  }
  const { clients: memory } = new MemoryBudget(MEMORY_BYTES)
  const connections = CanonicalConnections.before(server, 'connection', { clock, memory, limits })
  server.on('connection', (socket: Socket) => connections.open(socket))
  server.on('request', (request, response) => {
    const connection = CanonicalConnections.of(request)
    const refusal = connection.begin(response)
    connection.readNoMore()
    if (refusal === undefined) return onRequest(request, response)
    response.writeHead(refusal.status, ['Content-Type', 'text/plain', 'Connection', 'close'])
    response.end(refusal.text)
  })
  const { close } = server
  server.close = (done) => {
    Reflect.apply(close, server, [done])
    connections.close()
    return server
  }
  return server
}
