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
 * Limits: one-request.ts.
 */

import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import fastify, { type FastifyInstance } from 'fastify'
import type { Endpoint } from '../net/endpoint.ts'
import type { Clock } from '../std/clock.ts'
import { errorText } from '../std/errors.ts'
import { type Logger, withPrefix } from '../std/logger.ts'
import { answerDeadLetters, type DeadLetterHandlers } from './dead-letter-requests.ts'
import { renderReadiness, renderServiceHealth } from './health.ts'
import { renderMetrics } from './metrics.ts'
import { createOneRequestServer, oneRequestConnections } from './one-request.ts'
import { paced } from './paced.ts'
import { type ProcessWatch, watchProcess } from './process-stats.ts'
import { PROMETHEUS_CONTENT_TYPE } from './prometheus-text.ts'
import type { ServiceSnapshot } from './snapshot.ts'

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
  const http = await createServer(options, watch)
  const logger = withPrefix(options.logger, '[admin]: ')
  const connections = oneRequestConnections(http, { clock: options.clock, logger })
  const close = async () => {
    watch[Symbol.dispose]()
    // Answers are immediate, so only clients with an incomplete request are cut off.
    await connections.close(AbortSignal.abort())
  }
  try {
    const address = await connections.listen(options.bindAddress, '[admin]')
    return { address, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    if (options.isConfigured) throw error
    options.logger.warn({}, `${errorText(error)}; running without metrics and health`)
    return undefined
  }
}

async function createServer(options: AdminOptions, watch: ProcessWatch): Promise<Server> {
  const { snapshot, clock } = options
  const server = fastify({
    logger: false,
    bodyLimit: 1024,
    serverFactory: (handler) => createOneRequestServer(handler),
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
  await server.ready()
  return server.server
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
