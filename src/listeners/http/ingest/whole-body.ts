/**
 * Receives the whole body of a request and passes one write to the relay: what the handlers of
 * `/query` and of Prometheus remote write have in common.
 */

import type { Reply } from '../../../write/reply.ts'
import type { Write } from '../../../write/write.ts'
import { contentLength } from '../request/headers.ts'
import { type Exchange, receiveInFlight } from './receive-body.ts'
import type { HandlerOptions } from './write-handler.ts'
import { MEMORY_FULL, TOO_LARGE, TOO_MANY } from './write-refusals.ts'

export interface WholeBodyTask extends Exchange {
  /** Turns the whole body into a write for the relay, or into an answer that needs no write. */
  readonly read: (body: Buffer) => Write | Reply
}

/** @param accept as for `Relay.accept` */
export function writeWholeBody(
  options: HandlerOptions,
  task: WholeBodyTask,
  accept?: Parameters<HandlerOptions['relay']['accept']>[1],
): void {
  const { requestsInFlight, counters, responder, relay, onBug } = options
  const { request, response, maxBytes, render, read } = task
  const answer = (reply: Reply): void => {
    requestsInFlight.end(request)
    responder.answer(request, response, render(reply))
  }
  const answerEarly = (reply: Reply): void => {
    responder.answerEarly(request, response, render(reply))
  }
  if ((contentLength(request) ?? 0) > maxBytes) {
    counters.tooLargeRequests++
    return answerEarly(TOO_LARGE)
  }
  if (requestsInFlight.isFull) {
    counters.tooManyRequests++
    return responder.answer(request, response, render(TOO_MANY))
  }
  if (!requestsInFlight.tryBegin(request, response)) {
    counters.memoryFullRequests++
    return responder.answerEarly(request, response, render(MEMORY_FULL))
  }
  receiveInFlight(options, task, (body) => {
    const write = read(body)
    if ('status' in write) return answer(write)
    relay.accept(write, accept).then(answer, onBug)
  })
}
