/**
 * The drain loop of one output: read from the cursor, merge, send, act on the verdict, advance.
 *
 *     waiting ──take──▶ batch ──send──▶ verdict ──▶ delivered: settled, the cursor advances
 *                         ▲                    ├──▶ refused, partly, split, …: rejected-lines.ts
 *                         │                    ├──▶ hold: holds.ts, or the whole output waits
 *                         └────────────────────┴──▶ retry: stays, retry.ts sets the delay
 *
 * Each stream has at most one request in flight, which keeps the order. Throughput comes from
 * merging all writes that arrive during a request. A stream in backoff blocks no other stream; an
 * output that is down blocks all of its streams until it answers.
 *
 * Never rejects: a destination that throws is a bug of ours, and ends the process.
 */

import type { OutputConfig } from '../config/config.ts'
import type { DeliveredVerdict, Destination, RetryVerdict } from '../destinations/destination.ts'
import type { FileCheckpoint } from '../log/cursors/file-checkpoint.ts'
import type { LogOwnership } from '../log/log-callbacks.ts'
import type { Clock } from '../std/clock.ts'
import type { Backlog } from './backlog.ts'
import { filterEntry } from './filter.ts'
import { requestMaxBytes } from './giving-way.ts'
import type { OutputHealth } from './health.ts'
import type { Holds } from './holds.ts'
import { mayDeliver } from './may-deliver.ts'
import { type KnownVerdict, type Plan, planAfter, type StreamFacts } from './plan.ts'
import type { PoisonTrials } from './poison.ts'
import type { RejectedLines } from './rejected-lines.ts'
import type { OutputMessages } from './reporting/output-messages.ts'
import type { Retries } from './retry.ts'
import { type Batch, type BatchTraits, type Slice, storeAll, toPayload } from './stream/batch.ts'
import type { StreamQueue } from './stream/stream-queue.ts'

export interface DrainOptions {
  readonly config: OutputConfig
  readonly destination: Destination
  readonly backlog: Backlog
  readonly health: OutputHealth
  readonly holds: Holds
  readonly rejectedLines: RejectedLines
  readonly retries: Retries
  readonly poison: PoisonTrials
  readonly messages: OutputMessages
  readonly clock: Clock
  /** An attempt in this stream failed; what is pending there stays pending. */
  readonly onFailed: (database: string) => void
  /** The file contains these records up to the checkpoint; some may not be settled yet. */
  readonly onWritten: (checkpoint: FileCheckpoint, sequences: readonly number[]) => void
  /** Who owns the log on disk; `undefined` without one. */
  readonly ownership: LogOwnership | undefined
  /** Another process owns the log now and delivers the next entry. */
  readonly onHandedOver: () => void
  /** A stream stopped sending: it has nothing to send, or nothing that may be sent now. */
  readonly onRest: () => void
}

/** What the log says of a failed attempt, and when the next one is due. */
type Failure = Pick<RetryVerdict, 'why' | 'retryAfterMs' | 'isDown'>
/** The batch waits, and with it the stream. */
type WaitingPlan = Extract<Plan, { kind: 'back-off' | 'narrow' | 'wait-until-up' }>

const NO_FAILURE: Failure = { why: '', retryAfterMs: undefined, isDown: false }

export class Drain {
  readonly #options: DrainOptions
  /** Streams that were woken in this turn of the event loop. */
  #woken: StreamQueue[] = []
  /** Requests that are out, or whose answers are being processed. */
  #inFlight = 0
  /** While set, no other stream sends: this one tries a poison candidate alone. */
  #alone: StreamQueue | undefined
  /** Resolved once nothing is in flight, or once waiting for that is pointless (down, closed). */
  #quiet = Promise.withResolvers<void>()
  #isClosed = false

  constructor(options: DrainOptions) {
    this.#options = options
  }

  /** Starts sending the stream's writes, unless the stream is busy, backing off, or blocked. */
  wake(stream: StreamQueue): void {
    const { isSending, awaitsRetry } = stream.attempts
    if (isSending || awaitsRetry || !this.#options.health.isOpen) return
    if (this.#woken.push(stream) > 1) return
    // Deferred, so that writes from other sockets in this turn of the event loop join the same
    // request.
    setImmediate(() => {
      const woken = this.#woken
      this.#woken = []
      // `#drain` rejects only for a bug of ours, which must end the process.
      for (const each of woken) void this.#drain(each)
    })
  }

  /** The output is up again: no stream waits any longer. */
  wakeAll(): void {
    for (const stream of this.#options.backlog.streams) this.retryNow(stream)
  }

  /** Retries the stream now: ends its backoff. */
  retryNow(stream: StreamQueue): void {
    stream.attempts.endRetryWait()
    this.wake(stream)
  }

  /** Lets one stream try whether the output takes writes again. */
  wakeOne(): void {
    for (const stream of this.#options.backlog.streams) {
      if (stream.oldest !== undefined && !stream.attempts.awaitsRetry) return this.wake(stream)
    }
  }

  /** The output is down: requests in flight may stay so for long, so nothing waits for them. */
  noteDown(): void {
    this.#quiet.resolve()
  }

  /** Starts no further attempt, and ignores the verdicts of those in flight. */
  close(): void {
    this.#isClosed = true
    this.#quiet.resolve()
  }

  async #drain(stream: StreamQueue): Promise<void> {
    if (stream.attempts.isSending) return
    const { backlog, onHandedOver, onRest, ownership } = this.#options
    let isHandedOver = false
    stream.attempts.begin()
    // The backlog forgets a stream that has nothing pending; a new object may have replaced this
    // one.
    while (stream.pendingCount > 0 && this.#maySend(stream)) {
      if (stream.head === undefined) {
        if (this.#isLingering(stream)) break
        this.#take(stream)
      }
      const batch = stream.head
      const isOurs = batch === undefined || mayDeliver(batch, ownership)
      isHandedOver = isOurs !== true && !(await isOurs)
      if (isHandedOver) break
      if (batch !== undefined) await this.#tryBatch(stream, batch)
      else if (stream.setAsideCount === 0) break
      else this.#awaitSuccessor(stream)
    }
    stream.attempts.end()
    if (isHandedOver) onHandedOver()
    backlog.forgetIfEmpty(stream)
    onRest()
  }

  #maySend(stream: StreamQueue): boolean {
    if (this.#alone !== undefined && this.#alone !== stream) return false
    return !this.#isClosed && this.#options.health.isOpen && !stream.attempts.awaitsRetry
  }

  async #tryBatch(stream: StreamQueue, batch: Batch): Promise<void> {
    const needsQuiet = this.#options.poison.needsQuiet(batch)
    if (!needsQuiet || (await this.#isQuietFor(stream))) await this.#attempt(stream, batch)
    if (!needsQuiet) return
    this.#alone = undefined
    for (const each of this.#options.backlog.streams) this.wake(each)
  }

  /** No later write is left to try the candidates against: they go back, and the stream waits. */
  #awaitSuccessor(stream: StreamQueue): void {
    const { poison, retries } = this.#options
    poison.breakOff(stream)
    retries.backOff(stream, { why: stream.head?.lastFailure ?? '', retryAfterMs: undefined })
  }

  /** Waits until nothing else is in flight. @returns whether the stream may send, alone */
  async #isQuietFor(stream: StreamQueue): Promise<boolean> {
    this.#alone = stream
    if (this.#inFlight === 0) return true
    this.#quiet = Promise.withResolvers()
    await this.#quiet.promise
    return this.#inFlight === 0 && this.#maySend(stream)
  }

  /** Whether the stream lingers for more writes. Each new write wakes the stream to look again. */
  #isLingering(stream: StreamQueue): boolean {
    const { clock } = this.#options
    const { pendingCount: count, waitingBytes: bytes } = stream
    const waitMs = stream.flow.lingerMs(clock.monotonicMs(), { count, bytes })
    if (waitMs === 0) return false
    const goOn = () => {
      stream.attempts.endLinger()
      this.wake(stream)
    }
    stream.attempts.linger(() => clock.startTimer(Math.ceil(waitMs), goOn))
    return true
  }

  #take(stream: StreamQueue): void {
    const { backlog, clock, config, holds } = this.#options
    const nowMs = clock.monotonicMs()
    const { filters } = config
    stream.take({
      batchMaxBytes: stream.flow.batchMaxBytes(config.batchMaxBytes),
      entriesMaxBytes: requestMaxBytes(config.bufferBytes, backlog.streamCount),
      nowMs,
      prepare: (entry) => {
        const slice = filterEntry(entry, filters)
        if (slice !== undefined) return holds.join(slice) ? undefined : slice
        backlog.settle(stream, entry, { kind: 'filtered' }, entry.write.lineCount)
        return undefined
      },
    })
  }

  async #attempt(stream: StreamQueue, batch: Batch): Promise<void> {
    const { backlog, clock, config, destination, health, messages, rejectedLines } = this.#options
    for (const { delivery } of batch.slices) delivery.entry.begunCount++
    const payload = toPayload(batch)
    backlog.counters.attempts++
    backlog.counters.sentBytes += payload.bytes
    const onTimeout = () => {
      backlog.counters.timedOutAttempts++
      health.markDown(messages.timeoutCause(config.timeoutMs))
    }
    stream.flow.begin(clock.monotonicMs(), entryBytesOf(batch.slices))
    this.#inFlight++
    const verdict = await destination.send(payload, { onTimeout })
    stream.flow.end(clock.monotonicMs(), verdict.kind === 'retry' ? 0 : entryBytesOf(batch.slices))
    const known =
      verdict.kind === 'partly' ? await rejectedLines.partition(batch, verdict) : verdict
    if (--this.#inFlight === 0) this.#quiet.resolve()
    if (!this.#isClosed) this.#obey(stream, batch, known)
  }

  #obey(stream: StreamQueue, batch: Batch, known: KnownVerdict): void {
    const verdict = known.kind === 'refused' ? this.#options.retries.judge(batch, known) : known
    this.#note(stream, batch, verdict)
    const plan = planAfter(verdict, batch, this.#factsOf(stream, batch))
    this.#carryOut(stream, batch, plan, verdict.kind === 'retry' ? verdict : NO_FAILURE)
  }

  /** Records what the verdict says about the output, the stream and the batch. */
  #note(stream: StreamQueue, batch: Batch, verdict: KnownVerdict): void {
    const { health, holds, retries } = this.#options
    if (verdict.kind === 'retry') return retries.note(stream, batch, verdict)
    if (verdict.kind === 'hold' && verdict.scope === 'output') {
      for (const { delivery } of batch.slices) delivery.entry.begunCount--
      return
    }
    stream.attempts.endFailures(!stream.hasMore)
    health.noteAnswer()
    if (verdict.kind !== 'hold') holds.noteAnswer(batch)
    if (verdict.kind !== 'delivered') return
    health.noteDelivery()
    batch.storedCount++
  }

  #factsOf(stream: StreamQueue, batch: Batch): StreamFacts {
    const { config, holds } = this.#options
    const { attempts, setAsideCount, hasMore } = stream
    return {
      ...{ failures: attempts.failures, setAsideCount, hasMore },
      hasOneAttempt: config.bufferBytes === 0,
      isOfCandidate: attempts.possiblePoison?.isCandidate === true,
      canHold: holds.hasRoomFor(batch.target),
    }
  }

  #carryOut(stream: StreamQueue, batch: Batch, plan: Plan, failure: Failure): void {
    const { health, holds, poison, rejectedLines, retries } = this.#options
    switch (plan.kind) {
      case 'store':
        return this.#store(stream, batch, plan.verdict)
      case 'complete-pass':
        poison.completePass(stream)
        // Otherwise undecided candidates are before it again, and it is sent once more behind them.
        if (stream.head === batch) this.#store(stream, batch, plan.verdict)
        return
      case 'send-again':
        return
      case 'halve':
        if (plan.reply && batch.onlySlice) rejectedLines.tell(batch.onlySlice.delivery, plan.reply)
        return this.#halve(stream, batch, plan.downTo, plan.traits)
      case 'hold':
        return holds.begin(stream, batch, plan)
      case 'reject':
        return rejectedLines.whole(stream, batch, plan.reply)
      case 'reject-lines':
        return rejectedLines.partly(stream, batch, plan.verdict)
      case 'reject-unexplained':
        return rejectedLines.unexplained(stream, batch, plan.verdict)
      case 'unsupported':
        return rejectedLines.unsupported(stream, batch, plan.reply)
      case 'wait-for-credentials':
        return health.markRefusing(plan.reply)
      case 'drop':
        // Clients wait on: each write behind this one still has its own attempt.
        retries.drop(stream, batch, failure.why)
        if (failure.isDown) health.markDown(failure.why)
        return
      case 'set-aside':
        if (!plan.isStored) stream.attempts.startBackingOff()
        return poison.setAside(stream, batch, plan.isStored)
      default:
        return this.#wait(stream, batch, plan, failure)
    }
  }

  /** Clients no longer wait for the stream. */
  #wait(stream: StreamQueue, batch: Batch, plan: WaitingPlan, failure: Failure): void {
    const { health, onFailed, poison, retries } = this.#options
    if (plan.kind === 'back-off' && !plan.isTold) return retries.backOff(stream, failure)
    stream.attempts.startBackingOff()
    if (plan.kind === 'narrow') this.#halve(stream, batch, 'line', { isNarrowed: true })
    if (plan.kind !== 'wait-until-up' || plan.restartsPass) poison.breakOff(stream)
    if (plan.kind === 'wait-until-up') health.markDown(failure.why)
    else if (plan.kind === 'back-off' || plan.backsOff) retries.backOff(stream, failure)
    onFailed(stream.database)
  }

  #halve(
    stream: StreamQueue,
    batch: Batch,
    downTo: 'write' | 'line',
    traits: Partial<BatchTraits>,
  ): void {
    this.#options.backlog.counters.splitBatches++
    stream.replaceHead(...batch.halves(downTo, traits))
  }

  #store(stream: StreamQueue, batch: Batch, { body, lost, checkpoint }: DeliveredVerdict): void {
    const { backlog, clock, holds, onWritten } = this.#options
    const { slices } = batch
    stream.replaceHead()
    for (const { reason, writeIndex, lineCount } of lost) {
      slices[writeIndex]?.delivery.lose(reason, lineCount)
    }
    // Release before settling: a hold has a bound again once no statement is owed.
    if (batch.kind === 'statement') holds.releaseStream(stream)
    storeAll(batch, body)
    for (const { delivery } of slices) backlog.finishSlice(stream, delivery)
    stream.flow.linger(clock.monotonicMs(), slices.length + stream.pendingCount)
    if (checkpoint === undefined) return
    const sequences = slices.map(({ delivery }) => delivery.entry.sequence)
    onWritten(checkpoint, sequences)
  }
}

function entryBytesOf(slices: readonly Slice[]): number {
  let bytes = 0
  for (const { delivery } of slices) bytes += delivery.entry.bytes
  return bytes
}
