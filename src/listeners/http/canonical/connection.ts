/**
 * A client's connection as node's HTTP server gets it: what is read from it are canonical requests
 * (request-reader.ts), what is written to it goes to the client as it is.
 *
 *     socket ──bytes──▶ RequestReader ──canonical requests──▶ node's parser ──▶ request, refusal
 *        ▲                                                                          │
 *        └───────────────────────────────── answers ────────────────────────────────┘
 *
 * Node is told of the connection when the first request has begun to come out of it. A request
 * that is refused is one to node as well, so that its answer comes in its turn; `begin` says which
 * it is. Behind a request nothing is read before it has been received to the end (`goOnBehind`),
 * and nothing at all once an answer is to be the last one (`readNoMore`).
 *
 * Limits: http/limits.ts. Silence in front of a request ends the connection without a word, in the
 * middle of a head with 408. What it keeps is charged to the memory budget: a head for which there
 * is no room is refused with 503, and a client that reads no answers meanwhile is cut off.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Clock } from '../../../std/clock.ts'
import { Lease } from '../../../std/lease.ts'
import type { Memory } from '../../../std/memory-budget.ts'
import { MEMORY_FULL_CLOSING, REQUEST_TIMEOUT } from '../closing.ts'
import type { HttpLimits } from '../limits.ts'
import { type HeadRefusal, type RefusedHead, type RequestHead, refused } from './request-head.ts'
import { RequestReader } from './request-reader.ts'

const TOO_SLOW = refused(408, REQUEST_TIMEOUT)
const NO_MEMORY = refused(503, MEMORY_FULL_CLOSING)
/**
 * What it takes beside what it keeps: two parsers, two streams and their events; measured with
 * 4,000 connections.
 */
const OWN_BYTES = 16 * 1024
/** A head that is read leaves behind so many times its length, here and in node's parser. */
const PARSED_FACTOR = 12

export interface CanonicalConnectionOptions {
  readonly clock: Clock
  readonly memory: Memory
  readonly limits: HttpLimits
  /** Node's own listener for new connections. */
  readonly giveToNode: (connection: CanonicalConnection) => void
}

export class CanonicalConnection extends Duplex {
  readonly #socket: Socket
  readonly #options: CanonicalConnectionOptions
  readonly #reader: RequestReader
  readonly #lease: Lease
  /** Of the requests that node has not begun, in their order. */
  readonly #heads: (RequestHead | RefusedHead)[] = []
  /** For node, all that came out of one read: one piece costs it a fifth of five. */
  #unpushed: Buffer[] = []
  #isNodes = false
  /** Requests that are not answered down to the last byte. */
  #owed = 0
  #isThrowingAway = false
  /** Read from the socket, and to be read as requests once the one before has been received. */
  #held: Buffer | undefined
  /** Node has enough for now. */
  #isFull = false
  /** Monotonic milliseconds when something came the last time. */
  #activeAtMs: number
  /** Monotonic milliseconds when the head that is coming in began. */
  #headBeganAtMs: number | undefined
  /** What is wrong with the chunks of the body that is coming in; '' while nothing is. */
  bodyError = ''

  constructor(socket: Socket, options: CanonicalConnectionOptions) {
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
          if (!head.isRefused) options.memory.waste(PARSED_FACTOR * head.canonical.length)
        },
        onBrokenBody: (error) => {
          this.bodyError = error
        },
      },
      options.limits.headersMaxBytes,
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

  /** As a socket's, for logs. */
  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress
  }

  get localAddress(): string | undefined {
    return this.#socket.localAddress
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort
  }

  /** The next request has come out of node's parser. @returns why it is refused, if it is */
  begin(response: ServerResponse): HeadRefusal | undefined {
    this.#owed++
    response.once('close', () => {
      this.#owed--
    })
    const head = this.#heads.shift()
    if (head === undefined) throw new Error('BUG: a request that nobody has sent')
    return head.isRefused ? head : undefined
  }

  /** What is behind this request may be read once it has been received. */
  goOnBehind(request: IncomingMessage): void {
    request.once('end', this.#goOn)
  }

  /** The answer that is being written to it is the last one: nothing behind its request is read. */
  readNoMore(): void {
    if (this.#held !== undefined) this.#isThrowingAway = true
    this.#held = undefined
    this.#reader.readNoMore()
    this.#resume()
  }

  /** No request has begun that is not answered, down to the last byte. */
  get isIdle(): boolean {
    const isAnswered = this.#owed === 0 && this.#socket.writableLength === 0
    return isAnswered && this.#reader.isBetween && this.#heads.length === 0
  }

  /** Ends it if it was silent for too long in front of a request, or within a head. */
  expire(nowMs: number): void {
    const { headersTimeoutMs, idleTimeoutMs, keepAliveTimeoutMs } = this.#options.limits
    const silentMs = nowMs - this.#activeAtMs
    // It is we who do not read on.
    if (this.#socket.isPaused()) return
    if (this.#headBeganAtMs === undefined) {
      // From the first request on node looks at this.
      if (!this.#isNodes && silentMs > keepAliveTimeoutMs) this.destroy()
    } else if (nowMs - this.#headBeganAtMs > headersTimeoutMs) {
      this.#headBeganAtMs = undefined
      this.#reader.refuse(TOO_SLOW)
      this.#flush()
    } else if (silentMs > idleTimeoutMs) this.destroy()
  }

  /** As a socket's: node asks for it. */
  setTimeout(timeoutMs: number, onTimeout?: () => void): this {
    if (onTimeout !== undefined) this.once('timeout', onTimeout)
    this.#socket.setTimeout(timeoutMs)
    return this
  }

  /** As a socket's: node calls it after the last answer. */
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

  /** @param isTaken the socket takes more at once */
  #finishWrite(isTaken: boolean, done: () => void): void {
    if (isTaken) return done()
    this.#socket.once('drain', () => {
      done()
      this.#weigh()
    })
    // It does not read what it is told, and there is no memory to keep that.
    if (!this.#weigh()) this.destroy()
  }

  /** Charges what it keeps. @returns false when there is no memory for it */
  #weigh(): boolean {
    const keptBytes = this.#reader.keptBytes + (this.#held?.length ?? 0)
    const bytes = OWN_BYTES + keptBytes + this.#socket.writableLength
    if (bytes > this.#lease.bytes) return this.#lease.tryGrowTo(bytes)
    this.#lease.setTo(bytes)
    return true
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#lease.end()
    this.#socket.destroy()
    done(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    const { clock, memory } = this.#options
    this.#activeAtMs = clock.monotonicMs()
    // Whoever keeps more than a moment's worth of it keeps a copy.
    memory.waste(chunk.length)
    this.#readRequests(chunk)
  }

  readonly #goOn = (): void => {
    this.#reader.goOn()
    const held = this.#held
    if (held === undefined) return
    this.#held = undefined
    this.#readRequests(held)
    this.#resume()
  }

  #readRequests(bytes: Buffer): void {
    const readBytes = this.#reader.read(bytes)
    this.#flush()
    if (readBytes < bytes.length) {
      if (this.#reader.isOver) this.#isThrowingAway = true
      else this.#hold(bytes.subarray(readBytes))
    }
    if (!this.#weigh()) this.#refuseForMemory()
    if (!this.#reader.isInHead) this.#headBeganAtMs = undefined
    else this.#headBeganAtMs ??= this.#activeAtMs
  }

  #refuseForMemory(): void {
    // What is behind a request that was read cannot be refused in words before that has its answer.
    if (!this.#reader.isInHead) return void this.destroy()
    this.#reader.refuse(NO_MEMORY)
    this.#flush()
  }

  #hold(bytes: Buffer): void {
    this.#held = bytes
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
    const bytes = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)
    this.#unpushed = []
    if (!this.push(bytes)) {
      this.#isFull = true
      this.#socket.pause()
    }
    if (this.#isNodes) return
    this.#isNodes = true
    this.#options.giveToNode(this)
  }

  /**
   * Closing while more comes would reset the connection, and the client would never see its answer:
   * so what still comes is thrown away for a while.
   */
  #part(): void {
    const { clock, limits } = this.#options
    const mayHaveMore = this.#isThrowingAway || this.#reader.isCut || !this.#reader.isBetween
    if (!mayHaveMore || this.#socket.readableEnded) return void this.destroy()
    this.#socket.removeListener('data', this.#onData)
    this.#socket.on('data', () => {})
    this.#socket.resume()
    this.#socket.once('end', () => this.destroy())
    const timer = clock.startTimer(limits.lingerMs, () => this.destroy(), { isBackground: true })
    this.once('close', () => timer.cancel())
  }
}

/** `close` comes after it. */
function onError(): void {}
