/**
 * The unanswered requests of one listener.
 *
 * A connection whose request has arrived in full is never cut for silence, because the client waits
 * for the relay. Whatever else arrives on that connection, nothing may be sent before the answer to
 * that request.
 *
 * Limits: `maxRequests`, and the memory budget, to which each request is charged until it is
 * answered.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Memory } from '../../std/memory-budget.ts'

export interface RequestInFlight {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** Memory of an unanswered request without its body; measured with 10,000 requests. */
const REQUEST_BYTES = 8 * 1024
/** As `REQUEST_BYTES`, for a request on the fast path. */
const FAST_REQUEST_BYTES = 2 * 1024

export class HttpRequestsInFlight {
  readonly #memory: Memory
  readonly #maxRequests: number
  readonly #open = new Map<IncomingMessage, ServerResponse>()
  readonly #closing = new Set<Duplex>()
  /** The listener is closing: the last answer on each connection closes the connection. */
  isDraining = false
  /** The number of requests on the fast path, which keeps its own list of them. */
  #fast = 0

  constructor(memory: Memory, maxRequests: number) {
    this.#memory = memory
    this.#maxRequests = maxRequests
  }

  get count(): number {
    return this.#open.size + this.#fast
  }

  /** The number of requests has reached `maxRequests`. */
  get isFull(): boolean {
    return this.count >= this.#maxRequests
  }

  /** @returns false, without having begun the request, when there is no memory for it */
  tryBegin(request: IncomingMessage, response: ServerResponse): boolean {
    if (!this.#memory.tryTake(REQUEST_BYTES)) return false
    this.#open.set(request, response)
    return true
  }

  /** Call before the answer is written. */
  end(request: IncomingMessage): void {
    if (this.#open.delete(request)) this.#memory.giveBack(REQUEST_BYTES)
  }

  /** Begins a request on the fast path. @returns false when there is no memory to receive it */
  beginFast(): boolean {
    this.#fast++
    const hasRoom = this.#memory.tryTake(FAST_REQUEST_BYTES)
    if (!hasRoom) this.#memory.take(FAST_REQUEST_BYTES)
    return hasRoom
  }

  endFast(count = 1): void {
    this.#fast -= count
    // The garbage of a request on the fast path is collected in V8's young generation.
    this.#memory.transfer(count * FAST_REQUEST_BYTES)
  }

  /** Searches all requests instead of an index by connection: called only on silence or errors. */
  isAnsweringOn(connection: Duplex): boolean {
    for (const request of this.#open.keys()) {
      if (request.socket === connection && request.complete) return true
    }
    return false
  }

  /** The request of this connection whose body has not arrived in full; called as rarely. */
  receivingOn(connection: Duplex): RequestInFlight | undefined {
    for (const [request, response] of this.#open) {
      if (request.socket === connection && !request.complete) return { request, response }
    }
    return undefined
  }

  /**
   * Nothing more can be read from this connection, so its last outstanding answer closes it.
   */
  closeAfterAnswer(connection: Duplex): void {
    if (this.#closing.has(connection)) return
    this.#closing.add(connection)
    connection.once('close', () => this.#closing.delete(connection))
  }

  /** Whether the answer that is about to be written to `connection` has to be the last one. */
  isLastOn(connection: Duplex): boolean {
    const isToEnd = this.isDraining || this.#closing.has(connection)
    return isToEnd && !this.isAnsweringOn(connection)
  }
}
