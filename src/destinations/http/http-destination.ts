/**
 * An HTTP server behind an output: one request per batch, judged by `verdict.ts`.
 *
 * A request that exceeds `timeout` is not abandoned, because the server may carry an abandoned
 * request out after the next one and leave stale values. The request keeps its connection until
 * the connection dies, or until a `/ping` on a new connection is answered and another `timeout` has
 * passed: then the server is alive and this request is dead.
 *
 * Limits: HTTP_CONNECTIONS_MAX connections, one request on each; further streams wait for a free
 * connection. Questions use QUESTIONS_MAX other connections, so that a hanging question delays no
 * write.
 *
 * Not here: when to try again (drain.ts), what an answer means (verdict.ts).
 */

import { Client, errors, Pool } from 'undici'
import type { HttpOutputConfig } from '../../config/config.ts'
import { type Clock, sleep, type Timer } from '../../std/clock.ts'
import { errorCode, errorText } from '../../std/errors.ts'
import { Lease } from '../../std/lease.ts'
import type { Memory } from '../../std/memory-budget.ts'
import type { Credentials, Write, WriteTarget } from '../../write/write.ts'
import {
  ANSWERED,
  type Destination,
  type Payload,
  type ProbeResult,
  type RetryVerdict,
  type SendEvents,
  type Verdict,
} from '../destination.ts'
import { QUESTIONS_MAX } from '../questions.ts'
import {
  type Exchange,
  type FailedExchange,
  type RunningExchange,
  startExchange,
} from './exchange.ts'
import { ownSecrets, withoutSecrets } from './own-secrets.ts'
import { type BatchRequest, HttpRequestRenderer } from './request.ts'
import { judge } from './verdict.ts'

const HTTP_CONNECTIONS_MAX = 64
/**
 * The relay closes an idle connection earlier than most servers and load balancers do, because
 * theirs may close it just as a request is sent.
 */
const KEEP_ALIVE_MS = 30_000
/** A connection is replaced after this time, so that a change of the name's address is noticed. */
const CONNECTION_TTL_MS = 5 * 60_000
/** Longest time that a `/ping` may take. */
const PROBE_TIMEOUT_MS = 5_000
/** Time between two `/ping`s while a request hangs. */
const HUNG_PROBE_INTERVAL_MS = 1_000

export interface HttpDestinationOptions {
  readonly config: HttpOutputConfig
  readonly clock: Clock
  readonly userAgent: string
  readonly memory: Memory
}

export function openHttpDestination(options: HttpDestinationOptions): Destination {
  return new HttpDestination(options)
}

class HttpDestination implements Destination {
  readonly #config: HttpOutputConfig
  readonly #clock: Clock
  readonly #renderer: HttpRequestRenderer
  readonly #pool: Pool
  readonly #questions: Pool
  readonly #connection: Client.Options
  readonly #userAgent: string
  readonly #memory: Memory
  readonly #ownSecrets: Credentials
  /** Connections that wait for the answer to a `/ping`. */
  readonly #probing = new Set<Client>()

  constructor(options: HttpDestinationOptions) {
    const { config } = options
    this.#config = config
    this.#clock = options.clock
    this.#userAgent = options.userAgent
    this.#memory = options.memory
    this.#ownSecrets = ownSecrets(config)
    this.#renderer = new HttpRequestRenderer(config, options.userAgent)
    this.#connection = connectionOptions(config)
    const pooled = { ...this.#connection, clientTtl: CONNECTION_TTL_MS }
    this.#pool = new Pool(config.origin, { ...pooled, connections: HTTP_CONNECTIONS_MAX })
    this.#questions = new Pool(config.origin, { ...pooled, connections: QUESTIONS_MAX })
  }

  async send(payload: Payload, events: SendEvents): Promise<Verdict> {
    const request = await this.#render(payload)
    // Created on timeout only: to abort an AbortController costs as much as a small request.
    let hanging: AbortController | undefined
    const onTimeout = () => {
      events.onTimeout()
      hanging = new AbortController()
      // Ends with the request, and never rejects: `probe` reports failures as results.
      void this.#abortOnceServerLives(exchange, hanging.signal)
    }
    let timer: Timer | undefined
    // The time of waiting for a free connection does not count: it is no fault of the server.
    const onBegun = () => {
      timer = this.#clock.startTimer(this.#config.timeoutMs, onTimeout)
    }
    const { copiedBytes } = request
    this.#memory.take(copiedBytes)
    const exchange = startExchange(this.#pool, request, onBegun)
    const result = await exchange.done
    this.#memory.giveBack(copiedBytes)
    timer?.cancel()
    hanging?.abort()
    return this.#verdictOn(result, payload.writes[0]?.kind ?? 'lines', payload.target)
  }

  /**
   * With `gzip` other threads join and compress the batch, so its size is taken from the memory
   * budget a second time meanwhile.
   */
  async #render(payload: Payload): Promise<BatchRequest> {
    if (!this.#config.gzip) return await this.#renderer.render(payload)
    const lease = new Lease(this.#memory)
    lease.setTo(payload.bytes)
    const request = await this.#renderer.render(payload)
    lease.end()
    return request
  }

  async ask(target: WriteTarget, signal: AbortSignal): Promise<Verdict> {
    const exchange = startExchange(this.#questions, this.#renderer.renderQuestion(target))
    const abort = () => exchange.abort()
    signal.addEventListener('abort', abort)
    const result = await exchange.done
    signal.removeEventListener('abort', abort)
    return this.#verdictOn(result, 'lines', target)
  }

  #verdictOn(result: Exchange, kind: Write['kind'], { credentials }: WriteTarget): Verdict {
    this.#memory.noteGarbage(EXCHANGE_GARBAGE_BYTES)
    if (result.kind === 'failed') return unansweredVerdict(result)
    this.#memory.noteGarbage(ANSWER_COPIES * result.answer.body.length)
    const verdict = judge(result.answer, {
      dialect: this.#config.dialect,
      kind,
      hasOwnCredentials: this.#config.credentials !== undefined,
      nowMs: this.#clock.wallMs(),
    })
    if (verdict.kind === 'delivered') return verdict
    return withoutSecrets(verdict, this.#ownSecrets, credentials)
  }

  async #abortOnceServerLives(exchange: RunningExchange, ended: AbortSignal): Promise<void> {
    while (!ended.aborted && !(await this.probe()).isAnswered) {
      await sleep(this.#clock, HUNG_PROBE_INTERVAL_MS, ended)
    }
    await sleep(this.#clock, this.#config.timeoutMs, ended)
    if (!ended.aborted) exchange.abort()
  }

  async probe(): Promise<ProbeResult> {
    // A new connection: a kept-alive connection does not show that the server accepts new ones.
    const client = new Client(this.#config.origin, this.#connection)
    this.#probing.add(client)
    const timer = this.#clock.startTimer(PROBE_TIMEOUT_MS, () => void client.destroy())
    const headers = ['user-agent', this.#userAgent]
    const path = this.#config.paths.ping
    const result = await startExchange(client, { method: 'GET', path, headers, body: [] }).done
    timer.cancel()
    this.#probing.delete(client)
    await client.destroy()
    if (result.kind === 'answer') return ANSWERED
    const why = result.hasBegun ? 'it does not answer a ping' : errorText(result.error)
    return { isAnswered: false, why }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [this.#pool, this.#questions, ...this.#probing]
    await Promise.all(all.map((each) => each.destroy()))
  }
}

function connectionOptions(config: HttpOutputConfig): Client.Options {
  const { tls } = config
  return {
    allowH2: false,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    // Off: undici's timeouts would abandon the request. `send` has its own timer.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      timeout: config.timeoutMs,
      rejectUnauthorized: !tls.skipVerification,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
      ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
    },
  }
}

/** Estimated garbage of a request, including that of a connection that died during it. */
const EXCHANGE_GARBAGE_BYTES = 8 * 1024
/** Copies of an answer until it is judged: its bytes, its text, its words. */
const ANSWER_COPIES = 8

/** Error codes of a connection that died during a request; a kept-alive one may at any time. */
const RESET_CODES: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

function unansweredVerdict({ error, hasBegun, isSent }: FailedExchange): Verdict {
  const verdict = { retryAfterMs: undefined, hasBegun, isDown: !hasBegun }
  return { kind: 'retry', why: errorText(error), evidence: evidenceOf(error, isSent), ...verdict }
}

/** A hung request that the relay aborted says nothing about its data. */
function evidenceOf(error: Error, isSent: boolean): RetryVerdict['evidence'] {
  if (!isSent) return 'none'
  // The answer could be neither parsed nor salvaged. The data may be the cause: without that
  // verdict the batch would be retried for ever.
  if (error instanceof errors.HTTPParserError) return 'error'
  return RESET_CODES.has(errorCode(error)) ? 'reset' : 'none'
}
