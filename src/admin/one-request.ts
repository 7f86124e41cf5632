/**
 * Node's HTTP server with one request for each connection: bytes after the request are not read.
 *
 * If a client pipelined thousands of requests, node would create as many request objects, and hold
 * as many answers, before the server could refuse them.
 *
 * Limits: `connectionsMax`, further connections are closed; `requestMaxMs` for a request to arrive;
 * MEMORY_BYTES for all connections of this server. That budget is separate from the memory for
 * writes, so neither can exhaust the other.
 */

import { createServer, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { CanonicalConnections } from '../listeners/http/canonical/connections.ts'
import { HTTP_LIMITS } from '../listeners/http/limits.ts'
import type { Clock } from '../std/clock.ts'
import { MemoryBudget } from '../std/memory-budget.ts'

const MEMORY_BYTES = 32 * 1024 * 1024

export interface OneRequestOptions {
  readonly clock: Clock
  readonly connectionsMax: number
  readonly requestMaxMs: number
}

/** @returns a server whose `close` ends all its connections */
export function createOneRequestServer(
  { clock, connectionsMax, requestMaxMs }: OneRequestOptions,
  onRequest: RequestListener,
): Server {
  const server = createServer({
    keepAlive: false,
    requestTimeout: requestMaxMs,
    headersTimeout: 0, // Node gets whole heads only.
    connectionsCheckingInterval: HTTP_LIMITS.timeoutCheckMs,
    maxHeaderSize: 4 * HTTP_LIMITS.headersMaxBytes,
  })
  server.maxConnections = connectionsMax
  // Node reads this option, but no type has it: a client that closes its half gets its answer.
  Object.assign(server, { httpAllowHalfOpen: true })
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
