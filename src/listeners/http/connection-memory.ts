/**
 * Charges each client connection to the memory budget from accept until close.
 *
 * Limits: the clients' share of the memory budget. When that share or the budget is used up, a new
 * connection is closed at once and counted, and the log mentions it at a limited rate. The client
 * gets no answer, because an answer needs a connection.
 */

import type { Socket } from 'node:net'
import type { Clock } from '../../std/clock.ts'
import { LogThrottle, renderRepeats } from '../../std/log-throttle.ts'
import type { Logger } from '../../std/logger.ts'
import type { Memory } from '../../std/memory-budget.ts'
import type { HttpCounters } from './counters.ts'

/** A socket and its events; measured with 5,000 silent connections. */
const CONNECTION_BYTES = 8 * 1024
/** As `CONNECTION_BYTES`, with TLS, whose state is in OpenSSL; measured with 800 connections. */
const TLS_CONNECTION_BYTES = 80 * 1024
const LOG_INTERVAL_MS = 10_000

export interface ConnectionMemoryOptions {
  readonly memory: Memory
  readonly isTls: boolean
  readonly counters: HttpCounters
  readonly clock: Clock
  readonly logger: Logger
}

export class ConnectionMemory {
  readonly #options: ConnectionMemoryOptions
  readonly #throttle: LogThrottle

  constructor(options: ConnectionMemoryOptions) {
    this.#options = options
    this.#throttle = new LogThrottle(options.clock, LOG_INTERVAL_MS)
  }

  /** Charges a connection that was just accepted, or closes it. @returns whether it is open */
  charge(socket: Socket): boolean {
    const { memory, isTls } = this.#options
    const bytes = isTls ? TLS_CONNECTION_BYTES : CONNECTION_BYTES
    const isCharged = memory.tryTake(bytes)
    if (isCharged) socket.once('close', () => memory.giveBack(bytes))
    else this.#refuse(socket)
    return isCharged
  }

  #refuse(socket: Socket): void {
    const { counters, logger } = this.#options
    socket.destroy()
    counters.refusedConnections++
    const suppressed = this.#throttle.hit()
    if (suppressed === undefined) return
    const text =
      'a connection was closed: there is no memory for it. Connections and requests may use half ' +
      'of max-memory-mb, or less while writes use the rest'
    logger.warn({ suppressed }, `${text}${renderRepeats(suppressed)}`)
  }
}
