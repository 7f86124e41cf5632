/**
 * One client's connection in the fast lane, from its first byte until it ends or goes to node.
 *
 *            ┌────────── body complete ───────────┐
 *            ▼                                    │
 *     reading heads ── plain `POST /write` ──▶ receiving a body
 *            │                                    │ no memory for it, or the client has ended
 *            │ anything else                      ▼
 *            ▼                                 leaving: what else comes is thrown away
 *     waiting for the answers that are owed       │
 *            │ none is                            │ all is answered
 *            ▼                                    ▼
 *     given to node, from that head on         closed
 *
 * Requests may come one behind the other without waiting (pipelining). They go to the relay as they
 * come, and are answered in the same order. While the client does not read its answers, nothing
 * more is read from it.
 *
 * Promise: a byte is read either here or by ../canonical/; a request that has begun here ends here.
 *
 * Not here: what a head may look like (head.ts); when to look for silence (fast-path.ts).
 */

import type { Socket } from 'node:net'
import type { Clock } from '../../../std/clock.ts'
import { Lease } from '../../../std/lease.ts'
import type { SharedMemory } from '../../../std/memory-budget.ts'
import { ownCopy } from '../../../std/own-memory.ts'
import { Client } from '../../../write/merge-penalty.ts'
import { type Reply, refusedReply } from '../../../write/reply.ts'
import { countAnswer, type HttpCounters } from '../counters.ts'
import type { WriteIntake } from '../ingest/write-intake.ts'
import { MEMORY_FULL } from '../ingest/write-refusals.ts'
import type { HttpLimits } from '../limits.ts'
import { FIRST_REFUSAL, type RefusalLog } from '../refusal-log.ts'
import { IncomingBody } from '../request/incoming-body.ts'
import type { HttpRequestsInFlight } from '../requests-in-flight.ts'
import type { FastAnswers } from './answers.ts'
import { OwnReads } from './own-reads.ts'
import type { PlannedHead } from './planned-heads.ts'
import { FastRequest } from './request.ts'

const HEAD_END = Buffer.from('\r\n\r\n')
const EMPTY = Buffer.alloc(0)
/** Heads are read into it, by all connections: what is to stay of it is copied at once. */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024)
const UNEXPECTED_END = refusedReply(400, 'unexpected EOF')

/** What the connections of one listener share. */
export interface FastParts {
  readonly memory: SharedMemory
  readonly clock: Clock
  readonly limits: HttpLimits
  readonly counters: HttpCounters
  readonly requestsInFlight: HttpRequestsInFlight
  readonly intake: WriteIntake
  readonly answers: FastAnswers
  readonly refusals: RefusalLog
  /** @returns `undefined` when the request is not for this lane */
  readonly headOf: (text: string) => PlannedHead | undefined
  /** The connection, with nothing read that it does not still have, is node's from here. */
  readonly giveToNode: (socket: Socket) => void
  /** The connection has left the lane, one way or another. */
  readonly onGone: (connection: FastConnection) => void
}

interface Incoming {
  readonly head: PlannedHead
  readonly body: IncomingBody
  readonly lease: Lease
}

export class FastConnection {
  readonly #socket: Socket
  readonly #parts: FastParts
  readonly #reads: OwnReads | undefined
  readonly #client = new Client()
  /** Not answered yet, in the order in which they came. */
  readonly #owed: FastRequest[] = []
  #incoming: Incoming | undefined
  /** Of answers that the client has not read, and of what is kept for node. */
  readonly #kept: Lease
  /** To be given to node once nothing is owed; nothing more is read meanwhile. */
  #isForNode = false
  #isLeaving = false
  /** The rest of a body may still come. */
  #isBodyCut = false
  /** Monotonic milliseconds when something came the last time, or an answer was taken. */
  #activeAtMs: number
  /** Monotonic milliseconds when the last request began. */
  #begunAtMs = 0

  constructor(socket: Socket, parts: FastParts) {
    this.#socket = socket
    this.#parts = parts
    this.#kept = new Lease(parts.memory.clients)
    this.#activeAtMs = parts.clock.monotonicMs()
    this.#reads = OwnReads.of(socket, { room: this.#room, onRead: this.#onRead })
    if (this.#reads === undefined) socket.on('data', this.#onChunk)
    else socket.resume()
    socket.on('end', this.#onEnd)
    socket.on('drain', this.#onDrain)
    socket.on('close', this.#onClose)
    socket.on('error', onError)
  }

  /** No request has begun that is not answered, down to the last byte. */
  get isIdle(): boolean {
    const isAnswered = this.#owed.length === 0 && this.#socket.writableLength === 0
    return isAnswered && this.#incoming === undefined
  }

  /** Ends it at once. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** Ends it if it was silent for too long. */
  expire(nowMs: number): void {
    const { idleTimeoutMs, keepAliveTimeoutMs, requestTimeoutMs } = this.#parts.limits
    const silentMs = nowMs - this.#activeAtMs
    if (this.#incoming !== undefined) {
      if (nowMs - this.#begunAtMs > requestTimeoutMs) this.#timeOut()
      else if (silentMs > idleTimeoutMs) this.destroy()
    } else if (this.#owed.length > 0 || this.#isLeaving) {
      // It is we who keep it waiting, unless it does not read what it was sent.
      if (this.#socket.writableLength > 0 && silentMs > idleTimeoutMs) this.destroy()
    } else if (silentMs > keepAliveTimeoutMs) this.destroy()
  }

  /** Writes what can be answered, in the order in which it was asked. */
  readonly #flush = (): void => {
    const { answers, counters, refusals, requestsInFlight } = this.#parts
    let text = ''
    for (let first = this.#owed[0]; first?.reply !== undefined; first = this.#owed[0]) {
      this.#owed.shift()
      requestsInFlight.endFast()
      const isLast = first.head.isLast || (this.#owed.length === 0 && this.#isToEnd)
      if (isLast) this.#isLeaving = true
      countAnswer(counters, first.reply.status)
      // Made only when it is needed: what describes a refusal costs as much as a small answer.
      if (first.reply.status >= FIRST_REFUSAL) {
        refusals.noteWrite(first.plan.target, first.reply, this.#socket)
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
    else if (this.#isForNode) this.#giveToNode()
  }

  /** The last answer that is owed has to close it. */
  get #isToEnd(): boolean {
    const isDone = this.#incoming === undefined && !this.#isForNode
    return this.#isLeaving || (this.#parts.requestsInFlight.isDraining && isDone)
  }

  readonly #room = (): Buffer => this.#incoming?.body.room() ?? READ_BUFFER

  readonly #onRead = (bytes: number, room: Buffer): void => {
    if (room === READ_BUFFER) return this.#onData(room.subarray(0, bytes))
    this.#activeAtMs = this.#parts.clock.monotonicMs()
    if (this.#incoming === undefined) return // A room whose body is refused by now.
    this.#incoming.body.advance(bytes)
    this.#finishIfWhole(this.#incoming)
  }

  readonly #onChunk = (chunk: Buffer): void => {
    this.#parts.memory.waste(chunk.length)
    this.#onData(chunk)
  }

  /** What is kept of the chunk is copied. */
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
    this.#kept.end()
    if (!this.#isForNode) this.#socket.resume()
  }

  /** The client has sent all that it will, and may still wait for answers. */
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

  #begin(head: PlannedHead): void {
    const { clock, counters, memory, requestsInFlight } = this.#parts
    counters.writeRequests++
    counters.fastWriteRequests++
    this.#begunAtMs = clock.monotonicMs()
    if (!requestsInFlight.beginFast()) return this.#refuseForMemory(head)
    if (head.bodyBytes === 0) return this.#finish(head, EMPTY)
    this.#incoming = { head, body: new IncomingBody(head.bodyBytes), lease: new Lease(memory) }
  }

  /** @returns where in the chunk it was left off */
  #receive(incoming: Incoming, chunk: Buffer, at: number): number {
    const { head, body, lease } = incoming
    const end = Math.min(chunk.length, at + body.missingBytes)
    if (end - at === head.bodyBytes) {
      this.#incoming = undefined
      this.#finish(head, ownCopy(chunk, at, end))
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
    lease.handOn()
    this.#incoming = undefined
    this.#finish(head, body.whole())
  }

  #finish(head: PlannedHead, body: Buffer): void {
    const request = new FastRequest(head, this.#client, this.#flush)
    this.#owed.push(request)
    this.#parts.intake.take(request, body)
    if (head.isLast) this.#isLeaving = true
  }

  #refuseForMemory(head: PlannedHead): void {
    this.#parts.counters.memoryFullRequests++
    this.#refuseBody(head, MEMORY_FULL)
  }

  /** Of what is left to come of it nothing is read. */
  #refuseBody(head: PlannedHead, reply: Reply): void {
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

  /** A request that does not come to its end. Answers that are owed before it come first. */
  #timeOut(): void {
    const { answers, counters, refusals, requestsInFlight } = this.#parts
    counters.malformedRequests++
    requestsInFlight.endFast()
    this.#forgetBody()
    this.#isBodyCut = true
    this.#isLeaving = true
    if (this.#owed.length > 0) return // The last of them closes it.
    countAnswer(counters, 408)
    refusals.noteBytes(408, 'Request Timeout', this.#socket)
    this.#write(answers.timeout)
    this.#close()
  }

  #giveAway(rest: Buffer): void {
    this.#isForNode = true
    this.#socket.pause()
    this.#socket.unshift(rest) // Before the end may come: behind it nothing can be given back.
    if (this.#owed.length === 0) return this.#giveToNode()
    // It cannot be refused in words before the requests in front of it have their answers.
    if (!this.#kept.tryGrowTo(this.#kept.bytes + rest.length)) this.destroy()
  }

  #giveToNode(): void {
    const socket = this.#socket
    socket.off('data', this.#onChunk)
    socket.off('end', this.#onEnd)
    socket.off('drain', this.#onDrain)
    socket.off('close', this.#onClose)
    socket.off('error', onError)
    this.#reads?.release()
    this.#kept.end()
    this.#parts.onGone(this)
    this.#parts.giveToNode(socket)
    socket.resume()
  }

  #write(answer: string | Buffer): void {
    if (answer.length === 0 || this.#socket.destroyed) return
    const isTaken =
      typeof answer === 'string' ? this.#socket.write(answer, 'latin1') : this.#socket.write(answer)
    if (isTaken) return
    this.#socket.pause()
    // It does not read what it is told, and there is no memory to keep that.
    if (!this.#kept.tryGrowTo(this.#socket.writableLength)) this.destroy()
  }

  /** After the last answer. */
  #close(): void {
    const { clock, limits } = this.#parts
    const socket = this.#socket
    if (!this.#isBodyCut || socket.readableEnded) return socket.destroySoon()
    // Closing while more comes would reset the connection, and the client would never see its
    // answer: so what still comes is thrown away for a while.
    socket.end()
    socket.resume()
    const timer = clock.startTimer(limits.lingerMs, () => socket.destroy(), { isBackground: true })
    socket.once('close', () => timer.cancel())
  }
}

/** `close` comes after it. */
function onError(): void {}
