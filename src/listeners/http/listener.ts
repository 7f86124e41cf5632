/**
 * The HTTP listener of a relay; clients see an InfluxDB 1.x.
 *
 *     socket ─▶ fast path ── plain POST /write ─────────────────────▶ ingest ──▶ relay
 *                   └─▶ node's parser ─┬─ POST /write ──▶ write handler ─▲
 *                                      └─ all else ─────▶ fastify ─────▶ /ping, /health, /query, …
 *
 * Life cycle: `openHttpListener` resolves with a listening listener, or rejects and leaves nothing
 * open. Closing first stops accepting, then answers the requests in flight with
 * `Connection: close`, then closes idle connections. Connections that remain at the deadline are
 * cut.
 *
 * Limits: limits.ts. Never logs a query string or a header, because both can hold credentials.
 */

import type { HttpRelayConfig } from '../../config/config.ts'
import type { Endpoint } from '../../net/endpoint.ts'
import type { Relay } from '../../relay/relay.ts'
import type { Clock } from '../../std/clock.ts'
import type { Logger } from '../../std/logger.ts'
import type { SharedMemory } from '../../std/memory-budget.ts'
import type { RisingClock } from '../../write/rising-clock.ts'
import { ConnectionMemory } from './connection-memory.ts'
import { HttpConnections } from './connections.ts'
import { type HttpCounters, newHttpCounters } from './counters.ts'
import type { RelayHealth } from './health.ts'
import { Ingest } from './ingest/ingest.ts'
import { WriteHandler } from './ingest/write-handler.ts'
import { ParsedWriteRequests } from './ingest/write-request-cache.ts'
import { HTTP_LIMITS, type HttpLimits } from './limits.ts'
import { RefusalLog } from './refusal-log.ts'
import { HttpRequestsInFlight } from './requests-in-flight.ts'
import { HttpResponder } from './responder.ts'
import { openRoutes } from './routes.ts'
import { createHttpServer } from './server.ts'
import { readCertificate } from './tls.ts'

export interface HttpListenerOptions {
  readonly config: HttpRelayConfig
  readonly relay: Pick<Relay, 'accept' | 'ask'>
  /** The answer to `/health`, from what the outputs answered last. */
  readonly health: () => RelayHealth
  readonly memory: SharedMemory
  readonly clock: Clock
  readonly logger: Logger
  /** Each relay has its own: see G3. */
  readonly stampClock: RisingClock
  /** Shorter limits for tests. */
  readonly limits?: Partial<HttpLimits>
}

export interface HttpListenerSnapshot {
  readonly relay: string
  readonly connections: number
  readonly requestsInFlight: number
  readonly counters: Readonly<Record<keyof HttpCounters, number>>
}

export interface HttpListener extends AsyncDisposable {
  readonly address: Endpoint
  /** Resolves when the listener was closed on request; rejects when it failed at run time. */
  readonly closed: Promise<void>
  snapshot(): HttpListenerSnapshot
  /** As disposing, but with the caller's deadline; remaining connections are cut then. */
  close(deadline: AbortSignal): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** @throws RelayError RELAY_ADDRESS_IN_USE, RELAY_ADDRESS_UNUSABLE, RELAY_CERTIFICATE_UNREADABLE */
export async function openHttpListener(options: HttpListenerOptions): Promise<HttpListener> {
  const { config } = options
  const certificate =
    config.tlsPemPath === undefined ? undefined : await readCertificate(config.tlsPemPath)
  const limits = { ...HTTP_LIMITS, keepAliveTimeoutMs: config.idleTimeoutMs, ...options.limits }
  const requestsInFlight = new HttpRequestsInFlight(
    options.memory.clients,
    limits.inFlightMaxRequests,
  )
  const counters = newHttpCounters()
  const refusals = new RefusalLog(options)
  const failure = Promise.withResolvers<never>()
  const version = config.influxdbVersion
  const responder = new HttpResponder({
    version,
    clock: options.clock,
    requestsInFlight,
    counters,
    refusals,
    lingerMs: limits.lingerMs,
  })
  const { maxConnections, rateLimit } = config
  const { stampClock } = options
  const shared = {
    ...{ ...options, limits, requestsInFlight, counters, refusals },
    onBug: failure.reject,
  }
  const parsedRequests = new ParsedWriteRequests({ ...config, stampClock })
  const ingest = new Ingest(shared)
  const parts = { ...shared, responder, parsedRequests, ingest }
  const writes = new WriteHandler(parts)
  // A rate limit also counts requests that only the standard path refuses, so it turns the fast
  // path off.
  const isFast = config.fastPath && rateLimit === undefined
  const fastPath = isFast ? parts : undefined
  const app = await openRoutes({
    ...parts,
    writes,
    serverFactory: (route) => createHttpServer({ ...parts, writes }, route),
  })
  const isTls = certificate !== undefined
  const { clients: memory } = options.memory
  const connectionMemory = new ConnectionMemory({ ...parts, memory, isTls })
  const connections = new HttpConnections({
    ...{ ...parts, memory, http: app.server, certificate, maxConnections, fastPath },
    charge: (socket) => connectionMemory.charge(socket),
  })
  const address = await connections.listen(config.bindAddress, `relay "${config.name}"`)
  return new ServingListener({ ...parts, address, connections, failure })
}

interface ServingOptions extends Omit<HttpListenerOptions, 'limits'> {
  readonly address: Endpoint
  readonly limits: HttpLimits
  readonly requestsInFlight: HttpRequestsInFlight
  readonly counters: HttpCounters
  readonly failure: PromiseWithResolvers<never>
  readonly connections: HttpConnections
}

class ServingListener implements HttpListener {
  readonly address: Endpoint
  readonly closed: Promise<void>
  readonly #options: ServingOptions

  constructor(options: ServingOptions) {
    this.#options = options
    this.address = options.address
    this.closed = Promise.race([options.connections.closed, options.failure.promise])
    this.closed.catch(() => {}) // No unhandled rejection when no caller awaits `closed`.
  }

  snapshot(): HttpListenerSnapshot {
    return {
      relay: this.#options.config.name,
      connections: this.#options.connections.count,
      requestsInFlight: this.#options.requestsInFlight.count,
      counters: { ...this.#options.counters },
    }
  }

  close(deadline: AbortSignal): Promise<void> {
    const { requestsInFlight, connections } = this.#options
    requestsInFlight.isDraining = true
    return connections.close(deadline)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const deadline = new AbortController()
    const { clock, limits } = this.#options
    const timer = clock.startTimer(limits.closeTimeoutMs, () => deadline.abort())
    await this.close(deadline.signal)
    timer.cancel()
  }
}
