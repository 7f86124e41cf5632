/**
 * The operator's HTTP server: /metrics, /health, /ready, and the requests on dead letters.
 *
 * Except for the requests of dead-letter-requests.ts, the server only reads snapshots, so it cannot
 * affect the data path. A connection carries one request (one-request.ts): scrapers come seldom,
 * and no open connection delays closing. Slow rendering gets a limited share of the time
 * (paced.ts).
 *
 * Life cycle: `openAdmin` resolves with a listening server, or with nothing when the default
 * address is in use, because a second relay on the machine must still start. A configured address
 * that cannot be used is an error.
 *
 * Limits: CONNECTIONS_MAX connections, further ones are closed; REQUEST_MAX_MS for a request to
 * arrive.
 */

import type { Duplex } from 'node:stream'
import fastify, { type FastifyInstance } from 'fastify'
import { type Endpoint, renderAddress } from '../net/endpoint.ts'
import type { Clock } from '../std/clock.ts'
import { errorCode, errorText, RelayError } from '../std/errors.ts'
import type { Logger } from '../std/logger.ts'
import { answerDeadLetters, type DeadLetterHandlers } from './dead-letter-requests.ts'
import { renderReadiness, renderServiceHealth } from './health.ts'
import { renderMetrics } from './metrics.ts'
import { createOneRequestServer } from './one-request.ts'
import { paced } from './paced.ts'
import { type ProcessWatch, watchProcess } from './process-stats.ts'
import { PROMETHEUS_CONTENT_TYPE } from './prometheus-text.ts'
import type { ServiceSnapshot } from './snapshot.ts'

const CONNECTIONS_MAX = 64
const REQUEST_MAX_MS = 10_000

export interface AdminOptions {
  readonly bindAddress: Endpoint
  /** The address is configured, not the default. */
  readonly isConfigured: boolean
  readonly snapshot: () => ServiceSnapshot
  /** `undefined` when no relay stores dead letters. */
  readonly deadLetters?: DeadLetterHandlers | undefined
  readonly logger: Logger
  readonly clock: Clock
}

export interface Admin extends AsyncDisposable {
  /** The address of the listening socket, with the port that the system chose for port 0. */
  readonly address: Endpoint
}

/**
 * @throws RelayError RELAY_ADDRESS_IN_USE or RELAY_ADDRESS_UNUSABLE, for a configured address
 */
export async function openAdmin(options: AdminOptions): Promise<Admin | undefined> {
  const watch = watchProcess()
  const server = createServer(options, watch)
  const close = async () => {
    watch[Symbol.dispose]()
    await server.close()
  }
  try {
    await listen(server, options.bindAddress)
  } catch (error) {
    await close()
    const problem = bindError(options.bindAddress, error)
    if (options.isConfigured) throw problem
    options.logger.warn({}, `${problem.message}; running without metrics and health`)
    return undefined
  }
  const bound = server.server.address()
  // A string only for unix sockets, which a bind address cannot name.
  const port = typeof bound === 'object' && bound !== null ? bound.port : options.bindAddress.port
  return {
    address: { ...options.bindAddress, port },
    [Symbol.asyncDispose]: close,
  }
}

function createServer(options: AdminOptions, watch: ProcessWatch): FastifyInstance {
  const { snapshot, clock } = options
  const limits = { clock, connectionsMax: CONNECTIONS_MAX, requestMaxMs: REQUEST_MAX_MS }
  const server = fastify({
    logger: false,
    // Answers are immediate, so only clients with an incomplete request are cut off.
    forceCloseConnections: true,
    bodyLimit: 1024,
    serverFactory: (handler) => createOneRequestServer(limits, handler),
  })
  // Requests on gigabytes of dead letters take longer than the limit for a silent socket.
  const busy = new WeakSet<Duplex>()
  server.server.on('timeout', (connection: Duplex) => {
    if (!busy.has(connection)) connection.destroy()
  })
  server.addHook('onRequest', async (_request, reply) => {
    reply.headers({ connection: 'close', 'cache-control': 'no-store' })
  })
  const metrics = paced(clock, () => renderMetrics(snapshot(), watch.read()))
  server.get('/metrics', async (_request, reply) => {
    const text = await metrics()
    return reply.type(PROMETHEUS_CONTENT_TYPE).send(text)
  })
  server.get('/health', (_request, reply) => {
    const { status, body } = renderServiceHealth(snapshot())
    return reply.code(status).send(body)
  })
  server.get('/ready', (_request, reply) => {
    const { status, body } = renderReadiness(snapshot())
    return reply.code(status).send(body)
  })
  addDeadLetterRoutes(server, options, busy)
  server.setNotFoundHandler((_request, reply) => {
    return reply.code(404).send({ error: 'not found; there are /metrics, /health and /ready' })
  })
  return server
}

function addDeadLetterRoutes(
  server: FastifyInstance,
  { deadLetters, snapshot }: AdminOptions,
  busy: WeakSet<Duplex>,
): void {
  for (const action of ['replay', 'purge'] as const) {
    server.post(`/dead-letters/${action}`, async (request, reply) => {
      const { remoteAddress, localAddress } = request.socket
      busy.add(request.socket)
      const { headers } = request
      const query = { ...(request.query as object) } // Fastify always sets an object.
      const asked = { action, query, headers, remoteAddress, localAddress }
      const { status, body } = await answerDeadLetters(asked, deadLetters, snapshot())
      return await reply.code(status).send(body)
    })
  }
}

async function listen(server: FastifyInstance, { host, port }: Endpoint): Promise<void> {
  if (host !== '') {
    await server.listen({ host, port })
    return
  }
  try {
    await server.listen({ host: '::', port })
  } catch (error) {
    // The machine or container has no IPv6.
    if (errorCode(error) !== 'EAFNOSUPPORT') throw error
    await server.listen({ host: '0.0.0.0', port })
  }
}

function bindError(address: Endpoint, cause: unknown): RelayError {
  const shown = renderAddress(address)
  if (errorCode(cause) === 'EADDRINUSE') {
    const message = `[admin] bind-addr ${shown} is in use by another program`
    return new RelayError('RELAY_ADDRESS_IN_USE', message, { cause })
  }
  const message = `[admin] cannot listen on ${shown}: ${errorText(cause)}`
  return new RelayError('RELAY_ADDRESS_UNUSABLE', message, { cause })
}
