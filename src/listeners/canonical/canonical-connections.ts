/**
 * The connections of a server between its sockets and node's HTTP parser.
 *
 * Limits: those of http-limits.ts that node cannot look at, because it does not see a head before
 * it is whole. Looked at every `timeoutCheckMs`.
 */

import type { Socket } from 'node:net'
import type { Clock, Timer } from '../../std/clock.ts'
import type { HttpLimits } from '../http-limits.ts'
import { CanonicalConnection } from './canonical-connection.ts'

export interface CanonicalConnectionsOptions {
  readonly clock: Clock
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

  open(socket: Socket): void {
    const connection = new CanonicalConnection(socket, this.#options)
    this.#open.add(connection)
    connection.once('close', () => this.#open.delete(connection))
    this.#timer ??= this.#watch()
  }

  /** Ends the connections on which nothing is being received or answered. */
  closeIdle(): void {
    for (const connection of this.#open) if (connection.isIdle) connection.destroy()
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
