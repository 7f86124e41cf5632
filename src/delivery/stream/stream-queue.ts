/**
 * The queue of one stream at one output: the entries taken to be sent, and where to read on.
 *
 *     settled │ batches: taken, not settled │ released │ not yet taken …
 *             │  [ e4 e5 e6 ] [ e7 ]       │ e2 e3    │  e8  e9
 *                                                     └ cursor
 *
 * `take` merges neighbours with one target up to `batchMaxBytes`; a larger write goes alone. Taken
 * entries stay in `batches` until they are settled, over any number of attempts, so the order is
 * kept by construction. `released` are slices that were on hold, and statements of an output that
 * is catching up. They go before all entries that are not yet taken. Nothing of the retention
 * policy of a slice that was on hold has overtaken it.
 *
 * Invariant: taken entries are in order, and their numbers are at most `takenThrough`. All other
 * entries up to that number are settled, or were given back to be read again. Both hold without
 * statements that went before their turn (`precede`).
 *
 * Only this class changes the queue; attempts.ts has the state of sending.
 */

import assert from 'node:assert/strict'
import { type Entry, entryBytes } from '../../log/entry.ts'
import type { StreamLog } from '../../log/stream-log.ts'
import type { Write } from '../../write/write.ts'
import { Attempts } from './attempts.ts'
import { Batch, Delivery, isMergeable, type Slice } from './batch.ts'
import type { FlowControl } from './flow-control.ts'
import { StreamCursor } from './stream-cursor.ts'

export interface TakeOptions {
  readonly batchMaxBytes: number
  /** Most bytes that the merged entries count against the bound; absent = no limit. */
  readonly entriesMaxBytes?: number
  /** Monotonic milliseconds. */
  readonly nowMs: number
  /** An entry as this output sends it; `undefined` when it is filtered out or on hold. */
  readonly prepare: (entry: Entry) => Slice | undefined
}

export class StreamQueue {
  readonly database: string
  readonly flow: FlowControl
  readonly attempts = new Attempts()
  readonly #cursor: StreamCursor
  /** Batches to send, in order; the next attempt carries the first. */
  readonly #batches: Batch[] = []
  /** Poison candidates, set aside in order while later batches are tried (poison.ts). */
  #setAside: Batch[] = []
  #pendingCount = 0
  #statementCount = 0
  #waitingBytes = 0
  #released: Slice[] = []
  /** Index in `#released` of the first slice that was not taken again. */
  #releasedAt = 0

  /** @param takenThrough all entries up to this number were settled before */
  constructor(database: string, flow: FlowControl, takenThrough: number) {
    this.database = database
    this.flow = flow
    this.#cursor = new StreamCursor(takenThrough)
  }

  /** The batch that the next attempt carries. */
  get head(): Batch | undefined {
    return this.#batches[0]
  }

  /** Count of the undecided poison candidates that go before the head. */
  get setAsideCount(): number {
    return this.#setAside.length
  }

  /** Number of the last entry that was taken or skipped. */
  get takenThrough(): number {
    return this.#cursor.takenThrough
  }

  /** Pending writes of this output in this stream, on hold or not. */
  get pendingCount(): number {
    return this.#pendingCount
  }

  /** Pending statements, also counted in `pendingCount`. */
  get statementCount(): number {
    return this.#statementCount
  }

  /** Bytes of the pending writes that are not on hold. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** The entry is pending here from now on (1); it was settled or given back (-1). */
  count(entry: Entry, sign: 1 | -1): void {
    this.#pendingCount += sign
    if (entry.write.kind === 'statement') this.#statementCount += sign
    this.#waitingBytes += sign * entry.bytes
    assert(this.#pendingCount >= 0, 'BUG: an entry was removed from its stream twice')
  }

  /** Counts an entry that goes on hold out of the waiting ones, or in again. */
  noteHold(entry: Entry, isHeld: boolean): void {
    this.#waitingBytes += isHeld ? -entry.bytes : entry.bytes
  }

  /** Adds an entry that was appended to `log`, to be read after everything else. */
  follow(log: StreamLog, entry: Entry): void {
    this.#cursor.follow(log, entry)
  }

  /** Puts a statement before all entries that are not yet taken. */
  precede(entry: Entry): void {
    this.#cursor.skip(entry)
    this.release([{ delivery: new Delivery(entry, 0), write: entry.write }])
  }

  /** @see StreamCursor.hasTaken */
  hasTaken(sequence: number): boolean {
    return this.#cursor.hasTaken(sequence)
  }

  /**
   * Gives back all entries that are not yet taken; the caller reads them again later.
   *
   * @param isAll also gives back taken entries, unless a request is out
   * @returns the entries, oldest first
   */
  giveBack(isAll: boolean): Entry[] {
    const entries = new Set<Entry>()
    if (isAll && !this.attempts.isSending) {
      this.restoreSetAside()
      for (const { delivery } of this.sweep(() => true)) entries.add(delivery.entry)
    }
    this.#cursor.giveBack(entries)
    return [...entries]
  }

  /** The oldest entry that is not yet taken. */
  peek(): Entry | undefined {
    return this.#cursor.peek()
  }

  /** Moves past the entry that `peek` has returned. */
  pass(entry: Entry): void {
    this.#cursor.pass(entry)
  }

  /** All entries that are not yet taken, oldest first. */
  waiting(): Iterable<Entry> {
    return this.#cursor.waiting()
  }

  /** Whether the stream has something to send besides the first batch. */
  get hasMore(): boolean {
    return (
      this.#batches.length > 1 || this.#peekReleased() !== undefined || this.peek() !== undefined
    )
  }

  /**
   * Whether every batch left in this stream makes the server fail. Then only a later write can show
   * whether data or server is at fault.
   *
   * @param newest appended just now, and not offered yet
   */
  awaitsSuccessor(newest?: Entry): boolean {
    const hasCandidate = this.#batches.length + this.#setAside.length > 0
    if (!hasCandidate || !this.#batches.every(({ isCandidate }) => isCandidate)) return false
    return this.#peekReleased() === undefined && this.peek() === newest
  }

  /** The oldest entry that is not on hold. */
  get oldest(): Entry | undefined {
    const slice =
      this.#setAside[0]?.slices[0] ?? this.#batches[0]?.slices[0] ?? this.#peekReleased()
    return slice?.delivery.entry ?? this.peek()
  }

  /** Estimated wait of a write appended now. */
  expectedWaitMs(nowMs: number): number {
    if (this.awaitsSuccessor()) return 0
    const oldestMs = nowMs - (this.oldest?.appendedAtMs ?? nowMs)
    return this.flow.expectedWaitMs(nowMs, { bytes: this.#waitingBytes, oldestMs })
  }

  /** Appends a batch: the first entry that waits, and its neighbours that may be merged with it. */
  take({ batchMaxBytes, entriesMaxBytes, nowMs, prepare }: TakeOptions): void {
    const slices: Slice[] = []
    let bytes = 0
    let leftBytes = entriesMaxBytes ?? Number.POSITIVE_INFINITY
    for (let write = this.#peekWrite(); write !== undefined; write = this.#peekWrite()) {
      const first = slices[0]
      if (first !== undefined) {
        if (!isMergeable(first.write, write, nowMs)) break
        if (bytes + write.body.length > batchMaxBytes || entryBytes(write) > leftBytes) break
      }
      const slice = this.#shift(prepare)
      if (slice === undefined) continue
      bytes += slice.write.body.length
      leftBytes -= entryBytes(slice.write)
      slices.push(slice)
    }
    if (slices.length > 0) this.#batches.push(new Batch(slices))
  }

  /**
   * Takes the statements that are next in line, so that the entries behind them may be dropped.
   *
   * @param newest appended just now, and not offered yet
   */
  takeStatements(newest: Entry): void {
    for (let entry = this.peek(); entry !== undefined; entry = this.peek()) {
      if (entry === newest || entry.write.kind !== 'statement') return
      this.pass(entry)
      this.release([{ delivery: new Delivery(entry, 0), write: entry.write }])
    }
  }

  /** Queues slices that were on hold, in the order of the log, before entries not yet taken. */
  release(slices: readonly Slice[]): void {
    // Sorted across holds: the retention policies `''` and `autogen` may be the same storage.
    const released = this.#released.slice(this.#releasedAt).concat(slices)
    this.#released = released.sort((a, b) => a.delivery.entry.sequence - b.delivery.entry.sequence)
    this.#releasedAt = 0
  }

  /** Removes and returns, in order, the taken and released slices whose write fits. */
  sweep(fits: (write: Write) => boolean): Slice[] {
    let swept: Slice[] = []
    for (const batch of this.#batches.splice(0)) {
      // Not `push(...slices)`: a batch may have more slices than a call takes arguments.
      if (batch.slices.some(({ write }) => fits(write))) swept = swept.concat(batch.slices)
      else this.#batches.push(batch)
    }
    const released = this.#released.slice(this.#releasedAt)
    this.#released = released.filter(({ write }) => !fits(write))
    this.#releasedAt = 0
    return swept.concat(released.filter(({ write }) => fits(write)))
  }

  /** Removes and returns the slice of an entry that was never split, if it is here. */
  drop(entry: Entry): Slice | undefined {
    const isIts = ({ delivery }: Slice) => delivery.entry === entry
    const index = this.#released.findIndex((slice, at) => at >= this.#releasedAt && isIts(slice))
    if (index >= 0) return this.#released.splice(index, 1)[0]
    for (const [at, batch] of this.#batches.entries()) {
      const slice = batch.slices.find(isIts)
      if (slice === undefined) continue
      const others = batch.slices.filter((each) => each !== slice)
      this.#batches.splice(at, 1, ...(others.length === 0 ? [] : [new Batch(others)]))
      return slice
    }
    return undefined
  }

  /** Replaces the head, by nothing when it is done. */
  replaceHead(...batches: readonly Batch[]): void {
    this.#batches.splice(0, 1, ...batches)
  }

  /** Queues a batch behind all others. */
  append(batch: Batch): void {
    this.#batches.push(batch)
  }

  /** Sets the head aside, behind the others: its successor is tried next. */
  setHeadAside(): void {
    this.#setAside.push(...this.#batches.splice(0, 1))
  }

  /** Puts every candidate back at the front of the stream. @returns all batches */
  restoreSetAside(): readonly Batch[] {
    this.#batches.unshift(...this.#setAside.splice(0))
    return this.#batches
  }

  /**
   * Ends a pass: takes the decided candidates out, and puts the others back at the front.
   *
   * @param decides called for each, in order. @returns whether the candidate is settled
   */
  decideSetAside(decides: (batch: Batch) => boolean): void {
    const candidates = this.#setAside
    this.#setAside = []
    this.#batches.unshift(...candidates.filter((batch) => !decides(batch)))
  }

  #peekReleased(): Slice | undefined {
    return this.#released[this.#releasedAt]
  }

  #peekWrite(): Write | undefined {
    return this.#peekReleased()?.write ?? this.peek()?.write
  }

  #shift(prepare: (entry: Entry) => Slice | undefined): Slice | undefined {
    const released = this.#peekReleased()
    if (released !== undefined) {
      this.#releasedAt++
      return released
    }
    const entry = this.peek()
    if (entry === undefined) return undefined
    this.pass(entry)
    return prepare(entry)
  }
}
