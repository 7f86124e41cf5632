/**
 * An HTTP server behind an output: one request per batch, judged by `verdict.ts`.
 *
 * A request that runs into `timeout` is not abandoned, because an abandoned request may be carried
 * out after the next one and leave stale values. It is waited for on its own connection until that
 * dies; or until a fresh `/ping` is answered and one more `timeout` has passed: then the server
 * lives and this request does not.
 *
 * Limits: HTTP_CONNECTIONS_MAX connections, one request on each; more streams wait for a free one.
 * Questions have QUESTIONS_MAX of their own, so that one that hangs holds up no write.
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
  type Batch,
  type Destination,
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
 * Idle connections are closed by us before most servers and load balancers do it under a request.
 */
const KEEP_ALIVE_MS = 30_000
/** Connections are made anew after this time, so that a name that moved is followed. */
const CONNECTION_TTL_MS = 5 * 60_000
/** Longest time a `/ping` may take. */
const PROBE_TIMEOUT_MS = 5_000
/** Between two `/ping`s while a request hangs. */
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

  async send(batch: Batch, events: SendEvents): Promise<Verdict> {
    const request = await this.#render(batch)
    // Made only when it is needed: aborting one costs as much as a small request.
    let hanging: AbortController | undefined
    const onTimeout = () => {
      events.onTimeout()
      hanging = new AbortController()
      // Ends with the request; its own failures are answers of `probe`.
      void this.#giveUpOnceServerLives(exchange, hanging.signal)
    }
    let timer: Timer | undefined
    // Not from now on: waiting for a free connection is no fault of the server.
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
    return this.#verdictOn(result, batch.writes[0]?.kind ?? 'lines', batch.target)
  }

  /** With `gzip` a batch is joined and packed, on other threads: it takes its size once more. */
  async #render(batch: Batch): Promise<BatchRequest> {
    if (!this.#config.gzip) return await this.#renderer.render(batch)
    const lease = new Lease(this.#memory)
    lease.setTo(batch.bytes)
    const request = await this.#renderer.render(batch)
    lease.end()
    return request
  }

  async ask(target: WriteTarget, signal: AbortSignal): Promise<Verdict> {
    const exchange = startExchange(this.#questions, this.#renderer.renderQuestion(target))
    const giveUp = () => exchange.abort()
    signal.addEventListener('abort', giveUp)
    const result = await exchange.done
    signal.removeEventListener('abort', giveUp)
    return this.#verdictOn(result, 'lines', target)
  }

  #verdictOn(result: Exchange, kind: Write['kind'], { credentials }: WriteTarget): Verdict {
    this.#memory.waste(EXCHANGE_GARBAGE_BYTES)
    if (result.kind === 'failed') return unansweredVerdict(result)
    this.#memory.waste(ANSWER_COPIES * result.answer.body.length)
    const verdict = judge(result.answer, {
      dialect: this.#config.dialect,
      kind,
      hasOwnCredentials: this.#config.credentials !== undefined,
      nowMs: this.#clock.wallMs(),
    })
    if (verdict.kind === 'delivered') return verdict
    return withoutSecrets(verdict, this.#ownSecrets, credentials)
  }

  async #giveUpOnceServerLives(exchange: RunningExchange, ended: AbortSignal): Promise<void> {
    while (!ended.aborted && !(await this.probe()).isAnswered) {
      await sleep(this.#clock, HUNG_PROBE_INTERVAL_MS, ended)
    }
    await sleep(this.#clock, this.#config.timeoutMs, ended)
    if (!ended.aborted) exchange.abort()
  }

  async probe(): Promise<ProbeResult> {
    // A connection of its own: one that was kept says nothing about whether the server takes new
    // ones.
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
    // The destination's own timer rules; undici's would abandon the request.
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

/** What a request leaves behind, with a connection that may have died of it. */
const EXCHANGE_GARBAGE_BYTES = 8 * 1024
/** What is made of an answer until it is judged: its bytes, its text, its words. */
const ANSWER_COPIES = 4

/** Codes of a connection that died under a request, as a kept one may at any time. */
const RESET_CODES: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

function unansweredVerdict({ error, hasBegun, isSent }: FailedExchange): Verdict {
  const verdict = { retryAfterMs: undefined, hasBegun, isDown: !hasBegun }
  return { kind: 'retry', why: errorText(error), suspicion: suspicionOf(error, isSent), ...verdict }
}

/** A request that we gave up while it hung says nothing about its data. */
function suspicionOf(error: Error, isSent: boolean): RetryVerdict['suspicion'] {
  if (!isSent) return 'none'
  // Whatever it said could not be read, nor salvaged: it must not be waited for for ever.
  if (error instanceof errors.HTTPParserError) return 'error'
  return RESET_CODES.has(errorCode(error)) ? 'reset' : 'none'
}
