/**
 * The drain loop of one output: read from the cursor, merge, send, act on the verdict, advance.
 *
 *     waiting ──take──▶ group ──send──▶ verdict ──▶ delivered: settled, the cursor advances
 *                         ▲                    ├──▶ refused, partly, split, …: rejected-lines.ts
 *                         │                    ├──▶ hold: holds.ts, or the whole output waits
 *                         └────────────────────┴──▶ retry: stays, setbacks.ts sets the delay
 *
 * Each stream has at most one request in flight, which keeps the order. Throughput comes from
 * merging all writes that arrive during a request. A stream in backoff blocks no other stream; an
 * output that is down blocks all of its streams until it answers.
 *
 * Never rejects: a destination that throws is a bug of ours, and ends the process.
 */

import type { OutputConfig } from '../config/config.ts'
import type { DeliveredVerdict, Destination, Verdict } from '../destinations/destination.ts'
import type { FileMark } from '../log/cursors/file-extent.ts'
import type { LogOwnership } from '../log/log-users.ts'
import type { Clock } from '../std/clock.ts'
import { unreachable } from '../std/errors.ts'
import type { Backlog } from './backlog.ts'
import { filterEntry } from './filter.ts'
import { mayDeliver } from './handed-over.ts'
import type { Holds } from './holds.ts'
import type { OutputHealth } from './output-health.ts'
import { type Group, type Part, storeAll, toBatch } from './part.ts'
import type { PoisonTrials } from './poison.ts'
import type { Refusals, SiftedPartly } from './rejected-lines.ts'
import type { OutputLog } from './reporting/output-messages.ts'
import type { Setbacks } from './setbacks.ts'
import type { StreamDrain } from './stream-drain.ts'

export interface DrainOptions {
  readonly config: OutputConfig
  readonly destination: Destination
  readonly backlog: Backlog
  readonly health: OutputHealth
  readonly holds: Holds
  readonly refusals: Refusals
  readonly setbacks: Setbacks
  readonly poison: PoisonTrials
  readonly log: OutputLog
  readonly clock: Clock
  /** The file holds these records now, up to the mark; some may not be settled yet. */
  readonly onWritten: (mark: FileMark, sequences: readonly number[]) => void
  /** Of the log on disk, where there is one. */
  readonly ownership: LogOwnership | undefined
  /** The next entry belongs to another process by now, which delivers it. */
  readonly onHandedOver: () => void
  /** A stream stopped sending: it has nothing to send, or nothing that may be sent now. */
  readonly onRest: () => void
}

/** How often to send a group whose lines the server may still be writing (rejected-lines.ts). */
const UNSETTLED_TIMES = 2

/** A verdict, with the refused lines found where the verdict allows it. */
type KnownVerdict = Exclude<Verdict, { kind: 'partly' }> | SiftedPartly

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
    for (const stream of this.#options.backlog.streams) this.hasten(stream)
  }

  /** Retries the stream now: ends its backoff. */
  hasten(stream: StreamDrain): void {
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
    const { backlog, onHandedOver, onRest, ownership, setbacks } = this.#options
    let isHandedOver = false
    stream.isBusy = true
    // The backlog forgets a stream that owes nothing; a new object may have replaced this one.
    while (stream.pendingCount > 0 && this.#maySend(stream)) {
      if (stream.groups.length === 0) {
        if (this.#isGathering(stream)) break
        this.#take(stream)
      }
      const [group] = stream.groups
      const isOurs = group === undefined || mayDeliver(group, ownership)
      isHandedOver = isOurs !== true && !(await isOurs)
      if (isHandedOver) break
      if (group !== undefined) await this.#tryGroup(stream, group)
      else if (stream.setAside.length === 0) break
      else setbacks.awaitSuccessor(stream)
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

  async #tryGroup(stream: StreamDrain, group: Group): Promise<void> {
    const needsQuiet = this.#options.poison.needsQuiet(group)
    if (!needsQuiet || (await this.#isQuietFor(stream))) await this.#attempt(stream, group)
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
  #isGathering(stream: StreamDrain): boolean {
    const { clock } = this.#options
    const { pendingCount: count, waitingBytes: bytes } = stream
    const waitMs = stream.pace.gatherMs(clock.monotonicMs(), { count, bytes })
    if (waitMs === 0) return false
    stream.gatherTimer ??= clock.startTimer(Math.ceil(waitMs), () => {
      stream.gatherTimer = undefined
      this.wake(stream)
    })
    return true
  }

  #take(stream: StreamDrain): void {
    const { backlog, clock, config, holds } = this.#options
    const nowMs = clock.monotonicMs()
    const { filters } = config
    stream.take({
      batchMaxBytes: stream.pace.batchMaxBytes(config.batchMaxBytes),
      nowMs,
      view: (entry) => {
        const part = filterEntry(entry, filters)
        if (part !== undefined) return holds.join(part) ? undefined : part
        backlog.settle(stream, entry, { kind: 'filtered' }, entry.write.lineCount)
        return undefined
      },
    })
  }

  async #attempt(stream: StreamDrain, group: Group): Promise<void> {
    const { backlog, clock, config, destination, health, log, refusals } = this.#options
    for (const { taken } of group.parts) taken.entry.begunCount++
    const batch = toBatch(group)
    backlog.counters.attempts++
    backlog.counters.sentBytes += batch.bytes
    const onTimeout = () => {
      backlog.counters.timedOutAttempts++
      health.markDown(log.timeoutCause(config.timeoutMs))
    }
    stream.pace.begin(clock.monotonicMs(), entryBytesOf(group.parts))
    this.#inFlight++
    const verdict = await destination.send(batch, { onTimeout })
    stream.pace.end(clock.monotonicMs(), verdict.kind === 'retry' ? 0 : entryBytesOf(group.parts))
    const known = verdict.kind === 'partly' ? await refusals.sift(group, verdict) : verdict
    if (--this.#inFlight === 0) this.#quiet.resolve()
    if (!this.#isClosed) this.#obey(stream, group, known)
  }

  #obey(stream: StreamDrain, group: Group, verdict: KnownVerdict): void {
    const { health, holds, refusals, setbacks } = this.#options
    if (verdict.kind === 'retry') return setbacks.retry(stream, group, verdict)
    const isDoubtful = verdict.kind === 'refused' && verdict.isDoubtful
    if (isDoubtful && setbacks.doubt(stream, group, verdict.reply)) return
    if (verdict.kind === 'hold' && verdict.scope === 'output') {
      for (const { taken } of group.parts) taken.entry.begunCount--
      return health.markRefusing(verdict.reply)
    }
    stream.failures = 0
    stream.lastSuspect = undefined
    if (!stream.hasMore) stream.isBehind = false
    health.noteAnswer()
    if (verdict.kind === 'hold') {
      const { reply, scope } = verdict
      const isHeld = holds.begin(stream, group, { reply, isOurs: scope === 'rights' })
      if (!isHeld) refusals.whole(stream, group, reply)
      return
    }
    holds.noteAnswer(group)
    switch (verdict.kind) {
      case 'delivered':
        return this.#deliver(stream, group, verdict)
      case 'partly':
        return refusals.partly(stream, group, verdict)
      case 'split':
        return refusals.split(stream, group, verdict)
      case 'refused':
        return refusals.whole(stream, group, verdict.reply)
      case 'unsupported':
        return refusals.unsupported(stream, group, verdict.reply)
      default:
        return unreachable(verdict)
    }
  }

  #deliver(stream: StreamDrain, group: Group, { body, lost, mark }: DeliveredVerdict): void {
    const { backlog, health, holds, onWritten, poison } = this.#options
    health.noteDelivery()
    group.storedCount++
    if (group.traits.isUnsettled && group.storedCount < UNSETTLED_TIMES) return
    if (poison.keeps(stream, group)) return
    stream.groups.shift()
    for (const { reason, writeIndex, lineCount } of lost) {
      group.parts[writeIndex]?.taken.lose(reason, lineCount)
    }
    // Release before settling: a hold has a bound again once no statement is owed.
    if (group.parts[0]?.write.kind === 'statement') holds.releaseStream(stream)
    storeAll(group, body)
    for (const { taken } of group.parts) backlog.finishPart(stream, taken)
    stream.pace.gather(this.#options.clock.monotonicMs(), group.parts.length + stream.pendingCount)
    if (mark !== undefined)
      onWritten(
        mark,
        group.parts.map(({ taken }) => taken.entry.sequence),
      )
  }
}

function entryBytesOf(parts: readonly Part[]): number {
  let bytes = 0
  for (const { taken } of parts) bytes += taken.entry.bytes
  return bytes
}
