/**
 * One client's connection on the fast path, from its first byte until it ends or goes to node.
 *
 *            ┌────────── body complete ───────────┐
 *            ▼                                    │
 *     reading heads ── plain `POST /write` ──▶ receiving a body
 *            │                                    │ no memory for it, or the client has ended
 *            │ anything else                      ▼
 *            ▼                                 leaving: further bytes are discarded
 *     waiting for outstanding answers             │
 *            │ none is left                       │ every request is answered
 *            ▼                                    ▼
 *     given to node, from that head on         closed
 *
 * Clients may pipeline requests. The requests go to the relay as they arrive, and are answered in
 * the same order. While the client does not read its answers, nothing more is read from it.
 *
 * Promise: each byte is read either here or by ../canonical/; a request that has begun here ends
 * here.
 *
 * Not here: the accepted form of a head (head.ts); when to check for silence (../connections.ts).
 */

import type { Socket } from 'node:net'
import type { Clock } from '../../../std/clock.ts'
import { Lease } from '../../../std/lease.ts'
import type { SharedMemory } from '../../../std/memory-budget.ts'
import { unpooledCopy } from '../../../std/unpooled.ts'
import { Client } from '../../../write/merge-penalty.ts'
import { type Reply, refusedReply } from '../../../write/reply.ts'
import { countAnswer, type HttpCounters } from '../counters.ts'
import type { Ingest } from '../ingest/ingest.ts'
import { MEMORY_FULL } from '../ingest/write-refusals.ts'
import type { HttpLimits } from '../limits.ts'
import { FIRST_REFUSAL, type RefusalLog } from '../refusal-log.ts'
import { IncomingBody } from '../request/incoming-body.ts'
import type { HttpRequestsInFlight } from '../requests-in-flight.ts'
import type { FastAnswers } from './answers.ts'
import { DirectReads } from './direct-reads.ts'
import type { ParsedHead } from './heads-cache.ts'
import { FastRequest } from './request.ts'

const HEAD_END = Buffer.from('\r\n\r\n')
const EMPTY = Buffer.alloc(0)
/** All connections read heads into this buffer; bytes that are kept are copied at once. */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024)
const UNEXPECTED_END = refusedReply(400, 'unexpected EOF')

/** What the connections of one listener share. */
export interface FastParts {
  readonly memory: SharedMemory
  readonly clock: Clock
  readonly limits: HttpLimits
  readonly counters: HttpCounters
  readonly requestsInFlight: HttpRequestsInFlight
  readonly ingest: Ingest
  readonly answers: FastAnswers
  readonly refusals: RefusalLog
  /** @returns `undefined` when the fast path does not take the request */
  readonly headOf: (text: string) => ParsedHead | undefined
  /** Hands the connection to node. All bytes read from it and not used are back in the socket. */
  readonly giveToCanonical: (socket: Socket, isAfterPost: boolean) => void
  /** The connection was closed or handed to node. */
  readonly onGone: (connection: FastConnection) => void
}

interface Incoming {
  readonly head: ParsedHead
  readonly body: IncomingBody
  readonly lease: Lease
}

export class FastConnection {
  readonly #socket: Socket
  readonly #parts: FastParts
  readonly #reads: DirectReads | undefined
  readonly #client = new Client()
  /** Unanswered requests, in their order of arrival. */
  readonly #owed: FastRequest[] = []
  #incoming: Incoming | undefined
  /** Memory of answers that the client has not read, and of bytes that are kept for node. */
  readonly #kept: Lease
  /** Goes to node once every request is answered; nothing more is read until then. */
  #isForCanonical = false
  #isLeaving = false
  /** The rest of a refused body may still arrive. */
  #isBodyCut = false
  /** Monotonic time (ms) of the last read, or of the last answer that the socket took. */
  #activeAtMs: number
  /** Monotonic time (ms) at which the last request began; -1 before the first. */
  #begunAtMs = -1

  constructor(socket: Socket, parts: FastParts) {
    this.#socket = socket
    this.#parts = parts
    this.#kept = new Lease(parts.memory.clients)
    this.#activeAtMs = parts.clock.monotonicMs()
    this.#reads = DirectReads.of(socket, { room: this.#room, onRead: this.#onRead })
    if (this.#reads === undefined) socket.on('data', this.#onChunk)
    else socket.resume()
    socket.on('end', this.#onEnd)
    socket.on('drain', this.#onDrain)
    socket.on('close', this.#onClose)
    socket.on('error', onError)
  }

  /** Every request that has begun is answered, down to the last byte. */
  get isIdle(): boolean {
    const isAnswered = this.#owed.length === 0 && this.#socket.writableLength === 0
    return isAnswered && this.#incoming === undefined
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Ends the connection if it was silent for too long. */
  expire(nowMs: number): void {
    const { idleTimeoutMs, keepAliveTimeoutMs, requestTimeoutMs } = this.#parts.limits
    const silentMs = nowMs - this.#activeAtMs
    if (this.#incoming !== undefined) {
      if (nowMs - this.#begunAtMs > requestTimeoutMs) this.#timeOut()
      else if (silentMs > idleTimeoutMs) this.destroy()
    } else if (this.#owed.length > 0 || this.#isLeaving) {
      // The client waits for the relay, unless it does not read its answers.
      if (this.#socket.writableLength > 0 && silentMs > idleTimeoutMs) this.destroy()
    } else if (silentMs > keepAliveTimeoutMs) this.destroy()
  }

  /** Writes the answers that are ready, in the order of the requests. */
  readonly #flush = (): void => {
    const { answers, counters, refusals, requestsInFlight } = this.#parts
    let text = ''
    for (let first = this.#owed[0]; first?.reply !== undefined; first = this.#owed[0]) {
      this.#owed.shift()
      requestsInFlight.endFast()
      const isLast = first.head.isLast || (this.#owed.length === 0 && this.#isToEnd)
      if (isLast) this.#isLeaving = true
      countAnswer(counters, first.reply.status)
      // Only for refusals: to describe an answer for the log costs as much as a small answer.
      if (first.reply.status >= FIRST_REFUSAL) {
        refusals.noteWrite(first.parsed.target, first.reply, this.#socket)
      }
      const answer = answers.of(first.reply, first.head.format, isLast)
      if (typeof answer === 'string') text += answer
      else {
        this.#write(text)
        this.#write(answer)
        text = ''
      }
    }
    this.#write(text)
    if (this.#owed.length > 0) return
    if (this.#isLeaving) this.#close()
    else if (this.#isForCanonical) this.#giveToCanonical()
  }

  /** The last outstanding answer must close the connection. */
  get #isToEnd(): boolean {
    const isDone = this.#incoming === undefined && !this.#isForCanonical
    return this.#isLeaving || (this.#parts.requestsInFlight.isDraining && isDone)
  }

  readonly #room = (): Buffer => this.#incoming?.body.room() ?? READ_BUFFER

  readonly #onRead = (bytes: number, room: Buffer): void => {
    if (room === READ_BUFFER) return this.#onData(room.subarray(0, bytes))
    this.#activeAtMs = this.#parts.clock.monotonicMs()
    if (this.#incoming === undefined) return // The body of this buffer was refused meanwhile.
    this.#incoming.body.advance(bytes)
    this.#finishIfWhole(this.#incoming)
  }

  readonly #onChunk = (chunk: Buffer): void => {
    this.#parts.memory.noteGarbage(chunk.length)
    this.#onData(chunk)
  }

  /** Bytes of the chunk that are kept are copied. */
  readonly #onData = (chunk: Buffer): void => {
    this.#activeAtMs = this.#parts.clock.monotonicMs()
    let at = 0
    while (at < chunk.length && !this.#isLeaving) {
      if (this.#incoming !== undefined) {
        at = this.#receive(this.#incoming, chunk, at)
        continue
      }
      const end = chunk.indexOf(HEAD_END, at)
      const head = end < 0 ? undefined : this.#parts.headOf(chunk.toString('latin1', at, end))
      if (head === undefined) return this.#giveAway(Buffer.from(chunk.subarray(at)))
      at = end + HEAD_END.length
      this.#begin(head)
    }
  }

  readonly #onDrain = (): void => {
    this.#activeAtMs = this.#parts.clock.monotonicMs()
    if (this.#isForCanonical) return
    this.#kept.end()
    this.#socket.resume()
  }

  /** The client has closed its sending half, and may still wait for answers. */
  readonly #onEnd = (): void => {
    if (this.#incoming !== undefined) {
      this.#parts.counters.malformedRequests++
      return this.#refuseBody(this.#incoming.head, UNEXPECTED_END)
    }
    this.#isLeaving = true
    if (this.#owed.length === 0) this.#close()
  }

  readonly #onClose = (): void => {
    const { counters, requestsInFlight, onGone } = this.#parts
    if (this.#incoming !== undefined) {
      counters.abortedRequests++
      requestsInFlight.endFast()
      this.#forgetBody()
    }
    requestsInFlight.endFast(this.#owed.length)
    this.#owed.length = 0
    this.#isLeaving = true
    this.#kept.end()
    onGone(this)
  }

  #begin(head: ParsedHead): void {
    const { clock, counters, memory, requestsInFlight } = this.#parts
    counters.writeRequests++
    counters.fastWriteRequests++
    this.#begunAtMs = clock.monotonicMs()
    if (!requestsInFlight.beginFast()) return this.#refuseForMemory(head)
    if (head.bodyBytes === 0) return this.#finish(head, EMPTY)
    this.#incoming = { head, body: new IncomingBody(head.bodyBytes), lease: new Lease(memory) }
  }

  /** @returns the offset in the chunk up to which bytes were used */
  #receive(incoming: Incoming, chunk: Buffer, at: number): number {
    const { head, body, lease } = incoming
    const end = Math.min(chunk.length, at + body.missingBytes)
    if (end - at === head.bodyBytes) {
      this.#incoming = undefined
      this.#finish(head, unpooledCopy(chunk, at, end))
      return end
    }
    if (lease.tryGrowTo(body.heldBytesWith(end - at))) {
      body.append(chunk, at, end)
      this.#finishIfWhole(incoming)
    } else this.#refuseForMemory(head)
    return end
  }

  #finishIfWhole({ head, body, lease }: Incoming): void {
    if (body.missingBytes > 0) return
    lease.transfer()
    this.#incoming = undefined
    this.#finish(head, body.whole())
  }

  #finish(head: ParsedHead, body: Buffer): void {
    const request = new FastRequest(head, this.#client, this.#flush)
    this.#owed.push(request)
    this.#parts.ingest.take(request, body)
    if (head.isLast) this.#isLeaving = true
  }

  #refuseForMemory(head: ParsedHead): void {
    this.#parts.counters.memoryFullRequests++
    this.#refuseBody(head, MEMORY_FULL)
  }

  /** Refuses a request; the rest of its body is not read. */
  #refuseBody(head: ParsedHead, reply: Reply): void {
    this.#isBodyCut = true
    this.#isLeaving = true
    this.#forgetBody()
    const request = new FastRequest(head, this.#client, this.#flush)
    this.#owed.push(request)
    request.answer(reply)
  }

  #forgetBody(): void {
    this.#incoming?.lease.end()
    this.#incoming = undefined
  }

  /** Ends a request that did not arrive in time. Outstanding answers before it come first. */
  #timeOut(): void {
    const { answers, counters, refusals, requestsInFlight } = this.#parts
    counters.malformedRequests++
    requestsInFlight.endFast()
    this.#forgetBody()
    this.#isBodyCut = true
    this.#isLeaving = true
    if (this.#owed.length > 0) return // The last of these answers closes the connection.
    countAnswer(counters, 408)
    refusals.noteBytes(408, 'Request Timeout', this.#socket)
    this.#write(answers.timeout)
    this.#close()
  }

  #giveAway(rest: Buffer): void {
    this.#isForCanonical = true
    this.#socket.pause()
    this.#socket.unshift(rest) // At once: after the stream's end nothing can be put back.
    if (this.#owed.length === 0) return this.#giveToCanonical()
    // Without memory, cut the connection: a 503 would have to wait for the answers before it.
    if (!this.#kept.tryGrowTo(this.#kept.bytes + rest.length)) this.destroy()
  }

  #giveToCanonical(): void {
    const socket = this.#socket
    socket.off('data', this.#onChunk)
    socket.off('end', this.#onEnd)
    socket.off('drain', this.#onDrain)
    socket.off('close', this.#onClose)
    socket.off('error', onError)
    this.#reads?.release()
    this.#kept.end()
    this.#parts.onGone(this)
    this.#parts.giveToCanonical(socket, this.#begunAtMs >= 0)
    socket.resume()
  }

  #write(answer: string | Buffer): void {
    if (answer.length === 0 || this.#socket.destroyed) return
    const isTaken =
      typeof answer === 'string' ? this.#socket.write(answer, 'latin1') : this.#socket.write(answer)
    if (isTaken) return
    this.#socket.pause()
    // The client does not read its answers, and there is no memory to keep them.
    if (!this.#kept.tryGrowTo(this.#socket.writableLength)) this.destroy()
  }

  /** Closes the connection after the last answer. */
  #close(): void {
    const { clock, limits } = this.#parts
    const socket = this.#socket
    if (!this.#isBodyCut || socket.readableEnded) return socket.destroySoon()
    // To close while bytes still arrive would reset the connection, and the client would never see
    // its answer. So further bytes are discarded for `lingerMs`.
    socket.end()
    socket.resume()
    const timer = clock.startTimer(limits.lingerMs, () => socket.destroy(), { isBackground: true })
    socket.once('close', () => timer.cancel())
  }
}

/** Ignored: the `close` event follows. */
function onError(): void {}
