/**
 * Writes answers, with the headers that InfluxDB puts on every answer.
 *
 * The request id is the client's if the client sent one. While the listener is closing, the last
 * answer on each connection says `Connection: close`. So does the answer to a client that was not
 * told to send its body (`100 Continue`): nobody knows whether the body follows.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../../std/clock.ts'
import { errorCode } from '../../std/errors.ts'
import type { HttpAnswer } from '../dialects/v1/reply.ts'
import { CanonicalConnection } from './canonical/connection.ts'
import { countAnswer, type HttpCounters } from './counters.ts'
import type { RefusalLog } from './refusal-log.ts'
import { firstHeader } from './request/headers.ts'
import { RequestIds } from './request/request-id.ts'
import type { HttpRequestsInFlight } from './requests-in-flight.ts'

export interface HttpResponderOptions {
  readonly version: string
  readonly clock: Clock
  readonly requestsInFlight: HttpRequestsInFlight
  readonly counters: HttpCounters
  readonly refusals: RefusalLog
  readonly lingerMs: number
}

const CORS_HEADERS = [
  'Access-Control-Allow-Methods',
  'DELETE, GET, OPTIONS, POST, PUT',
  'Access-Control-Allow-Headers',
  'Accept, Accept-Encoding, Authorization, Content-Length, Content-Type, X-CSRF-Token, ' +
    'X-HTTP-Method-Override',
  'Access-Control-Expose-Headers',
  'Date, X-InfluxDB-Version, X-InfluxDB-Build',
] as const

export class HttpResponder {
  readonly #options: HttpResponderOptions
  readonly #requestIds: RequestIds
  /** Requests whose clients wait for `100 Continue` before they send the body. */
  readonly #awaitingContinue = new WeakSet<IncomingMessage>()

  constructor(options: HttpResponderOptions) {
    this.#options = options
    this.#requestIds = new RequestIds(options.clock)
  }

  noteAwaitingContinue(request: IncomingMessage): void {
    this.#awaitingContinue.add(request)
  }

  /** The body is going to be read: tells a client that waits for it to send the body. */
  continueBody(request: IncomingMessage, response: ServerResponse): void {
    if (this.#awaitingContinue.delete(request)) response.writeContinue()
  }

  /** An answer of a handler: with request ids, and with CORS headers for a web page. */
  answer(request: IncomingMessage, response: ServerResponse, answer: HttpAnswer): void {
    this.#write(response, answer, this.#handlerHeaders(request))
  }

  /** An answer of the router: InfluxDB's router adds no request ids. */
  answerUnrouted(response: ServerResponse, answer: HttpAnswer): void {
    this.#write(response, answer, [])
  }

  /** An answer to a body that cannot be read further: nothing more is read from the connection. */
  answerLast(request: IncomingMessage, response: ServerResponse, answer: HttpAnswer): void {
    readNoMore(request)
    this.#write(response, answer, [...this.#handlerHeaders(request), 'Connection', 'close'])
  }

  /**
   * Refuses a body that is still arriving, and closes the connection.
   *
   * Closing at once would reset the connection, and the client would never see the answer. So the
   * answer is sent first, and further bytes are discarded for `lingerMs`.
   */
  answerEarly(request: IncomingMessage, response: ServerResponse, answer: HttpAnswer): void {
    // The request has already been answered: its body is broken.
    if (response.headersSent) return
    // `answer` closes the connection in this case.
    if (this.#awaitingContinue.has(request)) return this.answer(request, response, answer)
    if (request.complete) return this.answerLast(request, response, answer)
    readNoMore(request)
    const headers = [...this.#handlerHeaders(request), 'Connection', 'close']
    this.#writeHead(response, answer, headers)
    response.write(answer.body)
    const end = (): void => {
      timer.cancel()
      response.end()
    }
    const timer = this.#options.clock.startTimer(this.#options.lingerMs, end, {
      isBackground: true,
    })
    request.once('end', end)
    response.once('close', () => timer.cancel())
    request.resume()
  }

  #handlerHeaders(request: IncomingMessage): string[] {
    const { headers: incoming } = request
    const hasOwnId = incoming['x-request-id'] !== undefined || incoming['request-id'] !== undefined
    const id =
      (hasOwnId && (firstHeader(request, 'x-request-id') || firstHeader(request, 'request-id'))) ||
      this.#requestIds.next()
    const headers = ['Request-Id', id, 'X-Request-Id', id]
    const origin = incoming.origin
    if (origin) headers.push('Access-Control-Allow-Origin', origin, ...CORS_HEADERS)
    return headers
  }

  #write(response: ServerResponse, answer: HttpAnswer, headers: readonly string[]): void {
    this.#writeHead(response, answer, headers)
    response.end(answer.body)
  }

  #writeHead(response: ServerResponse, answer: HttpAnswer, more: readonly string[]): void {
    const { status, body } = answer
    const headers = [
      ...answer.headers,
      'X-Influxdb-Build',
      'OSS',
      'X-Influxdb-Version',
      this.#options.version,
      ...more,
    ]
    if (status !== 204) headers.push('Content-Length', String(Buffer.byteLength(body)))
    // Use the request's socket: node assigns one to a pipelined response only in its turn.
    const isLast = this.#options.requestsInFlight.isLastOn(response.req.socket)
    if (isLast || this.#awaitingContinue.has(response.req)) {
      readNoMore(response.req)
      headers.push('Connection', 'close')
    }
    countAnswer(this.#options.counters, status)
    this.#options.refusals.noteAnswer(response.req, answer)
    writeHead(response, status, headers)
  }
}

/** Requests behind one whose answer closes the connection are not carried out. */
function readNoMore({ socket }: IncomingMessage): void {
  if (socket instanceof CanonicalConnection) socket.readNoMore()
}

/**
 * As node's `writeHead`, but keeps the control characters of an echoed line in a header, as
 * InfluxDB does.
 *
 * The server's option `httpValidation: 'relaxed'` would do the same, but also for requests, where
 * node 26.10 loops for ever on a NUL. So the option is set for this answer only. Node before 26
 * does not know the option; there, blanks replace the control characters.
 */
function writeHead(response: ServerResponse, status: number, headers: string[]): void {
  if (tryWriteHead(response, status, headers)) return
  Object.assign(response, { httpValidation: 'relaxed' })
  if (tryWriteHead(response, status, headers)) return
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the expression replaces them.
  const controls = /[\u0000-\u001f\u007f]/g
  response.writeHead(
    status,
    headers.map((text) => text.replaceAll(controls, ' ')),
  )
}

/** @returns false, with nothing written, when node rejects a character in `headers` */
function tryWriteHead(response: ServerResponse, status: number, headers: string[]): boolean {
  try {
    response.writeHead(status, headers)
    return true
  } catch (error) {
    if (errorCode(error) !== 'ERR_INVALID_CHAR') throw error
    return false
  }
}
