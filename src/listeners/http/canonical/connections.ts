/**
 * The connections of a server between its sockets and node's HTTP parser.
 *
 *     const connections = CanonicalConnections.before(server, 'connection', options)
 *     server.on('connection', (socket) => connections.open(socket))
 *
 * Limits: those of http/limits.ts that node cannot check, because it gets whole heads only. They
 * are checked every `timeoutCheckMs`.
 */

import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock, Timer } from '../../../std/clock.ts'
import type { Memory } from '../../../std/memory-budget.ts'
import type { HttpLimits } from '../limits.ts'
import { CanonicalConnection } from './connection.ts'

export interface CanonicalConnectionsOptions {
  readonly clock: Clock
  readonly memory: Memory
  readonly limits: HttpLimits
  /** Node's own listener for new connections. */
  readonly giveToNode: (connection: CanonicalConnection) => void
}

export class CanonicalConnections {
  readonly #options: CanonicalConnectionsOptions
  readonly #open = new Set<CanonicalConnection>()
  #timer: Timer | undefined

  constructor(options: CanonicalConnectionsOptions) {
    this.#options = options
  }

  /** Replaces node's own listener for new connections, and calls it later with each connection. */
  static before(
    server: Server,
    event: 'connection' | 'secureConnection',
    options: Omit<CanonicalConnectionsOptions, 'giveToNode'>,
  ): CanonicalConnections {
    const ofNode = server.listeners(event)
    server.removeAllListeners(event)
    const giveToNode = (connection: CanonicalConnection) => {
      for (const listener of ofNode) Reflect.apply(listener, server, [connection])
    }
    return new CanonicalConnections({ ...options, giveToNode })
  }

  /** @throws Error for a request of a server that has no such connections */
  static of({ socket }: Pick<IncomingMessage, 'socket'>): CanonicalConnection {
    const connection: unknown = socket
    if (connection instanceof CanonicalConnection) return connection
    throw new Error('BUG: a request on a connection that is not ours')
  }

  /** @param isAfterPost the request before, which somebody else has answered, was a POST */
  open(socket: Socket, isAfterPost = false): void {
    const connection = new CanonicalConnection(socket, this.#options, isAfterPost)
    this.#open.add(connection)
    connection.once('close', () => this.#open.delete(connection))
    this.#timer ??= this.#watch()
  }

  /** Closes the connections on which no request is being received or answered. */
  closeIdle(): void {
    for (const connection of this.#open) if (connection.isIdle) connection.destroy()
  }

  /** Closes all connections. */
  close(): void {
    for (const connection of this.#open) connection.destroy()
  }

  #watch(): Timer {
    const { clock, limits } = this.#options
    const look = () => {
      const nowMs = clock.monotonicMs()
      for (const connection of this.#open) connection.expire(nowMs)
      this.#timer = this.#open.size > 0 ? this.#watch() : undefined
    }
    return clock.startTimer(limits.timeoutCheckMs, look, { isBackground: true })
  }
}
