/**
 * A scripted fake InfluxDB on a free port: keeps every request, answers as the test says.
 *
 * It does not parse line protocol: `partial write`, field types and the like are answers that the
 * test scripts. The test may change `answer` at any time; it is read when a request is answered, so
 * after `hold()` the answer at the time of `release()` counts. `/ping` is separate: it is answered
 * by `ping` (204), counted, and neither held nor kept in `requests`.
 *
 * With `bytesPerSecond` it is a database at its limit: it handles one request at a time, for as
 * long as the body takes at that rate, and then answers.
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
  /** The body; decompressed if it was gzip. */
  readonly bytes: Buffer
  /** `bytes` as UTF-8. */
  readonly body: string
  /** Milliseconds of `performance.now()` when the whole body had arrived. */
  readonly receivedAt: number
  /** The same number for all requests of one connection, counted from 1. */
  readonly connection: number
}

export interface ScriptedReply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Wait before the answer. */
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

/**
 * A refusal as InfluxDB 1.x sends it: status, `X-Influxdb-Error` and a JSON body with the same
 * text.
 */
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
  /** May be changed at any time; applies to requests that arrive after that. */
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
  /** When the current request will be done, in milliseconds of `performance.now()`. */
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

  /** All requests in the order of their last bytes, without `/ping`. */
  get requests(): readonly ReceivedRequest[] {
    return this.#arrivals.items
  }

  /** Forgets the requests so far, for a test that receives more than memory should hold. */
  forget(): void {
    this.#arrivals.items.length = 0
  }

  /** All bodies, concatenated: what was sent, however it was merged. */
  get received(): string {
    return this.requests.map((request) => request.body).join('')
  }

  get openConnections(): number {
    return this.#sockets.size
  }

  /** Resolves with the earliest request that no call has returned yet. */
  nextRequest(): Promise<ReceivedRequest> {
    return this.#arrivals.next(undefined, 'a request')
  }

  /** The first request, past or future, whose body holds the text. */
  receives(text: string): Promise<ReceivedRequest> {
    const fits = (request: ReceivedRequest) => request.body.includes(text)
    return this.#arrivals.first(fits, `a request with ${JSON.stringify(text)}`)
  }

  /** Resolves when this many requests have arrived in total. */
  receivesRequests(count: number): Promise<readonly ReceivedRequest[]> {
    return this.#arrivals.atLeast(count)
  }

  /** From now on requests are received, but not answered. */
  hold(): void {
    this.#holding = true
  }

  /** Answers the held requests in order: the first `count`, or all of them and all later ones. */
  release(count?: number): void {
    if (count === undefined) this.#holding = false
    for (const go of this.#held.splice(0, count ?? this.#held.length)) go()
  }

  /** Refuses connections, as a server that does not run; `start` listens on the same port again. */
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

  /** Follows a schedule instead of chained timers: late timers must not lower the rate. */
  async #work(bytes: number): Promise<void> {
    const now = performance.now()
    this.#busyUntil = Math.max(this.#busyUntil, now) + (bytes / this.bytesPerSecond) * 1000
    const waitMs = this.#busyUntil - now
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
  }

  #count(socket: Socket): void {
    this.connections++
    this.#sockets.set(socket, this.connections)
    socket.on('error', () => {}) // The client may reset the connection.
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
