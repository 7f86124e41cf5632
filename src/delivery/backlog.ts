/**
 * Backlog of one output: its cursor in every stream, its bound, and its accounting (G10).
 *
 * Promise: every entry that was offered is settled exactly once, and `onSettled` reports it.
 *
 * Limits: `boundBytes`. At the bound the oldest writes are dropped to make room, if they are at the
 * head of their stream, and their client got an error or another output has stored them. The
 * latter only where the output gives way (giving-way.ts). If those do not suffice there is no room,
 * and the relay must refuse the new write. A single write larger than the bound is accepted while
 * nothing else is pending. Statements are never dropped, because the writes behind them may depend
 * on them; at most STATEMENTS_MAX may be pending.
 *
 * With `buffer-size-mb = 0` each write has one attempt. Only writes behind a running attempt are
 * kept, at most `batchMaxBytes` of them, and none while the output is down.
 */

import { type Entry, residentBytes } from '../log/entry.ts'
import { residentStreamBytes } from '../log/memory-log.ts'
import type { StreamLog } from '../log/stream-log.ts'
import { dropped, isStored, type Outcome } from '../write/outcome.ts'
import { OutputCounters } from './reporting/output-counters.ts'
import type { Delivery, Slice } from './stream/batch.ts'
import { FlowControl } from './stream/flow-control.ts'
import { StreamQueue } from './stream/stream-queue.ts'

/** Statements that may be pending: bounded by number, because they are never dropped. */
const STATEMENTS_MAX = 1_000
/** Databases whose flow control is kept; beyond that all are forgotten and measured again. */
const FLOWS_MAX = 1024

export interface BacklogOptions {
  /** 0 = one attempt for each write. */
  readonly boundBytes: number
  readonly batchMaxBytes: number
  /** Refused lines whose client got no error are kept as a dead letter. */
  readonly keepsLetters: boolean
  readonly onSettled: (entry: Entry, outcome: Outcome) => void
  /** At its bound: whether the output drops what another output has stored. */
  readonly givesWay: () => boolean
  /** At its bound there is no room for a new write. */
  readonly onFull: () => void
  /** An entry was dropped at the bound. */
  readonly onDropped: (entry: Entry) => void
}

export class Backlog {
  readonly counters = new OutputCounters()
  readonly #options: BacklogOptions
  readonly #streams = new Map<string, StreamQueue>()
  readonly #flows = new Map<string, FlowControl>()
  #loadedBytes = 0
  #loadedCount = 0
  #loadedLines = 0
  #loadedThrough = 0

  constructor(options: BacklogOptions) {
    this.#options = options
  }

  get streams(): Iterable<StreamQueue> {
    return this.#streams.values()
  }

  get streamCount(): number {
    return this.#streams.size
  }

  /** Adds an entry that was just appended to `log`. */
  offer(entry: Entry, log: StreamLog): StreamQueue {
    this.counters.accept(entry)
    return this.load(entry, log)
  }

  /** As `offer`, for an entry that was counted as accepted before, and is read again. */
  load(entry: Entry, log: StreamLog): StreamQueue {
    const stream = this.#openStream(log.database, entry.sequence - 1)
    stream.follow(log, entry)
    this.#count(stream, entry, 1)
    this.#loadedThrough = entry.sequence
    return stream
  }

  /** As `load`, for a statement that goes before all entries that are not yet taken. */
  loadAhead(entry: Entry): StreamQueue {
    // Older entries may still be unread: nothing of a new stream is settled.
    const stream = this.#openStream(entry.write.target.database, 0)
    stream.precede(entry)
    this.#count(stream, entry, 1)
    return stream
  }

  /**
   * Unloads all entries that are not yet taken, to be read again later; no counter changes.
   *
   * @param isAll also unloads taken entries, unless a request of their stream is out
   * @param onUnloaded called for each entry
   */
  unload(isAll: boolean, onUnloaded: (entry: Entry) => void): void {
    for (const stream of [...this.#streams.values()]) {
      for (const entry of stream.giveBack(isAll)) {
        this.#count(stream, entry, -1)
        onUnloaded(entry)
      }
      // A stream in backoff stays: its delay also holds for the entries that are read again.
      if (!stream.attempts.awaitsRetry) this.forgetIfEmpty(stream)
    }
  }

  /** Bytes of the pending entries that are in memory. */
  get loadedBytes(): number {
    return this.#loadedBytes
  }

  /** Bytes of the memory budget that the entries in memory take. */
  get residentBytes(): number {
    const streamBytes = this.#streams.size * residentStreamBytes(1)
    return residentBytes(this.#loadedBytes, this.#loadedCount) + streamBytes
  }

  /** Drops an entry that is not loaded. @param isNew the entry was not counted before */
  dropUnloaded(entry: Entry, isNew: boolean): void {
    if (isNew) this.counters.accept(entry)
    const outcome = dropped(entry.write.lineCount, 'backlog-full')
    this.counters.settle(entry, outcome, 0)
    this.#options.onDropped(entry)
    this.#options.onSettled(entry, outcome)
  }

  /** All of the log is loaded: other entries that count as pending were lost with a log file. */
  dropUnreadable(): void {
    this.counters.lose({
      writes: this.counters.pendingWrites - this.#loadedCount,
      lines: this.counters.pendingLines - this.#loadedLines,
      bytes: this.counters.pendingBytes - this.#loadedBytes,
    })
  }

  /** Bytes that are ready to send: not on hold, and not in a stream that awaits its successor. */
  get bytesToCatchUp(): number {
    let bytes = 0
    for (const stream of this.#streams.values()) {
      if (!stream.awaitsSuccessor()) bytes += stream.waitingBytes
    }
    return bytes
  }

  /** @returns `undefined` when nothing is pending in the database */
  streamOf(database: string): StreamQueue | undefined {
    return this.#streams.get(database)
  }

  /** Whether one more statement may be pending. */
  get hasRoomForStatement(): boolean {
    return this.counters.pendingStatements < STATEMENTS_MAX
  }

  /** Whether `bytes` more can be made to fit. Counts a refusal, and changes nothing else. */
  canMakeRoom(bytes: number): boolean {
    let missingBytes = this.#missingBytes(bytes)
    if (missingBytes <= 0 || this.#isOneAttempt) return true
    const givesWay = this.#options.givesWay()
    for (const stream of this.#streams.values()) {
      for (const entry of stream.waiting()) {
        if (entry.write.kind === 'statement') continue
        if (!isDroppable(entry, givesWay)) break
        missingBytes -= entry.bytes
        if (missingBytes <= 0) return true
      }
    }
    this.counters.backlogFullRefusals++
    this.#options.onFull()
    return false
  }

  /** Drops entries to make room for one that was just appended. Call only after `canMakeRoom`. */
  makeRoom(newest: Entry): void {
    if (this.#missingBytes(newest.bytes) <= 0) return
    const givesWay = this.#isOneAttempt || this.#options.givesWay()
    const reason = this.#isOneAttempt ? 'one-attempt' : 'backlog-full'
    while (this.#missingBytes(newest.bytes) > 0) {
      const stream = this.#oldestDroppable(newest, givesWay)
      const entry = stream?.peek()
      if (stream === undefined || entry === undefined) return
      stream.pass(entry)
      this.#options.onDropped(entry)
      this.settle(stream, entry, dropped(entry.write.lineCount, reason), 0)
    }
  }

  /** Each write has one attempt, and none is possible now: drops all entries not yet taken. */
  dropUntaken(): void {
    for (const stream of [...this.#streams.values()]) {
      for (let entry = stream.peek(); entry !== undefined; entry = stream.peek()) {
        stream.pass(entry)
        this.settle(stream, entry, dropped(entry.write.lineCount, 'one-attempt'), 0)
      }
    }
  }

  /** @param takenThrough of a new stream: all of its entries up to this number were settled */
  #openStream(database: string, takenThrough: number): StreamQueue {
    let stream = this.#streams.get(database)
    if (stream === undefined) {
      stream = new StreamQueue(database, this.#flowOf(database), takenThrough)
      this.#streams.set(database, stream)
    }
    return stream
  }

  #count(stream: StreamQueue, entry: Entry, sign: 1 | -1): void {
    stream.count(entry, sign)
    this.#loadedBytes += sign * entry.bytes
    this.#loadedCount += sign
    this.#loadedLines += sign * entry.write.lineCount
  }

  /** The pace outlives the stream, which is forgotten whenever it is empty. */
  #flowOf(database: string): FlowControl {
    let flow = this.#flows.get(database)
    if (flow === undefined) {
      flow = new FlowControl()
      if (this.#flows.size >= FLOWS_MAX) this.#flows.clear()
      this.#flows.set(database, flow)
    }
    return flow
  }

  get #isOneAttempt(): boolean {
    return this.#options.boundBytes === 0
  }

  #missingBytes(bytes: number): number {
    const { pendingBytes } = this.counters
    const { boundBytes, batchMaxBytes } = this.#options
    const bound = boundBytes === 0 ? batchMaxBytes : boundBytes
    return pendingBytes === 0 ? 0 : pendingBytes + bytes - bound
  }

  /**
   * Settles an entry that this output need not store any more, taken or not.
   *
   * @param held the entry's slice, when the entry was on hold
   */
  withdraw(entry: Entry, held: Slice | undefined): void {
    const stream = this.#streams.get(entry.write.target.database)
    if (stream === undefined) return
    const isTaken = entry.sequence <= stream.takenThrough
    const slice = isTaken ? (held ?? stream.drop(entry)) : undefined
    if (isTaken && slice === undefined) return // Settled here before.
    this.settle(stream, entry, { kind: 'withdrawn' }, slice?.delivery.filteredLineCount ?? 0)
  }

  /** One slice of a delivery is done; the last slice settles the entry. */
  finishSlice(stream: StreamQueue, delivery: Delivery): void {
    if (!delivery.finishSlice()) return
    const { entry, filteredLineCount } = delivery
    const outcome = delivery.outcome()
    const isLetter =
      outcome.kind === 'refused' && this.#options.keepsLetters && !entry.wasClientRefused
    const last: Outcome = isLetter ? { ...outcome, kind: 'dead-lettered' } : outcome
    this.settle(stream, entry, last, filteredLineCount)
  }

  settle(stream: StreamQueue, entry: Entry, outcome: Outcome, filteredLineCount: number): void {
    this.#count(stream, entry, -1)
    if (isStored(outcome, entry.write.lineCount - filteredLineCount)) entry.storedCount++
    this.counters.settle(entry, outcome, filteredLineCount)
    this.forgetIfEmpty(stream)
    this.#options.onSettled(entry, outcome)
  }

  /** Clients make up database names, so a stream without pending writes must cost nothing. */
  forgetIfEmpty(stream: StreamQueue): void {
    if (stream.pendingCount > 0 || stream.attempts.isSending) return
    // The old stream must not wake up: the database may have a new stream by then.
    stream.attempts.endRetryWait()
    const { database } = stream
    if (this.#streams.get(database) === stream) this.#streams.delete(database)
  }

  /** At the end of the process: drops all pending writes that are not on hold, and counts them. */
  abandon(): void {
    for (const stream of [...this.#streams.values()]) {
      stream.attempts.endRetryWait()
      stream.restoreSetAside()
      for (const slice of stream.sweep(() => true)) this.abandonSlice(stream, slice)
      for (let entry = stream.peek(); entry !== undefined; entry = stream.peek()) {
        stream.pass(entry)
        this.settle(stream, entry, dropped(entry.write.lineCount, 'shutdown'), 0)
      }
    }
  }

  /** As `abandon`, for one slice. */
  abandonSlice(stream: StreamQueue, { delivery, write }: Slice): void {
    delivery.lose('shutdown', write.lineCount)
    this.finishSlice(stream, delivery)
  }

  /** The oldest entry that is not on hold; `undefined` when there is none. */
  get oldest(): Entry | undefined {
    let oldest: Entry | undefined
    for (const stream of this.#streams.values()) {
      const entry = stream.oldest
      if (entry && (oldest === undefined || entry.sequence < oldest.sequence)) oldest = entry
    }
    return oldest
  }

  /** All entries below are settled, on hold, or poison candidates that await a successor. */
  get below(): number {
    let below = this.#loadedThrough + 1
    for (const stream of this.#streams.values())
      if (!stream.awaitsSuccessor()) below = Math.min(below, stream.oldest?.sequence ?? below)
    return below
  }

  #oldestDroppable(newest: Entry, givesWay: boolean): StreamQueue | undefined {
    let oldest: StreamQueue | undefined
    let sequence = Number.POSITIVE_INFINITY
    for (const stream of this.#streams.values()) {
      if (!this.#isOneAttempt) stream.takeStatements(newest)
      const entry = stream.peek()
      if (entry === undefined || entry === newest || entry.sequence >= sequence) continue
      if (!this.#isOneAttempt && !isDroppable(entry, givesWay)) continue
      oldest = stream
      sequence = entry.sequence
    }
    return oldest
  }
}

/** May be dropped: its client got an error; or, by one that gives way, another has stored it. */
function isDroppable(entry: Entry, givesWay: boolean): boolean {
  return entry.wasClientRefused || (givesWay && entry.storedCount > 0)
}
