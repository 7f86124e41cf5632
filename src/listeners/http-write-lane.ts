/**
 * The hot path: `POST /write` from the request's headers to its answer.
 *
 *     plan (URL) → bounds → body → gzip → scanner → relay → answer
 *
 * Checks come in InfluxDB's order. What needs no database is decided here; only lines that InfluxDB
 * accepts go on. Nothing of a body that was cut off is ever used.
 *
 * Promise: bodies of one connection go to the relay in the order in which they came, though large
 * gzip bodies are unpacked on other threads.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { HttpRelayConfig } from '../config/config.ts'
import { scanLines } from '../line-protocol/scan.ts'
import type { Relay } from '../relay.ts'
import type { Clock } from '../std/clock.ts'
import { unreachable } from '../std/errors.ts'
import type { MemoryBudget } from '../std/memory-budget.ts'
import { type Reply, refusedReply, STORED, unavailableReply } from '../write/reply.ts'
import type { RisingClock } from '../write/rising-clock.ts'
import { errorFormat } from './dialects/error-text.ts'
import { type HttpAnswer, renderReply } from './dialects/v1.ts'
import type { HttpCounters } from './http-counters.ts'
import type { HttpExchanges } from './http-exchanges.ts'
import { type HttpLimits, RETRY_AFTER_S } from './http-limits.ts'
import { TokenBucket } from './http-rate-limit.ts'
import type { HttpResponder } from './http-responder.ts'
import { type WritePlan, WritePlans } from './http-write-plans.ts'
import { type BodyOptions, type BodyResult, receiveBody } from './request-body.ts'
import { contentLength, firstHeader } from './request-headers.ts'
import { type UnpackResult, unpackGzip } from './request-unpack.ts'

const DATABASE_REQUIRED = refusedReply(400, 'database is required')
export const TOO_LARGE = refusedReply(413, 'Request Entity Too Large')
const INVALID_CONSISTENCY = refusedReply(400, 'invalid consistency level')
const RATE_LIMITED = unavailableReply('rate limit exceeded', RETRY_AFTER_S)
const MEMORY_FULL = unavailableReply('memory for requests is full (max-memory-mb)', RETRY_AFTER_S)
const TOO_MANY = unavailableReply('too many requests in flight', RETRY_AFTER_S)

/** What the lanes of one listener share. */
export interface LaneOptions {
  readonly config: HttpRelayConfig
  readonly relay: Pick<Relay, 'accept'>
  readonly memory: MemoryBudget
  readonly clock: Clock
  readonly stampClock: RisingClock
  readonly limits: HttpLimits
  readonly responder: HttpResponder
  readonly exchanges: HttpExchanges
  readonly counters: HttpCounters
  /** A part of ours has failed that must not: the listener ends. */
  readonly onBug: (error: unknown) => void
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly plan: WritePlan
}

export class WriteLane {
  readonly #options: LaneOptions
  readonly #plans: WritePlans
  readonly #bodyOptions: BodyOptions
  readonly #bucket: TokenBucket | undefined
  /**
   * The last work of a connection that was put off; what comes after it on that connection waits.
   */
  readonly #putOff = new Map<Socket, Promise<void>>()

  constructor(options: LaneOptions) {
    const { config, clock, memory, stampClock } = options
    const { defaultRetentionPolicy, unsignedIntegers, rateLimit } = config
    this.#options = options
    this.#plans = new WritePlans({ defaultRetentionPolicy, unsignedIntegers, stampClock })
    this.#bodyOptions = { maxBytes: config.maxBodyBytes, memory }
    this.#bucket = rateLimit && new TokenBucket(rateLimit, clock)
  }

  /** @param isAwaitingContinue the client sends the body only once it is told to */
  handle(request: IncomingMessage, response: ServerResponse, isAwaitingContinue = false): void {
    const { counters, exchanges, responder } = this.#options
    counters.writeRequests++
    const plan = this.#plans.planFor(request.url ?? '', request.headers.authorization ?? '')
    const exchange = { request, response, plan }
    const refusal = this.admit(request, plan.target.database)
    if (refusal !== undefined) {
      const answer = this.#render(exchange, refusal)
      if (isAwaitingContinue || refusal !== TOO_LARGE) responder.answer(request, response, answer)
      else responder.answerEarly(request, response, answer)
      return
    }
    if (isAwaitingContinue) response.writeContinue()
    exchanges.begin(request)
    receiveBody(request, this.#bodyOptions, (result) => this.#received(exchange, result))
  }

  /**
   * What can be refused before the body is here, in InfluxDB's order, the relay's own bounds around
   * it.
   */
  admit(request: IncomingMessage, database: string): Reply | undefined {
    const { config, limits, exchanges, counters } = this.#options
    if (this.#bucket && !this.#bucket.tryTake()) {
      counters.rateLimitedRequests++
      return RATE_LIMITED
    }
    if (database === '') return DATABASE_REQUIRED
    if ((contentLength(request) ?? 0) > config.maxBodyBytes) {
      counters.tooLargeRequests++
      return TOO_LARGE
    }
    if (exchanges.count >= limits.inFlightMaxRequests) {
      counters.tooManyRequests++
      return TOO_MANY
    }
    return undefined
  }

  #received(exchange: Exchange, result: BodyResult): void {
    const { exchanges, counters } = this.#options
    if (result.kind !== 'received') exchanges.end(exchange.request)
    switch (result.kind) {
      case 'aborted':
        counters.abortedRequests++
        return
      case 'too-large':
        counters.tooLargeRequests++
        return this.#answerEarly(exchange, TOO_LARGE)
      case 'memory-full':
        counters.memoryFullRequests++
        return this.#answerEarly(exchange, MEMORY_FULL)
      case 'received':
        counters.receivedBytes += result.body.length
        return this.#begin(exchange, result.body)
      default:
        return unreachable(result)
    }
  }

  #begin(exchange: Exchange, body: Buffer): void {
    const { request } = exchange
    const encoding = request.headers['content-encoding']
    const isGzip = encoding !== undefined && firstHeader(request, 'content-encoding') === 'gzip'
    const earlier = this.#putOff.size === 0 ? undefined : this.#putOff.get(request.socket)
    if (!isGzip) {
      if (earlier === undefined) return this.#process(exchange, body)
      return this.#putOffUntil(request.socket, earlier, () => this.#process(exchange, body))
    }
    const unpacked = unpackGzip(body, this.#bodyOptions)
    if (!(unpacked instanceof Promise)) {
      if (earlier === undefined) return this.#unpacked(exchange, unpacked)
      return this.#putOffUntil(request.socket, earlier, () => this.#unpacked(exchange, unpacked))
    }
    const { memory } = this.#options
    memory.take(body.length) // Held until it is unpacked.
    const both = Promise.all([unpacked, earlier]).then(([result]) => {
      memory.giveBack(body.length)
      return result
    })
    this.#putOffUntil(request.socket, both, (result) => this.#unpacked(exchange, result))
  }

  #putOffUntil<T>(socket: Socket, ready: Promise<T>, work: (value: T) => void): void {
    const done = ready.then(work).catch(this.#options.onBug)
    const forgotten = done.finally(() => {
      if (this.#putOff.get(socket) === forgotten) this.#putOff.delete(socket)
    })
    this.#putOff.set(socket, forgotten)
  }

  #unpacked(exchange: Exchange, result: UnpackResult): void {
    const { counters } = this.#options
    switch (result.kind) {
      case 'unpacked':
        return this.#process(exchange, result.body)
      case 'broken':
        return this.#answer(exchange, refusedReply(400, result.error))
      case 'too-large':
        counters.tooLargeRequests++
        return this.#answer(exchange, TOO_LARGE)
      case 'memory-full':
        counters.memoryFullRequests++
        return this.#answer(exchange, MEMORY_FULL)
      default:
        return unreachable(result)
    }
  }

  #process(exchange: Exchange, body: Buffer): void {
    const { relay, clock, counters, onBug } = this.#options
    const { plan } = exchange
    const scanned = scanLines(body, plan.scan)
    const { lines, lineCount, refusedCount, errors } = scanned
    counters.unpackedBytes += body.length
    counters.refusedLines += refusedCount
    if ((lineCount === 0 && refusedCount > 0) || scanned.hasUnstorable) {
      return this.#answer(exchange, refusedReply(400, errors))
    }
    if (plan.hasInvalidConsistency) return this.#answer(exchange, INVALID_CONSISTENCY)
    if (lineCount === 0) return this.#answer(exchange, STORED)
    const { target } = plan
    const receivedAtMs = clock.wallMs()
    relay
      .accept({ kind: 'lines', target, body: lines, lineCount, receivedAtMs }, plan.accept)
      .then((reply) => {
        const isPartial = refusedCount > 0 && reply.status === 204
        this.#answer(exchange, isPartial ? partialReply(errors) : reply)
      }, onBug)
  }

  #answer(exchange: Exchange, reply: Reply): void {
    const { exchanges, responder } = this.#options
    exchanges.end(exchange.request)
    responder.answer(exchange.request, exchange.response, this.#render(exchange, reply))
  }

  #answerEarly(exchange: Exchange, reply: Reply): void {
    const answer = this.#render(exchange, reply)
    this.#options.responder.answerEarly(exchange.request, exchange.response, answer)
  }

  #render({ request, plan }: Exchange, reply: Reply): HttpAnswer {
    return renderReply(reply, errorFormat(request.headers.accept, plan.isPretty))
  }
}

/** Nothing was dropped in InfluxDB's sense: what did not parse was no point. */
function partialReply(errors: string): Reply {
  return refusedReply(400, `partial write: ${errors} dropped=0`)
}
