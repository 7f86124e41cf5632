/**
 * The load generator: clients that send the same request again and again. It runs in the process of
 * the benchmark, which does nothing else meanwhile.
 *
 *     closed loop   each connection sends when it has its answer
 *     open loop     `perSecond` given: requests fall due by the clock, whatever is answered; one
 *                   that finds no connection free waits, and its wait counts from when it was due
 *
 * Requests fall due once per millisecond, all of that millisecond at once: Node has no finer timer.
 * Requests that have no connection at the end are not sent.
 *
 * Limits: a request without an answer ANSWER_LIMIT_MS after the end is an error, and so are more
 * than BROKEN_MAX broken connections. Below that limit, broken connections are counted and opened
 * again.
 */
import { withinLimit } from '../../test/support/wait.ts'
import { LoadConnection } from './load-connection.ts'

const TICK_MS = 1
const ANSWER_LIMIT_MS = 60_000
const BROKEN_MAX = 1_000

export interface Load {
  /** Port on 127.0.0.1. */
  readonly port: number
  /** Head and body. */
  readonly request: Buffer
  readonly connections: number
  readonly seconds: number
  /** Rate of an open loop; absent = closed loop. */
  readonly perSecond?: number | undefined
  /** Each request opens a connection of its own; the wait includes that. */
  readonly isConnectionFresh?: boolean | undefined
  /** Certificate to trust; with it the load uses TLS. */
  readonly ca?: string | undefined
}

export interface LoadResult {
  readonly sent: number
  /** Requests that were answered 204. */
  readonly stored: number
  /** Waits for all answers of any status, in milliseconds, ascending. */
  readonly waitsMs: Float64Array
  readonly answersPerSecond: number
}

export interface OpenLoad extends Disposable {
  /** Resolves when the time is over and all sent requests are answered. Call this once. */
  run(): Promise<LoadResult>
}

/** Resolves when all kept-alive connections are open: opening them is not measured. */
export async function openLoad(load: Load): Promise<OpenLoad> {
  const run = new LoadRun(load)
  try {
    await withinLimit(run.opened, { what: `${load.connections} connections to port ${load.port}` })
    return run
  } catch (error) {
    run[Symbol.dispose]()
    throw error
  }
}

export async function runLoad(load: Load): Promise<LoadResult> {
  using open = await openLoad(load)
  return await open.run()
}

/** Head and body of a write, rendered once. */
export function renderWrite(body: Buffer, headers: Readonly<Record<string, string>> = {}): Buffer {
  const all = { Host: '127.0.0.1', 'Content-Length': String(body.length), ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`POST /write?db=db HTTP/1.1\r\n${lines.join('')}\r\n`), body])
}

class LoadRun implements OpenLoad {
  /** Kept-alive connections are all open before the first request. */
  readonly opened: Promise<void>
  readonly #load: Load
  readonly #opened = Promise.withResolvers<void>()
  readonly #finished = Promise.withResolvers<void>()
  readonly #connections = new Set<LoadConnection>()
  readonly #idle: LoadConnection[] = []
  readonly #waitsMs: number[] = []
  #timer: NodeJS.Timeout | undefined
  #isRunning = false
  #startedAt = 0
  /** No request begins after this time. */
  #endsAt = 0
  #lastAnswerAt = 0
  #sent = 0
  #onTheirWay = 0
  #stored = 0
  #broken = 0

  constructor(load: Load) {
    this.#load = load
    this.opened = this.#opened.promise
    if (load.isConnectionFresh === true) this.#opened.resolve()
    else for (let i = 0; i < load.connections; i++) this.#open()
  }

  async run(): Promise<LoadResult> {
    const { connections, seconds, perSecond, isConnectionFresh } = this.#load
    this.#isRunning = true
    this.#startedAt = performance.now()
    this.#endsAt = this.#startedAt + seconds * 1000
    if (perSecond !== undefined) this.#timer = setInterval(() => this.#tick(), TICK_MS)
    else if (isConnectionFresh === true) for (let i = 0; i < connections; i++) this.#openFresh()
    else for (let i = 0; i < connections; i++) this.#beginIfDue(this.#startedAt)
    const limitMs = seconds * 1000 + ANSWER_LIMIT_MS
    await withinLimit(this.#finished.promise, { what: 'all requests are answered', limitMs })
    return {
      sent: this.#sent,
      stored: this.#stored,
      waitsMs: Float64Array.from(this.#waitsMs).sort(),
      answersPerSecond: this.#waitsMs.length / ((this.#lastAnswerAt - this.#startedAt) / 1000),
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    for (const connection of this.#connections) connection.close()
  }

  #open(): LoadConnection {
    const { port, ca } = this.#load
    const connection: LoadConnection = new LoadConnection({
      ...{ port, ca },
      onOpen: () => this.#takeOpened(connection),
      onAnswer: (status) => this.#takeAnswer(connection, status),
      onBroken: () => this.#takeBroken(connection),
    })
    this.#connections.add(connection)
    return connection
  }

  /** From now on the connection has a request in flight. */
  #openFresh(): void {
    this.#open().dueAt = performance.now()
    this.#sent++
    this.#onTheirWay++
  }

  #takeOpened(connection: LoadConnection): void {
    if (connection.dueAt !== undefined) {
      connection.send(this.#load.request)
      return
    }
    this.#idle.push(connection)
    if (this.#idle.length === this.#load.connections) this.#opened.resolve()
    if (this.#isRunning) this.#goOn(performance.now())
  }

  #takeAnswer(connection: LoadConnection, status: number): void {
    const now = performance.now()
    this.#waitsMs.push(now - (connection.dueAt ?? Number.NaN))
    this.#lastAnswerAt = now
    if (status === 204) this.#stored++
    this.#onTheirWay--
    connection.dueAt = undefined
    if (this.#load.isConnectionFresh === true) {
      this.#connections.delete(connection)
      connection.close()
      if (now < this.#endsAt) this.#openFresh()
    } else {
      this.#idle.push(connection)
    }
    this.#goOn(now)
  }

  #takeBroken(connection: LoadConnection): void {
    this.#connections.delete(connection)
    if (connection.dueAt !== undefined) this.#onTheirWay--
    const place = this.#idle.indexOf(connection)
    if (place >= 0) this.#idle.splice(place, 1)
    this.#broken++
    if (this.#broken > BROKEN_MAX) {
      const error = new Error(`${this.#broken} connections to port ${this.#load.port} broke`)
      if (this.#isRunning) this.#finished.reject(error)
      else this.#opened.reject(error)
      return
    }
    const now = performance.now()
    if (this.#load.isConnectionFresh !== true) this.#open()
    else if (now < this.#endsAt) this.#openFresh()
    this.#goOn(now)
  }

  #tick(): void {
    const now = performance.now()
    if (now >= this.#endsAt) clearInterval(this.#timer)
    this.#goOn(now)
  }

  /**
   * Starts the requests that are due, while there are idle connections; finishes when none is left.
   */
  #goOn(now: number): void {
    while (this.#beginIfDue(now)) {}
    if (now >= this.#endsAt && this.#onTheirWay === 0 && this.#isRunning) this.#finished.resolve()
  }

  #beginIfDue(now: number): boolean {
    const { perSecond, request } = this.#load
    const dueAt = perSecond === undefined ? now : this.#startedAt + (this.#sent / perSecond) * 1000
    if (dueAt > now || now >= this.#endsAt) return false
    const connection = this.#idle.pop()
    if (connection === undefined) return false
    connection.dueAt = dueAt
    this.#sent++
    this.#onTheirWay++
    connection.send(request)
    return true
  }
}
