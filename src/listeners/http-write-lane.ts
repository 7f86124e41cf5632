/**
 * The hot path: `POST /write` from the request's headers to its answer.
 *
 *     plan (URL) → bounds → body → gzip → scanner → relay → answer
 *
 * Checks come in InfluxDB's order. What needs no database is decided here; only lines that InfluxDB
 * accepts go on. Nothing of a body that was cut off is ever used.
 *
 * Promise: bodies of one connection go to the relay in the order in which they came, though large
 * gzip bodies are unpacked on other threads. What comes behind one waits as it came, packed, and
 * counts against the memory budget meanwhile.
 *
 * Limits: http-limits.ts. A body is scanned in one go, during which nothing else of the program
 * runs: 350 to 730 ms for the 25 MB that `max-body-mb` allows unless told otherwise.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { HttpRelayConfig } from '../config/config.ts'
import { scanLines } from '../line-protocol/scan.ts'
import type { Relay } from '../relay/relay.ts'
import type { Clock } from '../std/clock.ts'
import { unreachable } from '../std/errors.ts'
import type { Memory } from '../std/memory-budget.ts'
import { Client } from '../write/client.ts'
import { type Reply, refusedReply, STORED, unavailableReply } from '../write/reply.ts'
import type { RisingClock } from '../write/rising-clock.ts'
import { errorFormat } from './dialects/error-text.ts'
import { type HttpAnswer, renderReply } from './dialects/v1.ts'
import type { V1WriteRequest } from './dialects/v1-request.ts'
import type { HttpCounters } from './http-counters.ts'
import { type HttpLimits, RETRY_AFTER_S } from './http-limits.ts'
import { TokenBucket } from './http-rate-limit.ts'
import type { HttpRequestsInFlight } from './http-requests-in-flight.ts'
import type { HttpResponder } from './http-responder.ts'
import { type WritePlan, WritePlans } from './http-write-plans.ts'
import { type BodyOptions, type BodyResult, receiveBody } from './request-body.ts'
import { contentLength, firstHeader } from './request-headers.ts'
import { type UnpackResult, unpackGzip } from './request-unpack.ts'

const DATABASE_REQUIRED = refusedReply(400, 'database is required')
export const TOO_LARGE = refusedReply(413, 'Request Entity Too Large')
const INVALID_RETENTION_POLICY = refusedReply(
  400,
  'invalid retention policy name: it has control characters',
)
const INVALID_CONSISTENCY = refusedReply(400, 'invalid consistency level')
const RATE_LIMITED = unavailableReply('rate limit exceeded', RETRY_AFTER_S)
export const MEMORY_FULL = unavailableReply(
  'memory for requests is full (max-memory-mb)',
  RETRY_AFTER_S,
)
const TOO_MANY = unavailableReply('too many requests in flight', RETRY_AFTER_S)

/** What the lanes of one listener share. */
export interface LaneOptions {
  readonly config: HttpRelayConfig
  readonly relay: Pick<Relay, 'accept'>
  readonly memory: Memory
  readonly clock: Clock
  readonly stampClock: RisingClock
  readonly limits: HttpLimits
  readonly responder: HttpResponder
  readonly requestsInFlight: HttpRequestsInFlight
  readonly counters: HttpCounters
  /**
   * A part of ours has failed that must not: the listener ends. The request that met it, say one
   * whose `accept` rejected, is never answered: its write may be stored or not, and any status
   * would say one of the two. What its client sees is a connection that is cut.
   */
  readonly onBug: (error: unknown) => void
}

interface WriteRequest {
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
  readonly #clients = new WeakMap<Socket, Client>()

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
    const { counters, requestsInFlight, responder } = this.#options
    counters.writeRequests++
    const plan = this.#plans.planFor(request.url ?? '', request.headers.authorization ?? '')
    const write = { request, response, plan }
    const refusal = this.admit(request, plan)
    if (refusal !== undefined) {
      const answer = this.#render(write, refusal)
      if (isAwaitingContinue || refusal !== TOO_LARGE) responder.answer(request, response, answer)
      else responder.answerEarly(request, response, answer)
      return
    }
    if (isAwaitingContinue) response.writeContinue()
    requestsInFlight.begin(request, response)
    receiveBody(request, this.#bodyOptions, (result) => this.#received(write, result))
  }

  /**
   * What can be refused before the body is here, in InfluxDB's order, the relay's own bounds around
   * it.
   */
  admit(request: IncomingMessage, parsed: V1WriteRequest): Reply | undefined {
    const { config, limits, requestsInFlight, counters } = this.#options
    if (this.#bucket && !this.#bucket.tryTake()) {
      counters.rateLimitedRequests++
      return RATE_LIMITED
    }
    if (parsed.target.database === '') return DATABASE_REQUIRED
    if (parsed.hasInvalidRetentionPolicy) return INVALID_RETENTION_POLICY
    if ((contentLength(request) ?? 0) > config.maxBodyBytes) {
      counters.tooLargeRequests++
      return TOO_LARGE
    }
    if (requestsInFlight.count >= limits.inFlightMaxRequests) {
      counters.tooManyRequests++
      return TOO_MANY
    }
    return undefined
  }

  #received(write: WriteRequest, result: BodyResult): void {
    const { requestsInFlight, counters } = this.#options
    if (result.kind !== 'received') requestsInFlight.end(write.request)
    switch (result.kind) {
      case 'aborted':
        counters.abortedRequests++
        return
      case 'too-large':
        counters.tooLargeRequests++
        return this.#answerEarly(write, TOO_LARGE)
      case 'memory-full':
        counters.memoryFullRequests++
        return this.#answerEarly(write, MEMORY_FULL)
      case 'received':
        counters.receivedBytes += result.body.length
        return this.#begin(write, result.body)
      default:
        return unreachable(result)
    }
  }

  /** In its turn: after what was put off before it on this connection. */
  #begin(write: WriteRequest, body: Buffer): void {
    const { socket } = write.request
    const earlier = this.#putOff.size === 0 ? undefined : this.#putOff.get(socket)
    const rest =
      earlier === undefined
        ? this.#unpack(write, body)
        : this.#holdUntil(earlier, body, () => this.#unpack(write, body))
    if (rest !== undefined) this.#putOffUntil(socket, rest)
  }

  /** @returns what is still to come, when the body is large; else it is with the relay by now */
  #unpack(write: WriteRequest, body: Buffer): Promise<void> | undefined {
    const { request } = write
    const encoding = request.headers['content-encoding']
    const isGzip = encoding !== undefined && firstHeader(request, 'content-encoding') === 'gzip'
    const result = isGzip ? unpackGzip(body, this.#bodyOptions) : undefined
    if (result instanceof Promise) {
      return this.#holdUntil(result, body, (unpacked) => this.#unpacked(write, unpacked))
    }
    if (result === undefined) this.#process(write, body)
    else this.#unpacked(write, result)
    return undefined
  }

  /**
   * Charges a body to the memory budget while it waits for `ready`, which never rejects.
   *
   * Cannot pass the budget's limit: whoever comes here has given the same bytes back just before,
   * having received the body or waited with it.
   */
  #holdUntil<T>(
    ready: Promise<T>,
    body: Buffer,
    next: (value: T) => Promise<void> | undefined | void,
  ): Promise<void> {
    const { memory } = this.#options
    memory.take(body.length)
    return ready.then((value) => {
      memory.giveBack(body.length)
      return next(value)
    })
  }

  #putOffUntil(socket: Socket, rest: Promise<void>): void {
    const done = rest.catch(this.#options.onBug).finally(() => {
      if (this.#putOff.get(socket) === done) this.#putOff.delete(socket)
    })
    this.#putOff.set(socket, done)
  }

  #unpacked(write: WriteRequest, result: UnpackResult): void {
    const { counters } = this.#options
    switch (result.kind) {
      case 'unpacked':
        return this.#process(write, result.body)
      case 'broken':
        return this.#answer(write, refusedReply(400, result.error))
      case 'too-large':
        counters.tooLargeRequests++
        return this.#answer(write, TOO_LARGE)
      case 'memory-full':
        counters.memoryFullRequests++
        return this.#answer(write, MEMORY_FULL)
      default:
        return unreachable(result)
    }
  }

  #process(write: WriteRequest, body: Buffer): void {
    const { relay, clock, counters, onBug } = this.#options
    const { plan } = write
    const scanned = scanLines(body, plan.scan)
    const { lines, lineCount, refusedCount, errors } = scanned
    counters.unpackedBytes += body.length
    counters.refusedLines += refusedCount
    if ((lineCount === 0 && refusedCount > 0) || scanned.hasUnstorable) {
      return this.#answer(write, refusedReply(400, errors))
    }
    if (plan.hasInvalidConsistency) return this.#answer(write, INVALID_CONSISTENCY)
    if (lineCount === 0) return this.#answer(write, STORED)
    const { target } = plan
    const receivedAtMs = clock.wallMs()
    const client = this.#clientOf(write.request.socket)
    relay
      .accept({ kind: 'lines', target, body: lines, lineCount, receivedAtMs, client }, plan.accept)
      .then((reply) => {
        const isPartial = refusedCount > 0 && reply.status === 204
        this.#answer(write, isPartial ? partialReply(errors) : reply)
      }, onBug)
  }

  #clientOf(socket: Socket): Client {
    let client = this.#clients.get(socket)
    if (client === undefined) {
      client = new Client()
      this.#clients.set(socket, client)
    }
    return client
  }

  #answer(write: WriteRequest, reply: Reply): void {
    const { requestsInFlight, responder } = this.#options
    requestsInFlight.end(write.request)
    responder.answer(write.request, write.response, this.#render(write, reply))
  }

  #answerEarly(write: WriteRequest, reply: Reply): void {
    const answer = this.#render(write, reply)
    this.#options.responder.answerEarly(write.request, write.response, answer)
  }

  #render({ request, plan }: WriteRequest, reply: Reply): HttpAnswer {
    return renderReply(reply, errorFormat(request.headers.accept, plan.isPretty))
  }
}

/** Nothing was dropped in InfluxDB's sense: what did not parse was no point. */
function partialReply(errors: string): Reply {
  return refusedReply(400, `partial write: ${errors} dropped=0`)
}
