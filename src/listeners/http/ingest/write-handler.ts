/**
 * Handles `POST /write` of node's HTTP server, from the request's headers to its body.
 *
 *     parsed URL → limits → body → ingest (ingest.ts)
 *
 * Checks come in InfluxDB's order. No part of a truncated body is ever used.
 *
 * Limits: http/limits.ts. Not here: the plain form of `POST /write`, while the fast path is on
 * (fast-path/).
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { HttpRelayConfig } from '../../../config/config.ts'
import type { Relay } from '../../../relay/relay.ts'
import type { Clock } from '../../../std/clock.ts'
import type { Memory } from '../../../std/memory-budget.ts'
import { Client } from '../../../write/merge-penalty.ts'
import type { Reply } from '../../../write/reply.ts'
import { errorFormat } from '../../dialects/v1/error-text.ts'
import { type HttpAnswer, renderReply } from '../../dialects/v1/reply.ts'
import type { V1WriteRequest } from '../../dialects/v1/request.ts'
import type { HttpCounters } from '../counters.ts'
import type { HttpLimits } from '../limits.ts'
import { TokenBucket } from '../rate-limit.ts'
import { contentLength, firstHeader } from '../request/headers.ts'
import type { HttpRequestsInFlight } from '../requests-in-flight.ts'
import type { HttpResponder } from '../responder.ts'
import type { IncomingWrite, Ingest } from './ingest.ts'
import { type Exchange, receiveInFlight } from './receive-body.ts'
import {
  DATABASE_REQUIRED,
  MEMORY_FULL,
  RATE_LIMITED,
  TARGET_REFUSALS,
  TOO_LARGE,
  TOO_MANY,
} from './write-refusals.ts'
import type { ParsedWriteRequest, ParsedWriteRequests } from './write-request-cache.ts'

/** What the handlers of one listener share. */
export interface HandlerOptions {
  readonly config: HttpRelayConfig
  readonly relay: Pick<Relay, 'accept' | 'ask'>
  readonly memory: Memory
  readonly clock: Clock
  readonly limits: HttpLimits
  readonly responder: HttpResponder
  readonly requestsInFlight: HttpRequestsInFlight
  readonly counters: HttpCounters
  /**
   * Reports a bug of the relay, which ends the listener. The affected request, for example one
   * whose `accept` rejected, is never answered: its write may or may not be stored, and any status
   * would claim one of the two. Its client sees the connection cut.
   */
  readonly onBug: (error: unknown) => void
}

export interface WriteHandlerOptions extends HandlerOptions {
  readonly parsedRequests: ParsedWriteRequests
  readonly ingest: Ingest
}

export class WriteHandler {
  readonly #options: WriteHandlerOptions
  readonly #bucket: TokenBucket | undefined
  readonly #clients = new WeakMap<Socket, Client>()

  constructor(options: WriteHandlerOptions) {
    const { config, clock } = options
    this.#options = options
    this.#bucket = config.rateLimit && new TokenBucket(config.rateLimit, clock)
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const { config, counters, ingest, parsedRequests, requestsInFlight, responder } = this.#options
    counters.writeRequests++
    const parsed = parsedRequests.parse(request.url ?? '', request.headers.authorization ?? '')
    const refusal = this.refusalOf(request, parsed)
    if (refusal !== undefined) {
      const answer = render(request, parsed, refusal)
      if (refusal !== TOO_LARGE) responder.answer(request, response, answer)
      else responder.answerEarly(request, response, answer)
      return
    }
    if (!requestsInFlight.tryBegin(request, response)) {
      counters.memoryFullRequests++
      return responder.answerEarly(request, response, render(request, parsed, MEMORY_FULL))
    }
    const { maxBodyBytes: maxBytes } = config
    const exchange = {
      request,
      response,
      maxBytes,
      render: (reply: Reply) => render(request, parsed, reply),
    }
    receiveInFlight(this.#options, exchange, (body) => {
      ingest.take(this.#writeRequest(exchange, parsed), body)
    })
  }

  /**
   * Makes the checks that need no body, in InfluxDB's order, before and after them the relay's own
   * limits.
   *
   * @returns the refusal, or `undefined`
   */
  refusalOf(request: IncomingMessage, parsed: V1WriteRequest): Reply | undefined {
    const { config, requestsInFlight, counters } = this.#options
    if (this.#bucket && !this.#bucket.tryTake()) {
      counters.rateLimitedRequests++
      return RATE_LIMITED
    }
    if (parsed.target.database === '') return DATABASE_REQUIRED
    if (parsed.fault !== undefined) return TARGET_REFUSALS[parsed.fault]
    if ((contentLength(request) ?? 0) > config.maxBodyBytes) {
      counters.tooLargeRequests++
      return TOO_LARGE
    }
    if (!requestsInFlight.isFull) return undefined
    counters.tooManyRequests++
    return TOO_MANY
  }

  #writeRequest(
    { request, response, render }: Exchange,
    parsed: ParsedWriteRequest,
  ): IncomingWrite {
    const { requestsInFlight, responder } = this.#options
    const encoding = request.headers['content-encoding']
    const isGzip = encoding !== undefined && firstHeader(request, 'content-encoding') === 'gzip'
    const answer = (reply: Reply) => {
      requestsInFlight.end(request)
      responder.answer(request, response, render(reply))
    }
    return { parsed, isGzip, client: this.#clientOf(request.socket), answer }
  }

  #clientOf(socket: Socket): Client {
    let client = this.#clients.get(socket)
    if (client === undefined) {
      client = new Client()
      this.#clients.set(socket, client)
    }
    return client
  }
}

function render(
  request: IncomingMessage,
  { isPretty }: ParsedWriteRequest,
  reply: Reply,
): HttpAnswer {
  return renderReply(reply, errorFormat(request.headers.accept, isPretty))
}
