/** Handles Prometheus remote write: the body is forwarded unchanged. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Reply, refusedReply } from '../../../write/reply.ts'
import type { Write } from '../../../write/write.ts'
import { parseGoQuery, queryStringOf } from '../../dialects/go-query.ts'
import { errorFormat } from '../../dialects/v1/error-text.ts'
import { renderReply } from '../../dialects/v1/reply.ts'
import { parseV1WriteRequest } from '../../dialects/v1/request.ts'
import { firstRawHeader } from '../request/headers.ts'
import { writeWholeBody } from './whole-body.ts'
import type { HandlerOptions, WriteHandler } from './write-handler.ts'
import { TOO_LARGE } from './write-refusals.ts'

/** InfluxDB's error for a body that is not snappy. */
const NOT_SNAPPY = refusedReply(400, 'snappy: corrupt input')
/** The headers that tell a receiver of Prometheus remote write how to read the body. */
const BODY_HEADERS = ['content-type', 'content-encoding', 'x-prometheus-remote-write-version']

export class PrometheusHandler {
  readonly #options: HandlerOptions
  /** Applies the limits that all writes share. */
  readonly #writes: WriteHandler

  constructor(options: HandlerOptions, writes: WriteHandler) {
    this.#options = options
    this.#writes = writes
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const { config, counters, clock, responder } = this.#options
    counters.writeRequests++
    const parsed = parseV1WriteRequest({
      query: parseGoQuery(queryStringOf(request.url ?? '')),
      authorization: request.headers.authorization ?? '',
      defaultRetentionPolicy: config.defaultRetentionPolicy,
      honorsConsistency: config.honorsConsistency,
    })
    const { target, policy, isPretty } = parsed
    const format = errorFormat(request.headers.accept, isPretty)
    const render = (reply: Reply) => renderReply(reply, format)
    const refusal = this.#writes.refusalOf(request, parsed)
    if (refusal === TOO_LARGE) return responder.answerEarly(request, response, render(refusal))
    if (refusal !== undefined) return responder.answer(request, response, render(refusal))
    const read = (body: Buffer): Write | Reply => {
      if (body.length === 0) return NOT_SNAPPY
      const receivedAtMs = clock.wallMs()
      const headers = bodyHeaders(request)
      return { kind: 'opaque', target, body, headers, lineCount: 1, receivedAtMs }
    }
    const { maxBodyBytes: maxBytes } = config
    writeWholeBody(this.#options, { request, response, maxBytes, render, read }, { policy })
  }
}

function bodyHeaders(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name of BODY_HEADERS) {
    const value = firstRawHeader(request.rawHeaders, name)
    if (value !== '') headers[name] = value
  }
  return headers
}
