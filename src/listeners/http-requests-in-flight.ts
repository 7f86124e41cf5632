/**
 * The requests of one listener that are not answered yet.
 *
 * A connection with a request that is here in full is never cut for silence: it is we who keep it
 * waiting. And whatever else comes on that connection, nothing may be said before that request has
 * its answer.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

export interface RequestInFlight {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

export class HttpRequestsInFlight {
  readonly #open = new Map<IncomingMessage, ServerResponse>()
  readonly #condemned = new Set<Duplex>()
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
