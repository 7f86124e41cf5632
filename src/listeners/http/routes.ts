/**
 * Every path except `POST /write`, as fastify routes.
 *
 * Fastify only routes. The relay's own code receives bodies and writes answers, so that all
 * handlers have the same limits and the same headers.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { refusedReply } from '../../write/reply.ts'
import { parseGoQuery, queryStringOf, queryText } from '../dialects/go-query.ts'
import { errorFormat, goJsonString } from '../dialects/v1/error-text.ts'
import {
  type HttpAnswer,
  jsonAnswer,
  methodNotAllowedAnswer,
  NOT_FOUND_ANSWER,
  OPTIONS_ANSWER,
  renderReply,
} from '../dialects/v1/reply.ts'
import { type RelayHealth, renderRelayHealth } from './health.ts'
import { PrometheusHandler } from './ingest/prometheus-handler.ts'
import { QueryHandler } from './ingest/query-handler.ts'
import type { HandlerOptions, WriteHandler } from './ingest/write-handler.ts'

export interface RoutesOptions extends HandlerOptions {
  readonly writes: WriteHandler
  readonly health: () => RelayHealth
  /** Creates the server around fastify's handler. */
  readonly serverFactory: (
    handler: (request: IncomingMessage, response: ServerResponse) => void,
  ) => Server
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void
type Method = 'GET' | 'HEAD' | 'OPTIONS' | 'POST'

const ADMIN_NOT_BUILT = refusedReply(
  403,
  'this relay has no /admin: send statements to the databases directly, CREATE DATABASE to /query',
)
const FLUSH_NOT_BUILT = refusedReply(
  403,
  'this relay has no /admin/flush: the backlog of an output is never discarded on request',
)

/** Registers the routes. The `server` of the returned instance does not listen yet. */
export async function openRoutes(options: RoutesOptions): Promise<FastifyInstance> {
  const app = Fastify({
    serverFactory: options.serverFactory,
    // Go's router compares paths without decoding them: `/%77rite` is not `/write`.
    rewriteUrl: (request) => routerTarget(request.url ?? ''),
    exposeHeadRoutes: false,
    return503OnClosing: false,
    clientErrorHandler: () => {}, // The server's own handler (server.ts) has answered.
    logger: false,
  })
  // Fastify would answer 415 to an empty Content-Type, which InfluxDB's own clients send. The
  // handlers read the raw headers, which keep the original value.
  app.addHook('onRequest', (request, _reply, done) => {
    request.raw.headers['content-type'] = 'application/octet-stream'
    done()
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  const paths = routeTable(options)
  for (const [url, handlers] of paths) {
    for (const [method, handler] of Object.entries(handlers)) {
      app.route({ method, url, handler: (request, reply) => run(options, handler, request, reply) })
    }
  }
  // Handlers write their own answers. An error here is fastify's refusal of the request, or a bug.
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const { statusCode = 500, message } = error
    if (statusCode >= 500) return options.onBug(error)
    reply.hijack()
    const answer = renderReply(refusedReply(statusCode, message), 'json')
    options.responder.answer(request.raw, reply.raw, answer)
  })
  app.setNotFoundHandler((request, reply) => {
    options.counters.otherRequests++
    reply.hijack()
    const handlers = paths.get(pathOf(request.raw.url ?? ''))
    const answer = handlers ? methodNotAllowedAnswer(Object.keys(handlers)) : NOT_FOUND_ANSWER
    options.responder.answerUnrouted(reply.raw, answer)
  })
  await app.ready()
  return app
}

function run(
  options: RoutesOptions,
  handler: Handler,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  options.counters.otherRequests++
  reply.hijack()
  handler(request.raw, reply.raw)
}

/** Paths and their methods, in the order in which InfluxDB's router names them. */
function routeTable(
  options: RoutesOptions,
): ReadonlyMap<string, Readonly<Partial<Record<Method, Handler>>>> {
  const { config, writes, responder } = options
  const statements = new QueryHandler(options)
  const prometheus = new PrometheusHandler(options, writes)
  const fixed =
    (render: (request: IncomingMessage) => HttpAnswer): Handler =>
    (request, response) =>
      responder.answer(request, response, render(request))
  const OPTIONS = fixed(() => OPTIONS_ANSWER)
  const ping = fixed((request) => pingAnswer(request, config))
  const status = fixed((request) => noContent(request, 204))
  const query: Handler = (request, response) => statements.handle(request, response)
  const health: Handler = (request, response) => answerHealth(options, request, response)
  const refuse = (reply: typeof ADMIN_NOT_BUILT): Handler =>
    fixed((request) => renderReply(reply, errorFormat(request.headers.accept, false)))
  const admin = refuse(ADMIN_NOT_BUILT)
  const flush = refuse(FLUSH_NOT_BUILT)
  return new Map([
    ['/query', { OPTIONS, GET: query, POST: query }],
    ['/write', { OPTIONS, POST: (request, response) => writes.handle(request, response) }],
    ['/api/v1/prom/write', { POST: (request, response) => prometheus.handle(request, response) }],
    ['/ping', { GET: ping, HEAD: ping }],
    ['/status', { GET: status, HEAD: status }],
    ['/health', { GET: health }],
    ['/admin', { GET: admin, POST: admin }],
    ['/admin/flush', { GET: flush, POST: flush }],
  ] satisfies [string, Partial<Record<Method, Handler>>][])
}

function pingAnswer(request: IncomingMessage, config: RoutesOptions['config']): HttpAnswer {
  const verbose = queryText(parseGoQuery(queryStringOf(request.url ?? '')), 'verbose')
  if (verbose === '' || verbose === '0' || verbose === 'false') {
    return noContent(request, config.pingStatus)
  }
  return jsonAnswer(200, `{"version":${goJsonString(config.influxdbVersion)}}`)
}

function noContent(request: IncomingMessage, status: number): HttpAnswer {
  const reply = { ...refusedReply(204, ''), status: 204 }
  return { ...renderReply(reply, errorFormat(request.headers.accept, false)), status }
}

function answerHealth(
  { health, responder, config }: RoutesOptions,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  responder.answer(request, response, renderRelayHealth(health(), config.influxdbVersion))
}

/** The path of a request target; the target has no host (see canonical/request-head.ts). */
function pathOf(target: string): string {
  const questionAt = target.indexOf('?')
  return questionAt < 0 ? target : target.slice(0, questionAt)
}

/** The target for the router, with each percent sign escaped so that the router decodes nothing. */
function routerTarget(target: string): string {
  const path = pathOf(target)
  return path.replaceAll('%', '%25') + target.slice(path.length)
}
