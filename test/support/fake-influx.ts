/**
 * A scripted fake InfluxDB on a free port: keeps every request, answers as the test says.
 *
 * It knows nothing of line protocol: `partial write`, field types and the like are answers that
 * the test scripts. `answer` may be changed at any time; it is looked at when a request is
 * answered, so after `hold()` the answer of the moment of `release()` counts. `/ping` is apart: it
 * is answered by `ping` (204), counted, and neither held nor kept in `requests`.
 *
 * With a `bytesPerSecond` it is a database at its limit: it works on one request at a time, for as
 * long as the body takes at that rate, and answers then.
 *
 *     await using influx = await openFakeInflux({ answer: 503 })
 *     …
 *     influx.answer = (request) => request.body.includes('bad') ? badRequest('…') : 204
 *     await influx.receives('cpu,host=a usage=1 1\n')
 */
import { once } from 'node:events'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { Arrivals } from './arrivals.ts'
import { resetSocket } from './reset-socket.ts'

export interface ReceivedRequest {
  readonly method: string
  /** Path and query as sent. */
  readonly url: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** Unpacked when it came as gzip. */
  readonly bytes: Buffer
  /** `bytes` as UTF-8. */
  readonly body: string
  /** Milliseconds of `performance.now()` when the whole body was there. */
  readonly receivedAt: number
  /** The same number for all requests of one connection, counted from 1. */
  readonly connection: number
}

export interface ScriptedReply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Waits so long before it answers. */
  readonly delayMs?: number
}

/**
 * hang: no answer, connection stays open. reset: TCP reset. close: the connection is closed without
 * an answer. garbage: bytes that are not HTTP. half: promises a body and closes in its middle.
 */
export type Fault = 'hang' | 'reset' | 'close' | 'garbage' | 'half'
export type FakeAnswer = number | ScriptedReply | Fault
export type Script = FakeAnswer | ((request: ReceivedRequest) => FakeAnswer | Promise<FakeAnswer>)

export interface FakeInfluxOptions {
  /** Default 204. */
  readonly answer?: Script
  /** Default 204. */
  readonly ping?: FakeAnswer
  /** Default: no limit. */
  readonly bytesPerSecond?: number
}

/** Opened on a free port of 127.0.0.1. Disposing ends all connections at once. */
export async function openFakeInflux(options: FakeInfluxOptions = {}): Promise<FakeInflux> {
  const fake = new FakeInflux(options)
  await fake.start()
  return fake
}

/** InfluxDB 1.x's way to refuse: status, `X-Influxdb-Error` and a JSON body with the same text. */
export function influxError(status: number, message: string): ScriptedReply {
  return {
    status,
    headers: { 'Content-Type': 'application/json', 'X-Influxdb-Error': message },
    body: `${JSON.stringify({ error: message })}\n`,
  }
}

export class FakeInflux implements AsyncDisposable {
  answer: Script
  ping: FakeAnswer
  /** May be changed at any time; counts for requests that come from then on. */
  bytesPerSecond: number
  /** Requests to `/ping`. */
  pings = 0
  /** Connections ever accepted. */
  connections = 0
  readonly #arrivals = new Arrivals<ReceivedRequest>(
    (request) => `${request.method} ${request.url} ${JSON.stringify(request.body.slice(0, 200))}`,
  )
  readonly #sockets = new Map<Socket, number>()
  #server: Server | undefined
  #port = 0
  #holding = false
  /** When the work at hand is done, in milliseconds of `performance.now()`. */
  #busyUntil = 0
  readonly #held: (() => void)[] = []

  constructor(options: FakeInfluxOptions) {
    this.answer = options.answer ?? 204
    this.ping = options.ping ?? 204
    this.bytesPerSecond = options.bytesPerSecond ?? Number.POSITIVE_INFINITY
  }

  get port(): number {
    return this.#port
  }

  /** Base URL without a path. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** All requests in the order in which their last byte came, without `/ping`. */
  get requests(): readonly ReceivedRequest[] {
    return this.#arrivals.items
  }

  /** Drops the requests that have come, for a test that receives more than memory should hold. */
  forget(): void {
    this.#arrivals.items.length = 0
  }

  /** All bodies, one after the other: what was sent, however it was merged. */
  get received(): string {
    return this.requests.map((request) => request.body).join('')
  }

  get openConnections(): number {
    return this.#sockets.size
  }

  /** The earliest request that no call has returned yet; waits for it. */
  nextRequest(): Promise<ReceivedRequest> {
    return this.#arrivals.next(undefined, 'a request')
  }

  /** The first request, past or future, whose body holds the text. */
  receives(text: string): Promise<ReceivedRequest> {
    const fits = (request: ReceivedRequest) => request.body.includes(text)
    return this.#arrivals.first(fits, `a request with ${JSON.stringify(text)}`)
  }

  /** Resolves when so many requests have come in all. */
  receivesRequests(count: number): Promise<readonly ReceivedRequest[]> {
    return this.#arrivals.atLeast(count)
  }

  /** From now on requests are taken, but not answered. */
  hold(): void {
    this.#holding = true
  }

  /** Answers the held requests in their order: the first `count`, or all and those to come. */
  release(count?: number): void {
    if (count === undefined) this.#holding = false
    for (const go of this.#held.splice(0, count ?? this.#held.length)) go()
  }

  /** Refuses connections, as a server that is not running; `start` brings back the same port. */
  async stop(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = once(server, 'close')
    server.close()
    this.resetConnections()
    await closed
  }

  async start(): Promise<void> {
    const server = createServer({ keepAlive: true }, (request, response) => {
      this.#take(request, response).catch(() => request.socket.destroy())
    })
    server.keepAliveTimeout = 0 // A fake that closes idle connections would make tests flaky.
    server.requestTimeout = 0
    server.on('connection', (socket) => this.#count(socket))
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port // A TCP server has no other address.
    this.#server = server
  }

  /** Resets every open connection, answered or not. */
  resetConnections(): void {
    for (const socket of this.#sockets.keys()) resetSocket(socket)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#arrivals.end(new Error('the fake InfluxDB was closed'))
    await this.stop()
  }

  /** By a schedule, not by one timer after the other: late timers must not lower the rate. */
  async #work(bytes: number): Promise<void> {
    const now = performance.now()
    this.#busyUntil = Math.max(this.#busyUntil, now) + (bytes / this.bytesPerSecond) * 1000
    const waitMs = this.#busyUntil - now
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
  }

  #count(socket: Socket): void {
    this.connections++
    this.#sockets.set(socket, this.connections)
    socket.on('error', () => {}) // A client that resets is the client's affair.
    socket.on('close', () => this.#sockets.delete(socket))
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const connection = this.#sockets.get(request.socket) ?? 0
    const received = await readRequest(request, connection)
    if (received.path === '/ping') {
      this.pings++
      await perform(this.ping, response)
      return
    }
    this.#arrivals.push(received)
    await this.#work(received.bytes.length)
    if (this.#holding) await new Promise<void>((go) => this.#held.push(go))
    const script = this.answer
    await perform(typeof script === 'function' ? await script(received) : script, response)
  }
}

async function readRequest(request: IncomingMessage, connection: number): Promise<ReceivedRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const raw = Buffer.concat(chunks)
  const bytes = request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw
  const url = request.url ?? ''
  const { pathname, searchParams } = new URL(url, 'http://fake')
  return {
    method: request.method ?? '',
    url,
    path: pathname,
    query: searchParams,
    headers: request.headers,
    bytes,
    body: bytes.toString(),
    receivedAt: performance.now(),
    connection,
  }
}

async function perform(answer: FakeAnswer, response: ServerResponse): Promise<void> {
  const socket = response.socket
  switch (answer) {
    case 'hang':
      return
    case 'reset':
      if (socket !== null) resetSocket(socket)
      return
    case 'close':
      socket?.destroy()
      return
    case 'garbage':
      socket?.end('\x00\x01 this is not HTTP\r\n\r\n')
      return
    case 'half':
      socket?.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 1000\r\n\r\n{"error":"par')
      return
    default:
      await reply(typeof answer === 'number' ? { status: answer } : answer, response)
  }
}

async function reply(scripted: ScriptedReply, response: ServerResponse): Promise<void> {
  const { status, headers, body, delayMs } = scripted
  if (delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, delayMs))
  if (response.destroyed) return
  response.writeHead(status, { 'X-Influxdb-Version': '1.8.10', ...headers })
  response.end(body)
}
