/**
 * The connections of one HTTP server, from accept to close.
 *
 *     net.Server ───▶ tls.Server ───▶ fast path ─┬─▶ canonical/ ───▶ node's HTTP server
 *       listens     with a certificate           └─ without the fast path, at once
 *
 * Only the first of these servers listens. The others get their connections by
 * `emit('connection')`, which Node documents for this purpose. What a listening HTTP server would
 * do by itself is done here: limits on connections, checks for silence, closing.
 *
 * Life cycle: `listen` once, then `close`. Closing stops accepting, then closes each connection as
 * soon as it is idle, and cuts those that remain at the deadline.
 *
 * Limits: `maxConnections`, further ones are closed at once; memory (`charge`); the times of
 * limits.ts, checked every `timeoutCheckMs`.
 */

import { once } from 'node:events'
import type { Server as HttpServer, IncomingMessage } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import type { Endpoint } from '../../net/endpoint.ts'
import { listenTcp } from '../../net/listen.ts'
import type { Clock, Timer } from '../../std/clock.ts'
import { errorCode, errorText } from '../../std/errors.ts'
import { LogThrottle, renderRepeats } from '../../std/log-throttle.ts'
import type { Logger } from '../../std/logger.ts'
import type { Memory } from '../../std/memory-budget.ts'
import { CanonicalConnection } from './canonical/connection.ts'
import type { HttpCounters } from './counters.ts'
import { FastPath, type FastPathOptions } from './fast-path/fast-path.ts'
import type { HttpLimits } from './limits.ts'
import type { ListenerCertificate } from './tls.ts'

export interface HttpConnectionsOptions {
  /** Node's HTTP server, which does not listen. */
  readonly http: HttpServer
  /** `undefined` = plain HTTP. */
  readonly certificate: ListenerCertificate | undefined
  /** `undefined`: the fast path is off. */
  readonly fastPath: FastPathOptions | undefined
  readonly maxConnections: number
  /** @returns false when it has closed the connection, which was just accepted */
  readonly charge: (socket: Socket) => boolean
  readonly memory: Memory
  readonly clock: Clock
  readonly limits: HttpLimits
  readonly counters: HttpCounters
  readonly logger: Logger
}

/** An open connection, on the fast path or not. */
interface OpenConnection {
  /** No request is being received or answered. */
  readonly isIdle: boolean
  /** Ends the connection if one of its times has run out. */
  expire(nowMs: number): void
  destroy(): void
}

const LOG_INTERVAL_MS = 10_000
/**
 * A connection becomes idle without an event, so idle connections are closed repeatedly until none
 * remains. fastify/fastify#7044 shows what happens otherwise.
 */
const IDLE_CHECK_MS = 50

export class HttpConnections {
  readonly #options: HttpConnectionsOptions
  readonly #listener: Server
  readonly #tls: TlsServer | undefined
  readonly #fastPath: FastPath | undefined
  readonly #acceptErrorLog: LogThrottle
  /** Every accepted connection, also during its TLS handshake. */
  readonly #sockets = new Set<Socket>()
  readonly #open = new Set<OpenConnection>()
  #timer: Timer | undefined
  /** Resolves when nothing is accepted any more and no connection is left. */
  readonly closed: Promise<void>
  #closing: Promise<void> | undefined

  constructor(options: HttpConnectionsOptions) {
    const { certificate, fastPath, counters, maxConnections } = options
    this.#options = options
    this.#acceptErrorLog = new LogThrottle(options.clock, LOG_INTERVAL_MS)
    this.#listener = createServer({
      // TLS 1.2 has no half-closed connections (RFC 5246 section 7.2.1).
      allowHalfOpen: certificate === undefined,
      keepAlive: true, // TCP keep-alive detects clients that have vanished.
      noDelay: true,
    })
    this.#listener.maxConnections = maxConnections
    this.#listener.on('connection', (socket) => this.#accept(socket))
    this.#listener.on('drop', () => counters.refusedConnections++)
    this.closed = new Promise((resolve) => this.#listener.once('close', resolve))
    this.#tls = certificate && this.#createTlsServer(certificate)
    this.#fastPath =
      fastPath &&
      new FastPath(fastPath, {
        giveToCanonical: (socket, isAfterPost) => this.#openCanonical(socket, isAfterPost),
        onGone: (connection) => this.#open.delete(connection),
      })
  }

  get count(): number {
    return this.#sockets.size
  }

  /**
   * @param who the listener, for errors
   * @throws RelayError RELAY_ADDRESS_IN_USE, RELAY_ADDRESS_UNUSABLE
   */
  async listen(wanted: Endpoint, who: string): Promise<Endpoint> {
    const endpoint = await listenTcp(this.#listener, wanted, who)
    this.#listener.on('error', (error) => this.#onAcceptError(error))
    return endpoint
  }

  close(deadline: AbortSignal): Promise<void> {
    this.#closing ??= this.#close()
    const cut = (): void => {
      for (const socket of this.#sockets) socket.destroy()
    }
    if (deadline.aborted) cut()
    else deadline.addEventListener('abort', cut)
    return this.#closing.finally(() => deadline.removeEventListener('abort', cut))
  }

  async #close(): Promise<void> {
    const { clock } = this.#options
    this.#listener.close()
    const closeIdle = (): void => {
      for (const connection of this.#open) if (connection.isIdle) connection.destroy()
      timer = clock.startTimer(IDLE_CHECK_MS, closeIdle)
    }
    let timer = clock.startTimer(0, closeIdle)
    await this.closed
    timer.cancel()
    // The server counts a connection as closed before the socket emits `close`.
    await Promise.all([...this.#sockets].map((socket) => once(socket, 'close')))
  }

  #createTlsServer(certificate: ListenerCertificate): TlsServer {
    const { limits, counters } = this.#options
    const handshakeTimeout = limits.headersTimeoutMs
    const tls = createTlsServer({ ...certificate, handshakeTimeout, ALPNProtocols: ['http/1.1'] })
    tls.on('secureConnection', (socket) => this.#take(socket))
    tls.on('tlsClientError', (_error, socket) => {
      counters.malformedRequests++
      socket.destroy()
    })
    return tls
  }

  #accept(socket: Socket): void {
    this.#options.counters.acceptedConnections++
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    // Before the handshake: a TLS server would report the closed ones as failed handshakes.
    if (!this.#options.charge(socket)) return
    if (this.#tls === undefined) this.#take(socket)
    else this.#tls.emit('connection', socket)
  }

  #take(socket: Socket): void {
    if (this.#fastPath === undefined) this.#openCanonical(socket, false)
    else this.#watch(this.#fastPath.open(socket))
  }

  /** @param isAfterPost the request before, which the fast path has answered, was a POST */
  #openCanonical(socket: Socket, isAfterPost: boolean): void {
    const connection = new CanonicalConnection(socket, this.#options, isAfterPost)
    connection.once('close', () => this.#open.delete(connection))
    this.#watch(connection)
  }

  #watch(connection: OpenConnection): void {
    this.#open.add(connection)
    this.#timer ??= this.#startTimer()
  }

  #startTimer(): Timer {
    const { clock, limits } = this.#options
    const look = () => {
      const nowMs = clock.monotonicMs()
      for (const connection of this.#open) connection.expire(nowMs)
      this.#timer = this.#open.size > 0 ? this.#startTimer() : undefined
    }
    return clock.startTimer(limits.timeoutCheckMs, look, { isBackground: true })
  }

  /** Mostly for lack of file descriptors. The server continues to listen. */
  #onAcceptError(error: Error): void {
    const { counters, logger } = this.#options
    counters.acceptErrors++
    const suppressed = this.#acceptErrorLog.hit()
    if (suppressed === undefined) return
    const text = `cannot accept connections: ${errorText(error)}; still listening`
    const fields = { code: errorCode(error), suppressed }
    logger.error(fields, `${text}${renderRepeats(suppressed)}`)
  }
}

/** The connection of a request. @throws Error for a request of a server without them */
export function connectionOf({ socket }: Pick<IncomingMessage, 'socket'>): CanonicalConnection {
  const connection: unknown = socket
  if (connection instanceof CanonicalConnection) return connection
  throw new Error('BUG: a request on a connection that is not ours')
}
