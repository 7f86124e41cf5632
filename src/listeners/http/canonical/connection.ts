/**
 * A client's connection as node's HTTP server sees it: node reads canonical requests from it
 * (request-reader.ts), and everything that node writes to it goes unchanged to the client.
 *
 *     socket ──bytes──▶ RequestReader ──canonical requests──▶ node's parser ──▶ request, refusal
 *        ▲                                                                          │
 *        └───────────────────────────────── answers ────────────────────────────────┘
 *
 * Node gets the connection when the first canonical request is ready. A refused request is also a
 * request for node, so that its answer keeps the order; `begin` returns the refusal. Bytes behind a
 * request are read only once the request has been received to its end (`goOnBehind`), and no bytes
 * are read after an answer that must be the last (`readNoMore`).
 *
 * Limits: http/limits.ts. Silence before a request closes the connection without an answer; silence
 * within a head gives 408. Buffered bytes are charged to the memory budget: a head without memory
 * is refused with 503, and a client that reads no answers meanwhile is cut off.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Clock } from '../../../std/clock.ts'
import { Lease } from '../../../std/lease.ts'
import type { Memory } from '../../../std/memory-budget.ts'
import { free } from '../../../std/unpooled.ts'
import { MEMORY_FULL_CLOSING, REQUEST_TIMEOUT } from '../closing.ts'
import type { HttpLimits } from '../limits.ts'
import { type HeadRefusal, type RefusedHead, type RequestHead, refused } from './request-head.ts'
import { RequestReader } from './request-reader.ts'

const TOO_SLOW = refused(408, REQUEST_TIMEOUT)
const NO_MEMORY = refused(503, MEMORY_FULL_CLOSING)
/**
 * Memory of a connection without buffered bytes: two parsers, two streams and their events;
 * measured with 4,000 connections.
 */
const OWN_BYTES = 16 * 1024
/** Garbage of parsing a head, here and in node's parser, as a multiple of the head's length. */
const PARSED_FACTOR = 12

export interface CanonicalConnectionOptions {
  readonly clock: Clock
  readonly memory: Memory
  readonly limits: HttpLimits
  /** Node's HTTP server. */
  readonly http: Server
}

export class CanonicalConnection extends Duplex {
  readonly #socket: Socket
  readonly #options: CanonicalConnectionOptions
  readonly #reader: RequestReader
  readonly #lease: Lease
  /** Heads of the requests that node has not begun, in order. */
  readonly #heads: (RequestHead | RefusedHead)[] = []
  /** Output of one read, for node: one joined piece costs node a fifth of five pieces. */
  #unpushed: Buffer[] = []
  #isNodes = false
  /** Number of requests that are not answered down to the last byte. */
  #owed = 0
  #isThrowingAway = false
  /** The rest of the last chunk waits until the request before it has been received. */
  #held: { readonly chunk: Buffer; readonly at: number } | undefined
  /** Node has got a part of the last chunk, and not a copy of it. */
  #isLent = false
  /** Node takes no more bytes for now. */
  #isFull = false
  /** Monotonic time (ms) of the last read. */
  #activeAtMs: number
  /** Monotonic time (ms) at which the incomplete head began. */
  #headBeganAtMs: number | undefined
  /** The request that node has begun; its body may be incomplete. */
  #begun: { readonly request: IncomingMessage; readonly atMs: number } | undefined
  /** The error in the chunks of the current body, or ''. */
  bodyError = ''

  /** @param isAfterPost the request before, which somebody else has answered, was a POST */
  constructor(socket: Socket, options: CanonicalConnectionOptions, isAfterPost: boolean) {
    super({ allowHalfOpen: true, emitClose: true, decodeStrings: false })
    this.#socket = socket
    this.#options = options
    this.#activeAtMs = options.clock.monotonicMs()
    this.#lease = new Lease(options.memory)
    this.#reader = new RequestReader(
      {
        push: (bytes) => this.#unpushed.push(bytes),
        onHead: (head) => {
          this.#heads.push(head)
          if (!head.isRefused) options.memory.noteGarbage(PARSED_FACTOR * head.canonical.length)
        },
        onBrokenBody: (error) => {
          this.bodyError = error
        },
      },
      options.limits.headersMaxBytes,
      isAfterPost,
    )
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('timeout', () => this.emit('timeout'))
    socket.on('error', (error) => this.destroy(error))
    this.on('error', onError)
    socket.on('close', () => this.destroy())
    if (this.#lease.tryGrowTo(OWN_BYTES)) socket.resume()
    else this.destroy()
  }

  /** As a socket has it, for logs. */
  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress
  }

  get localAddress(): string | undefined {
    return this.#socket.localAddress
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort
  }

  /** Call when node's parser has the next request. @returns the refusal if it is refused */
  begin(response: ServerResponse): HeadRefusal | undefined {
    this.#owed++
    this.#begun = { request: response.req, atMs: this.#options.clock.monotonicMs() }
    response.once('close', () => {
      this.#owed--
    })
    const head = this.#heads.shift()
    if (head === undefined) throw new Error('BUG: a request that nobody has sent')
    return head.isRefused ? head : undefined
  }

  /** Lets the bytes behind this request be read once the request has been received. */
  goOnBehind(request: IncomingMessage): void {
    request.once('end', this.#goOn)
  }

  /** The answer that is being written is the last one: nothing behind its request is read. */
  readNoMore(): void {
    if (this.#held !== undefined) this.#isThrowingAway = true
    this.#held = undefined
    this.#reader.readNoMore()
    this.#resume()
  }

  /** Every request that has begun is answered, down to the last byte. */
  get isIdle(): boolean {
    const isAnswered = this.#owed === 0 && this.#socket.writableLength === 0
    return isAnswered && this.#reader.isBetween && this.#heads.length === 0
  }

  /** Ends the connection if it is silent for too long, or if a head or a body takes too long. */
  expire(nowMs: number): void {
    const { limits } = this.#options
    const { headersTimeoutMs, idleTimeoutMs, keepAliveTimeoutMs } = limits
    if (this.#begun?.request.complete) this.#begun = undefined
    if (this.#begun && nowMs - this.#begun.atMs > limits.requestTimeoutMs) {
      this.#begun = undefined
      this.emit('error', requestTimeout()) // Node makes it a `clientError` of its server.
      return
    }
    const silentMs = nowMs - this.#activeAtMs
    // The relay itself has paused reading.
    if (this.#socket.isPaused()) return
    if (this.#headBeganAtMs === undefined) {
      // From the first request on, node checks this timeout.
      if (!this.#isNodes && silentMs > keepAliveTimeoutMs) this.destroy()
    } else if (nowMs - this.#headBeganAtMs > headersTimeoutMs) {
      this.#headBeganAtMs = undefined
      this.#reader.refuse(TOO_SLOW)
      this.#flush()
    } else if (silentMs > idleTimeoutMs) this.destroy()
  }

  /** As of a socket: node calls it. */
  setTimeout(timeoutMs: number, onTimeout?: () => void): this {
    if (onTimeout !== undefined) this.once('timeout', onTimeout)
    this.#socket.setTimeout(timeoutMs)
    return this
  }

  /** As of a socket: node calls it after the last answer. */
  destroySoon(): void {
    this.end()
    if (this.writableFinished) this.#part()
    else this.once('finish', () => this.#part())
  }

  override _read(): void {
    this.#isFull = false
    this.#resume()
  }

  override _write(
    chunk: Buffer | string,
    encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this.#finishWrite(this.#socket.destroyed || this.#socket.write(chunk, encoding), done)
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer | string; readonly encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    let isTaken = true
    this.#socket.cork()
    for (const { chunk, encoding } of chunks) isTaken = this.#socket.write(chunk, encoding)
    this.#socket.uncork()
    this.#finishWrite(isTaken || this.#socket.destroyed, done)
  }

  /** @param isTaken the socket can take more at once */
  #finishWrite(isTaken: boolean, done: () => void): void {
    if (isTaken) return done()
    this.#socket.once('drain', () => {
      done()
      this.#weigh()
    })
    // The client does not read its answers, and there is no memory to keep them.
    if (!this.#weigh()) this.destroy()
  }

  /** Charges the buffered bytes to the budget. @returns false when there is no memory for them */
  #weigh(): boolean {
    if (this.destroyed) return true // It holds nothing any more.
    const keptBytes = this.#reader.keptBytes + (this.#held?.chunk.length ?? 0)
    const bytes = OWN_BYTES + keptBytes + this.#socket.writableLength
    if (bytes > this.#lease.bytes) return this.#lease.tryGrowTo(bytes)
    this.#lease.setTo(bytes)
    return true
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#held = undefined
    this.#lease.end()
    this.#socket.destroy()
    done(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    const { clock, memory } = this.#options
    this.#activeAtMs = clock.monotonicMs()
    // The chunk becomes garbage soon: code that keeps bytes for longer copies them.
    memory.noteGarbage(chunk.length)
    this.#isLent = false
    this.#readRequests(chunk, 0)
  }

  readonly #goOn = (): void => {
    // Node ends a request also after its connection has closed.
    if (this.destroyed) return
    this.#reader.goOn()
    const held = this.#held
    if (held === undefined) return
    this.#held = undefined
    this.#readRequests(held.chunk, held.at)
    this.#resume()
  }

  #readRequests(chunk: Buffer, start: number): void {
    const { length } = chunk
    const at = this.#reader.read(chunk, start)
    this.#isLent ||= this.#unpushed.length === 1 && this.#unpushed[0]?.buffer === chunk.buffer
    this.#flush()
    if (this.destroyed) return // An answer can end the connection at once.
    if (at < length && !this.#reader.isOver) this.#hold({ chunk, at })
    else {
      if (at < length) this.#isThrowingAway = true
      if (!this.#isLent) free(chunk)
    }
    if (!this.#weigh()) this.#refuseForMemory()
    if (!this.#reader.isInHead) this.#headBeganAtMs = undefined
    else this.#headBeganAtMs ??= this.#activeAtMs
  }

  #refuseForMemory(): void {
    // Outside a head, cut the connection: a 503 would have to wait for the answer before it.
    if (!this.#reader.isInHead) return void this.destroy()
    this.#reader.refuse(NO_MEMORY)
    this.#flush()
  }

  #hold(held: { readonly chunk: Buffer; readonly at: number }): void {
    this.#held = held
    this.#socket.pause()
  }

  #resume(): void {
    if (!this.#isFull && this.#held === undefined) this.#socket.resume()
  }

  readonly #onEnd = (): void => {
    this.#reader.end()
    this.#flush()
    if (this.#isNodes) this.push(null)
    else this.destroy()
  }

  #flush(): void {
    const pieces = this.#unpushed
    if (pieces.length === 0) return
    const bytes = joined(pieces)
    this.#unpushed = []
    if (!this.push(bytes)) {
      this.#isFull = true
      this.#socket.pause()
    }
    if (this.#isNodes) return
    this.#isNodes = true
    this.#options.http.emit('connection', this)
  }

  /**
   * To close while bytes still arrive would reset the connection, and the client would never see
   * its answer. So further bytes are discarded for `lingerMs`.
   */
  #part(): void {
    const { clock, limits, memory } = this.#options
    const mayHaveMore = this.#isThrowingAway || this.#reader.isCut || !this.#reader.isBetween
    if (!mayHaveMore || this.#socket.readableEnded) return void this.destroy()
    this.#socket.removeListener('data', this.#onData)
    this.#socket.on('data', (chunk: Buffer) => memory.noteGarbage(chunk.length))
    this.#socket.resume()
    this.#socket.once('end', () => this.destroy())
    const timer = clock.startTimer(limits.lingerMs, () => this.destroy(), { isBackground: true })
    this.once('close', () => timer.cancel())
  }
}

/** Frees the pieces when it has copied them: large heads would otherwise pile up as garbage. */
function joined(pieces: readonly Buffer[]): Buffer | undefined {
  if (pieces.length === 1) return pieces[0]
  const whole = Buffer.concat(pieces)
  for (const piece of pieces) free(piece)
  return whole
}

/** As node reports it for servers that listen. */
function requestTimeout(): Error {
  return Object.assign(new Error('Request timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
}

/** Ignored: the `close` event follows. */
function onError(): void {}
