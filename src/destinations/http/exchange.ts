/**
 * Sends one request over undici and returns its result as a value: nothing here throws or retries.
 *
 * A handler on `dispatch` costs half of undici's `request()`, which makes a stream. The answer's
 * body is read up to ANSWER_BODY_MAX_BYTES; then the connection is closed, because an endless body
 * must not block the stream.
 */

import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Answer } from './answer.ts'
import { salvageRefusal } from './salvage.ts'

/** The longest useful error texts are far below this size. */
const ANSWER_BODY_MAX_BYTES = 64 * 1024
const ABORTED = 'the relay aborted the request'

export interface ExchangeRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** Alternating names and values, without `content-length`. */
  readonly headers: readonly string[]
  /**
   * Sent one after the other and not joined: to copy large buffers costs more than it saves. An
   * empty list means no body.
   */
  readonly body: readonly Buffer[]
}

export type Exchange = { readonly kind: 'answer'; readonly answer: Answer } | FailedExchange

export interface FailedExchange {
  readonly kind: 'failed'
  readonly error: Error
  /** The request was handed to a connection, so a part of it may have arrived. */
  readonly hasBegun: boolean
  /**
   * The whole request was handed to the connection's socket. How much of it has left the machine,
   * or has arrived, is unknown.
   */
  readonly isSent: boolean
}

export interface RunningExchange {
  readonly done: Promise<Exchange>
  /** Aborts the request; `done` then resolves as failed. */
  abort(): void
}

/** @param onBegun called when the request gets a connection, which may be later */
export function startExchange(
  dispatcher: Dispatcher,
  request: ExchangeRequest,
  onBegun?: () => void,
): RunningExchange {
  const handler = new ExchangeHandler(onBegun)
  try {
    dispatcher.dispatch(dispatchOptions(request), handler)
  } catch (error) {
    handler.onResponseError(undefined, error instanceof Error ? error : new Error(String(error)))
  }
  return handler
}

function dispatchOptions(request: ExchangeRequest): Dispatcher.DispatchOptions {
  const { method, path, body } = request
  const headers = [...request.headers]
  const [only = null] = body
  if (body.length <= 1) return { method, path, headers, body: only }
  const bytes = body.reduce((sum, { length }) => sum + length, 0)
  headers.push('content-length', String(bytes))
  return { method, path, headers, body: Readable.from(eachOnce(body.toReversed())) }
}

/**
 * Yields each buffer once and drops its reference. undici keeps a request's body after the answer,
 * and V8 then keeps that body until the whole heap is marked (docs/decisions/young-bodies.md), so
 * the body must be empty once it has been sent.
 *
 * @param left in reverse order; emptied
 */
function* eachOnce(left: Buffer[]): Generator<Buffer> {
  for (let part = left.pop(); part !== undefined; part = left.pop()) yield part
}

class ExchangeHandler implements Dispatcher.DispatchHandler, RunningExchange {
  readonly done: Promise<Exchange>
  #resolve!: (exchange: Exchange) => void
  #controller: Dispatcher.DispatchController | undefined
  #isAborted = false
  #hasBegun = false
  #isSent = false
  #status = 0
  #headers: Record<string, string> = {}
  #chunks: Buffer[] = []
  #bytes = 0

  readonly #onBegun: (() => void) | undefined

  constructor(onBegun: (() => void) | undefined) {
    this.#onBegun = onBegun
    this.done = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  abort(): void {
    this.#isAborted = true
    this.#controller?.abort(new Error(ABORTED))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isAborted) return controller.abort(new Error(ABORTED))
    this.#hasBegun = true
    this.#onBegun?.()
  }

  onRequestSent(): void {
    this.#isSent = true
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    this.#status = status
    for (const name in headers) {
      const value = headers[name]
      if (value !== undefined) this.#headers[name] = Array.isArray(value) ? value.join(', ') : value
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < ANSWER_BODY_MAX_BYTES) return
    this.onResponseEnd()
    controller.abort(new Error('the answer is longer than is read'))
  }

  onResponseEnd(): void {
    const body = this.#bytes === 0 ? '' : Buffer.concat(this.#chunks).toString('utf8')
    const answer = { status: this.#status, headers: this.#headers, body }
    this.#resolve({ kind: 'answer', answer })
  }

  onResponseError(_controller: unknown, error: Error): void {
    const answer = salvageRefusal(error)
    if (answer !== undefined) return this.#resolve({ kind: 'answer', answer })
    this.#resolve({ kind: 'failed', error, hasBegun: this.#hasBegun, isSent: this.#isSent })
  }
}
