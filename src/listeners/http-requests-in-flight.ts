/**
 * The requests of one listener that are not answered yet.
 *
 * A connection with a request that is here in full is never cut for silence: it is we who keep it
 * waiting. And whatever else comes on that connection, nothing may be said before that request has
 * its answer.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface RequestInFlight {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

export class HttpRequestsInFlight {
  readonly #open = new Map<IncomingMessage, ServerResponse>()
  readonly #condemned = new Set<Socket>()
  /** The listener is closing: every answer from now on closes its connection. */
  isDraining = false
  /** Those of the fast lane, which keeps them by itself. */
  fast = 0

  get count(): number {
    return this.#open.size + this.fast
  }

  begin(request: IncomingMessage, response: ServerResponse): void {
    this.#open.set(request, response)
  }

  /** To be called before the answer is written. */
  end(request: IncomingMessage): void {
    this.#open.delete(request)
  }

  /** Rarely asked (on silence, on bad bytes), so looked for rather than kept by connection. */
  isAnsweringOn(socket: Socket): boolean {
    for (const request of this.#open.keys()) {
      if (request.socket === socket && request.complete) return true
    }
    return false
  }

  /** The request of this connection whose body is not here in full; as rarely asked. */
  receivingOn(socket: Socket): RequestInFlight | undefined {
    for (const [request, response] of this.#open) {
      if (request.socket === socket && !request.complete) return { request, response }
    }
    return undefined
  }

  /**
   * Nothing readable will come on this connection any more: the last answer that it is owed closes
   * it.
   */
  condemn(socket: Socket): void {
    if (this.#condemned.has(socket)) return
    this.#condemned.add(socket)
    socket.once('close', () => this.#condemned.delete(socket))
  }

  /** Whether the answer that is about to be written to `socket` has to be the last one. */
  isLastOn(socket: Socket): boolean {
    if (this.isDraining) return true
    return this.#condemned.size > 0 && this.#condemned.has(socket) && !this.isAnsweringOn(socket)
  }
}
