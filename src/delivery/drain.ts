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
import type { DeliveredVerdict, Destination, Verdict } from '../destinations/destination.ts'
import type { FileCheckpoint } from '../log/cursors/file-checkpoint.ts'
import type { LogOwnership } from '../log/log-callbacks.ts'
import type { Clock } from '../std/clock.ts'
import { unreachable } from '../std/errors.ts'
import type { Backlog } from './backlog.ts'
import { type Batch, type Slice, storeAll, toPayload } from './batch.ts'
import { filterEntry } from './filter.ts'
import { requestMaxBytes } from './giving-way.ts'
import type { OutputHealth } from './health.ts'
import type { Holds } from './holds.ts'
import { mayDeliver } from './may-deliver.ts'
import type { PoisonTrials } from './poison.ts'
import type { PartitionedPartly, RejectedLines } from './rejected-lines.ts'
import type { OutputMessages } from './reporting/output-messages.ts'
import type { Retries } from './retry.ts'
import type { StreamDrain } from './stream-drain.ts'

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
  /** The file contains these records up to the checkpoint; some may not be settled yet. */
  readonly onWritten: (checkpoint: FileCheckpoint, sequences: readonly number[]) => void
  /** Who owns the log on disk; `undefined` without one. */
  readonly ownership: LogOwnership | undefined
  /** Another process owns the log now and delivers the next entry. */
  readonly onHandedOver: () => void
  /** A stream stopped sending: it has nothing to send, or nothing that may be sent now. */
  readonly onRest: () => void
}

/** How often to send a batch whose lines the server may still be writing (rejected-lines.ts). */
const STORED_TIMES_MIN = 2

/** A verdict, with the refused lines found where the verdict allows it. */
type KnownVerdict = Exclude<Verdict, { kind: 'partly' }> | PartitionedPartly

export class Drain {
  readonly #options: DrainOptions
  /** Streams that were woken in this turn of the event loop. */
  #woken: StreamDrain[] = []
  /** Requests that are out, or whose answers are being processed. */
  #inFlight = 0
  /** While set, no other stream sends: this one tries a poison candidate alone. */
  #alone: StreamDrain | undefined
  /** Resolved once nothing is in flight, or once waiting for that is pointless (down, closed). */
  #quiet = Promise.withResolvers<void>()
  #isClosed = false

  constructor(options: DrainOptions) {
    this.#options = options
  }

  /** Starts sending the stream's writes, unless the stream is busy, backing off, or blocked. */
  wake(stream: StreamDrain): void {
    if (stream.isBusy || stream.retryTimer !== undefined || !this.#options.health.isOpen) return
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
  retryNow(stream: StreamDrain): void {
    stream.retryTimer?.cancel()
    stream.retryTimer = undefined
    this.wake(stream)
  }

  /** Lets one stream try whether the output takes writes again. */
  wakeOne(): void {
    for (const stream of this.#options.backlog.streams) {
      if (stream.oldest !== undefined && stream.retryTimer === undefined) return this.wake(stream)
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

  async #drain(stream: StreamDrain): Promise<void> {
    if (stream.isBusy) return
    const { backlog, onHandedOver, onRest, ownership, retries } = this.#options
    let isHandedOver = false
    stream.isBusy = true
    // The backlog forgets a stream that has nothing pending; a new object may have replaced this
    // one.
    while (stream.pendingCount > 0 && this.#maySend(stream)) {
      if (stream.batches.length === 0) {
        if (this.#isLingering(stream)) break
        this.#take(stream)
      }
      const [batch] = stream.batches
      const isOurs = batch === undefined || mayDeliver(batch, ownership)
      isHandedOver = isOurs !== true && !(await isOurs)
      if (isHandedOver) break
      if (batch !== undefined) await this.#tryBatch(stream, batch)
      else if (stream.setAside.length === 0) break
      else retries.awaitSuccessor(stream)
    }
    stream.isBusy = false
    if (isHandedOver) onHandedOver()
    backlog.forgetIfEmpty(stream)
    onRest()
  }

  #maySend(stream: StreamDrain): boolean {
    if (this.#alone !== undefined && this.#alone !== stream) return false
    return !this.#isClosed && this.#options.health.isOpen && stream.retryTimer === undefined
  }

  async #tryBatch(stream: StreamDrain, batch: Batch): Promise<void> {
    const needsQuiet = this.#options.poison.needsQuiet(batch)
    if (!needsQuiet || (await this.#isQuietFor(stream))) await this.#attempt(stream, batch)
    if (!needsQuiet) return
    this.#alone = undefined
    for (const each of this.#options.backlog.streams) this.wake(each)
  }

  /** Waits until nothing else is in flight. @returns whether the stream may send, alone */
  async #isQuietFor(stream: StreamDrain): Promise<boolean> {
    this.#alone = stream
    if (this.#inFlight === 0) return true
    this.#quiet = Promise.withResolvers()
    await this.#quiet.promise
    return this.#inFlight === 0 && this.#maySend(stream)
  }

  /** Whether the stream lingers for more writes. Each new write wakes the stream to look again. */
  #isLingering(stream: StreamDrain): boolean {
    const { clock } = this.#options
    const { pendingCount: count, waitingBytes: bytes } = stream
    const waitMs = stream.flow.lingerMs(clock.monotonicMs(), { count, bytes })
    if (waitMs === 0) return false
    stream.lingerTimer ??= clock.startTimer(Math.ceil(waitMs), () => {
      stream.lingerTimer = undefined
      this.wake(stream)
    })
    return true
  }

  #take(stream: StreamDrain): void {
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

  async #attempt(stream: StreamDrain, batch: Batch): Promise<void> {
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

  #obey(stream: StreamDrain, batch: Batch, verdict: KnownVerdict): void {
    const { health, holds, rejectedLines, retries } = this.#options
    if (verdict.kind === 'retry') return retries.retry(stream, batch, verdict)
    const isUnconfirmed = verdict.kind === 'refused' && verdict.isUnconfirmed
    if (isUnconfirmed && retries.retryUnconfirmed(stream, batch, verdict.reply)) return
    if (verdict.kind === 'hold' && verdict.scope === 'output') {
      for (const { delivery } of batch.slices) delivery.entry.begunCount--
      return health.markRefusing(verdict.reply)
    }
    stream.failures = 0
    stream.lastPossiblePoison = undefined
    if (!stream.hasMore) stream.isBackingOff = false
    health.noteAnswer()
    if (verdict.kind === 'hold') {
      const { reply, scope } = verdict
      const isHeld = holds.begin(stream, batch, { reply, lacksRights: scope === 'rights' })
      if (!isHeld) rejectedLines.whole(stream, batch, reply)
      return
    }
    holds.noteAnswer(batch)
    switch (verdict.kind) {
      case 'delivered':
        return this.#deliver(stream, batch, verdict)
      case 'partly':
        return rejectedLines.partly(stream, batch, verdict)
      case 'split':
        return rejectedLines.split(stream, batch, verdict)
      case 'refused':
        return rejectedLines.whole(stream, batch, verdict.reply)
      case 'unsupported':
        return rejectedLines.unsupported(stream, batch, verdict.reply)
      default:
        return unreachable(verdict)
    }
  }

  #deliver(stream: StreamDrain, batch: Batch, { body, lost, checkpoint }: DeliveredVerdict): void {
    const { backlog, health, holds, onWritten, poison } = this.#options
    health.noteDelivery()
    batch.storedCount++
    if (batch.traits.mayStillBeApplied && batch.storedCount < STORED_TIMES_MIN) return
    if (poison.keeps(stream, batch)) return
    stream.batches.shift()
    for (const { reason, writeIndex, lineCount } of lost) {
      batch.slices[writeIndex]?.delivery.lose(reason, lineCount)
    }
    // Release before settling: a hold has a bound again once no statement is owed.
    if (batch.slices[0]?.write.kind === 'statement') holds.releaseStream(stream)
    storeAll(batch, body)
    for (const { delivery } of batch.slices) backlog.finishSlice(stream, delivery)
    stream.flow.linger(this.#options.clock.monotonicMs(), batch.slices.length + stream.pendingCount)
    if (checkpoint !== undefined)
      onWritten(
        checkpoint,
        batch.slices.map(({ delivery }) => delivery.entry.sequence),
      )
  }
}

function entryBytesOf(slices: readonly Slice[]): number {
  let bytes = 0
  for (const { delivery } of slices) bytes += delivery.entry.bytes
  return bytes
}
