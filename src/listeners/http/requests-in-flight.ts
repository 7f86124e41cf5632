/**
 * The requests of one listener that are not answered yet.
 *
 * A connection with a request that is here in full is never cut for silence: it is we who keep it
 * waiting. And whatever else comes on that connection, nothing may be said before that request has
 * its answer.
 *
 * Limits: `maxRequests`, and the memory budget, which each request is charged to until it is
 * answered.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Memory } from '../../std/memory-budget.ts'

export interface RequestInFlight {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** What a request takes beside its body, until it is answered; measured with 10,000 of them. */
const REQUEST_BYTES = 8 * 1024
/** As `REQUEST_BYTES`, of the fast lane. */
const FAST_REQUEST_BYTES = 2 * 1024

export class HttpRequestsInFlight {
  readonly #memory: Memory
  readonly #maxRequests: number
  readonly #open = new Map<IncomingMessage, ServerResponse>()
  readonly #condemned = new Set<Duplex>()
  /** The listener is closing: every answer from now on closes its connection. */
  isDraining = false
  /** Those of the fast lane, which keeps them by itself. */
  #fast = 0

  constructor(memory: Memory, maxRequests: number) {
    this.#memory = memory
    this.#maxRequests = maxRequests
  }

  get count(): number {
    return this.#open.size + this.#fast
  }

  /** There are as many as may be. */
  get isFull(): boolean {
    return this.count >= this.#maxRequests
  }

  /** @returns false, with nothing begun, when there is no memory for it */
  tryBegin(request: IncomingMessage, response: ServerResponse): boolean {
    if (!this.#memory.tryTake(REQUEST_BYTES)) return false
    this.#open.set(request, response)
    return true
  }

  /** To be called before the answer is written. */
  end(request: IncomingMessage): void {
    if (this.#open.delete(request)) this.#memory.giveBack(REQUEST_BYTES)
  }

  /** One of the fast lane has begun. @returns false when there is no memory to go on with it */
  beginFast(): boolean {
    this.#fast++
    const hasRoom = this.#memory.tryTake(FAST_REQUEST_BYTES)
    if (!hasRoom) this.#memory.take(FAST_REQUEST_BYTES)
    return hasRoom
  }

  endFast(count = 1): void {
    this.#fast -= count
    // What a request of the fast lane leaves behind is collected with the young.
    this.#memory.handOn(count * FAST_REQUEST_BYTES)
  }

  /** Rarely asked (on silence, on bad bytes), so looked for rather than kept by connection. */
  isAnsweringOn(connection: Duplex): boolean {
    for (const request of this.#open.keys()) {
      if (request.socket === connection && request.complete) return true
    }
    return false
  }

  /** The request of this connection whose body is not here in full; as rarely asked. */
  receivingOn(connection: Duplex): RequestInFlight | undefined {
    for (const [request, response] of this.#open) {
      if (request.socket === connection && !request.complete) return { request, response }
    }
    return undefined
  }

  /**
   * Nothing readable will come on this connection any more: the last answer that it is owed closes
   * it.
   */
  condemn(connection: Duplex): void {
    if (this.#condemned.has(connection)) return
    this.#condemned.add(connection)
    connection.once('close', () => this.#condemned.delete(connection))
  }

  /** Whether the answer that is about to be written to `connection` has to be the last one. */
  isLastOn(connection: Duplex): boolean {
    const isToEnd = this.isDraining || this.#condemned.has(connection)
    return isToEnd && !this.isAnsweringOn(connection)
  }
}
