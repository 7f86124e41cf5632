/**
 * The fast path: reads plain `POST /write` from the socket, in front of node's HTTP server.
 *
 *     socket ──▶ fast path ── plain `POST /write` ──▶ ingest
 *                    └─ anything else, with its bytes ──▶ ../canonical/ ──▶ node's parser
 *
 * A connection begins here and stays while every request on it has the one form that head.ts
 * accepts. With the first other request the connection goes to node for good. So the fast path
 * never answers an unusual or malformed request; node's path does.
 *
 * Limits: those of http/limits.ts, the same as on node's path. Silence is checked every
 * `timeoutCheckMs`.
 */

import type { Socket } from 'node:net'
import type { HttpRelayConfig } from '../../../config/config.ts'
import type { Clock, Timer } from '../../../std/clock.ts'
import type { SharedMemory } from '../../../std/memory-budget.ts'
import type { HttpCounters } from '../counters.ts'
import type { Ingest } from '../ingest/ingest.ts'
import type { ParsedWriteRequests } from '../ingest/write-request-cache.ts'
import type { HttpLimits } from '../limits.ts'
import type { RefusalLog } from '../refusal-log.ts'
import type { HttpRequestsInFlight } from '../requests-in-flight.ts'
import { FastAnswers } from './answers.ts'
import { FastConnection, type FastParts } from './connection.ts'
import { HeadsCache, type ParsedHead } from './heads-cache.ts'

export interface FastPathOptions {
  readonly config: HttpRelayConfig
  readonly memory: SharedMemory
  readonly clock: Clock
  readonly limits: HttpLimits
  readonly counters: HttpCounters
  readonly refusals: RefusalLog
  readonly requestsInFlight: HttpRequestsInFlight
  readonly parsedRequests: ParsedWriteRequests
  readonly ingest: Ingest
}

export class FastPath {
  readonly #options: FastPathOptions
  readonly #heads: HeadsCache
  readonly #parts: FastParts
  readonly #connections = new Set<FastConnection>()
  #timer: Timer | undefined

  /** @param giveToCanonical takes a connection with its unused bytes, at the first other request */
  constructor(options: FastPathOptions, giveToCanonical: FastParts['giveToCanonical']) {
    const { config, clock, limits } = options
    const { influxdbVersion: version } = config
    this.#options = options
    this.#heads = new HeadsCache(options.parsedRequests, options.memory)
    this.#parts = {
      ...options,
      answers: new FastAnswers({ version, clock, keepAliveTimeoutMs: limits.keepAliveTimeoutMs }),
      headOf: (text) => this.#headOf(text),
      giveToCanonical,
      onGone: (connection) => this.#connections.delete(connection),
    }
  }

  take(socket: Socket): void {
    this.#connections.add(new FastConnection(socket, this.#parts))
    this.#timer ??= this.#watch()
  }

  /** Closes the connections on which no request is being received or answered. */
  closeIdleConnections(): void {
    for (const connection of this.#connections) if (connection.isIdle) connection.destroy()
  }

  #watch(): Timer {
    const { clock, limits } = this.#options
    const look = () => {
      const nowMs = clock.monotonicMs()
      for (const connection of this.#connections) connection.expire(nowMs)
      this.#timer = this.#connections.size > 0 ? this.#watch() : undefined
    }
    return clock.startTimer(limits.timeoutCheckMs, look, { isBackground: true })
  }

  /** Requests that are refused before their body is read go to node's path, which refuses them. */
  #headOf(text: string): ParsedHead | undefined {
    const { config, requestsInFlight } = this.#options
    const head = this.#heads.headOf(text)
    if (head === undefined || head.bodyBytes > config.maxBodyBytes) return undefined
    const { target, fault } = head.parsed
    if (target.database === '' || fault !== undefined) return undefined
    return requestsInFlight.isFull ? undefined : head
  }
}
