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
 * Limits: those of http/limits.ts, the same as on node's path; ../connections.ts has them checked.
 */

import type { Socket } from 'node:net'
import type { HttpRelayConfig } from '../../../config/config.ts'
import type { Clock } from '../../../std/clock.ts'
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

  constructor(options: FastPathOptions, owner: Pick<FastParts, 'giveToCanonical' | 'onGone'>) {
    const { config, clock, limits } = options
    const { influxdbVersion: version } = config
    this.#options = options
    this.#heads = new HeadsCache(options.parsedRequests, options.memory)
    this.#parts = {
      ...options,
      ...owner,
      answers: new FastAnswers({ version, clock, keepAliveTimeoutMs: limits.keepAliveTimeoutMs }),
      headOf: (text) => this.#headOf(text),
    }
  }

  /** Reads the connection until its first other request. */
  open(socket: Socket): FastConnection {
    return new FastConnection(socket, this.#parts)
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
