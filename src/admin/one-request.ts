/**
 * An HTTP server with one request for each connection: bytes after the request are not read.
 *
 * If a client pipelined thousands of requests, node would create as many request objects, and hold
 * as many answers, before the server could refuse them.
 *
 * Limits: CONNECTIONS_MAX connections, further ones are closed; REQUEST_MAX_MS for a request to
 * arrive; MEMORY_BYTES for all connections of this server. That budget is separate from the memory
 * for writes, so neither can exhaust the other.
 */

import { createServer, type RequestListener, type Server } from 'node:http'
import { connectionOf, HttpConnections } from '../listeners/http/connections.ts'
import { newHttpCounters } from '../listeners/http/counters.ts'
import { HTTP_LIMITS } from '../listeners/http/limits.ts'
import type { Clock } from '../std/clock.ts'
import type { Logger } from '../std/logger.ts'
import { MemoryBudget } from '../std/memory-budget.ts'

const CONNECTIONS_MAX = 64
const REQUEST_MAX_MS = 10_000
const MEMORY_BYTES = 32 * 1024 * 1024

/** @returns node's HTTP server, which does not listen: `oneRequestConnections` do */
export function createOneRequestServer(onRequest: RequestListener): Server {
  const server = createServer({
    requestTimeout: 0, // Node checks its times for servers that listen only.
    headersTimeout: 0,
    maxHeaderSize: 4 * HTTP_LIMITS.headersMaxBytes,
  })
  // Node reads this option, but no type has it: a client that closes its half gets its answer.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.timeout = REQUEST_MAX_MS
  server.on('request', (request, response) => {
    const connection = connectionOf(request)
    const refusal = connection.begin(response)
    connection.readNoMore()
    if (refusal === undefined) return onRequest(request, response)
    response.writeHead(refusal.status, ['Content-Type', 'text/plain', 'Connection', 'close'])
    response.end(refusal.text)
  })
  return server
}

/** The connections of such a server; nothing listens yet. */
export function oneRequestConnections(
  http: Server,
  options: { readonly clock: Clock; readonly logger: Logger },
): HttpConnections {
  return new HttpConnections({
    ...options,
    ...{ http, certificate: undefined, fastPath: undefined, maxConnections: CONNECTIONS_MAX },
    charge: () => true, // There are few: their buffered bytes are charged.
    memory: new MemoryBudget(MEMORY_BYTES).clients,
    limits: {
      ...HTTP_LIMITS,
      headersTimeoutMs: REQUEST_MAX_MS,
      idleTimeoutMs: REQUEST_MAX_MS,
      keepAliveTimeoutMs: REQUEST_MAX_MS,
      requestTimeoutMs: REQUEST_MAX_MS,
    },
    counters: newHttpCounters(), // Nobody reads them.
  })
}
