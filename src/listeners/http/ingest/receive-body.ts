/**
 * Receives the body of a request in flight for its handler. Without a whole body the request ends
 * here: it is counted, and answered if its connection is still there.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { unreachable } from '../../../std/errors.ts'
import type { Memory } from '../../../std/memory-budget.ts'
import type { Reply } from '../../../write/reply.ts'
import type { HttpAnswer } from '../../dialects/v1/reply.ts'
import type { HttpCounters } from '../counters.ts'
import { receiveBody } from '../request/body.ts'
import type { HttpRequestsInFlight } from '../requests-in-flight.ts'
import type { HttpResponder } from '../responder.ts'
import { MEMORY_FULL, TOO_LARGE } from './write-refusals.ts'

export interface ReceivingParts {
  readonly requestsInFlight: HttpRequestsInFlight
  readonly counters: HttpCounters
  readonly memory: Memory
  readonly responder: HttpResponder
}

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly maxBytes: number
  readonly render: (reply: Reply) => HttpAnswer
}

/** @param take gets the whole body; the request is in flight until `take` ends it */
export function receiveInFlight(
  { requestsInFlight, counters, memory, responder }: ReceivingParts,
  { request, response, maxBytes, render }: Exchange,
  take: (body: Buffer) => void,
): void {
  const answerEarly = (reply: Reply) => responder.answerEarly(request, response, render(reply))
  responder.continueBody(request, response)
  receiveBody(request, { maxBytes, memory }, (result) => {
    if (result.kind !== 'received') requestsInFlight.end(request)
    switch (result.kind) {
      case 'aborted':
        counters.abortedRequests++
        return
      case 'too-large':
        counters.tooLargeRequests++
        return answerEarly(TOO_LARGE)
      case 'memory-full':
        counters.memoryFullRequests++
        return answerEarly(MEMORY_FULL)
      case 'received':
        return take(result.body)
      default:
        return unreachable(result)
    }
  })
}
