/**
 * An output's cursor in one stream: the entries taken to be sent, and where to read on.
 *
 *     settled │ batches: taken, not settled │ released │ not yet taken …
 *             │  [ e4 e5 e6 ] [ e7 ]       │ e2 e3    │  e8  e9
 *                                                     └ sources
 *
 * `take` merges neighbours with one target up to `batchMaxBytes`; a larger write goes alone. Taken
 * entries stay in `batches` until they are settled, over any number of attempts, so the order is
 * kept by construction. `released` are slices that were on hold, and statements of an output that
 * is catching up. They go before all entries that are not yet taken. Nothing of the retention
 * policy of a slice that was on hold has overtaken it.
 *
 * Sources hold the entries that are not yet taken: the memory log, the window of entries that were
 * read from the disk for this output alone, or both in turn.
 *
 * Invariant: taken entries are in order, and their numbers are at most `takenThrough`. All other
 * entries up to that number are settled, or were given back to be read again. Both hold without
 * statements that went before their turn (`precede`).
 */

import { type Entry, entryBytes } from '../log/entry.ts'
import type { StreamLog } from '../log/stream-log.ts'
import type { Timer } from '../std/clock.ts'
import type { Write } from '../write/write.ts'
import { Batch, Delivery, type Slice } from './batch.ts'
import type { FlowControl } from './flow-control.ts'

export interface TakeOptions {
  readonly batchMaxBytes: number
  /** Most bytes that the merged entries count against the bound; absent = no limit. */
  readonly entriesMaxBytes?: number
  /** Monotonic milliseconds. */
  readonly nowMs: number
  /** An entry as this output sends it; `undefined` when it is filtered out or on hold. */
  readonly prepare: (entry: Entry) => Slice | undefined
}

/** A log, and the position of the next entry to read from it. */
interface Source {
  readonly log: StreamLog
  next: number
}

export class StreamDrain {
  readonly database: string
  readonly flow: FlowControl
  /** Batches to send, in order; the next attempt carries the first. */
  readonly batches: Batch[] = []
  /** Poison candidates, set aside in order while later batches are tried (poison.ts). */
  readonly setAside: Batch[] = []
  /** Number of the last entry that was taken or skipped. */
  takenThrough: number
  /** A request is out, or its answer is being processed. */
  isBusy = false
  /** Failed attempts in a row. */
  failures = 0
  /**
   * The batch whose data may have caused the last failure; cleared once the server accepts
   * something.
   */
  lastPossiblePoison: Batch | undefined
  /** Runs during backoff. */
  retryTimer: Timer | undefined
  /** Runs while the stream lingers for the next writes of answered clients (flow-control.ts). */
  lingerTimer: Timer | undefined
  /** Pending writes of this output in this stream, on hold or not. */
  pendingCount = 0
  /** Pending statements, also counted in `pendingCount`. */
  statementCount = 0
  /** Bytes of the pending writes that are not on hold. */
  waitingBytes = 0
  /**
   * Attempts fail, or the writes that waited meanwhile are still being sent. No client waits for
   * this stream.
   */
  isBackingOff = false
  /** Logs to read in turn; the first is read now. */
  readonly #sources: Source[] = []
  /** Numbers up to `takenThrough` of unsettled entries that were given back. */
  readonly #givenBack = new Set<number>()
  /** Entries that went before their turn: their sources pass over them. */
  readonly #early = new WeakSet<Entry>()
  #released: Slice[] = []
  /** Index in `#released` of the first slice that was not taken again. */
  #releasedAt = 0

  /** @param takenThrough all entries up to this number were settled before */
  constructor(database: string, flow: FlowControl, takenThrough: number) {
    this.database = database
    this.flow = flow
    this.takenThrough = takenThrough
  }

  /** Adds an entry that was appended to `log`, to be read after everything else. */
  follow(log: StreamLog, entry: Entry): void {
    if (this.#sources.at(-1)?.log !== log) this.#sources.push({ log, next: entry.position })
    this.#givenBack.delete(entry.sequence)
  }

  /**
   * Puts a statement before all entries that are not yet taken. It leaves `takenThrough` as it is:
   * older entries may still be unread.
   */
  precede(entry: Entry): void {
    this.#early.add(entry)
    this.#givenBack.delete(entry.sequence)
    this.release([{ delivery: new Delivery(entry, 0), write: entry.write }])
  }

  /** Whether an unsettled entry was taken, and is not to be read again. */
  hasTaken(sequence: number): boolean {
    return sequence <= this.takenThrough && !this.#givenBack.has(sequence)
  }

  /**
   * Gives back all entries that are not yet taken; the caller reads them again later.
   *
   * @param isAll also gives back taken entries, unless a request is out
   * @returns the entries, oldest first
   */
  giveBack(isAll: boolean): Entry[] {
    const { takenThrough } = this
    const entries = new Set<Entry>()
    if (isAll && !this.isBusy) {
      this.restoreSetAside()
      for (const { delivery } of this.sweep(() => true)) entries.add(delivery.entry)
    }
    for (let entry = this.peek(); entry !== undefined; entry = this.peek()) {
      entries.add(entry)
      this.pass(entry)
    }
    this.takenThrough = takenThrough
    this.#sources.length = 0
    for (const { sequence } of entries) if (sequence <= takenThrough) this.#givenBack.add(sequence)
    return [...entries]
  }

  /** The oldest entry that is not yet taken. */
  peek(): Entry | undefined {
    for (let source = this.#sources[0]; source !== undefined; source = this.#sources[0]) {
      const { log } = source
      while (source.next < log.end) {
        const entry = log.at(source.next)
        if (entry !== undefined && !this.#isEarly(entry)) return entry
        source.next++
      }
      if (this.#sources.length === 1) return undefined
      this.#sources.shift()
    }
    return undefined
  }

  /** Moves past the entry that `peek` has returned. */
  pass(entry: Entry): void {
    this.takenThrough = Math.max(this.takenThrough, entry.sequence)
    const [source] = this.#sources
    if (source !== undefined) source.next++
  }

  /** All entries that are not yet taken, oldest first. */
  *waiting(): Generator<Entry> {
    for (const { log, next } of this.#sources) {
      for (let position = next; position < log.end; position++) {
        const entry = log.at(position)
        if (entry !== undefined && !this.#isEarly(entry)) yield entry
      }
    }
  }

  /** Whether the stream has something to send besides the first batch. */
  get hasMore(): boolean {
    return (
      this.batches.length > 1 || this.#peekReleased() !== undefined || this.peek() !== undefined
    )
  }

  /**
   * Whether every batch left in this stream makes the server fail. Then only a later write can show
   * whether data or server is at fault.
   *
   * @param newest appended just now, and not offered yet
   */
  awaitsSuccessor(newest?: Entry): boolean {
    const hasCandidate = this.batches.length + this.setAside.length > 0
    if (!hasCandidate || !this.batches.every(({ isCandidate }) => isCandidate)) return false
    return this.#peekReleased() === undefined && this.peek() === newest
  }

  /** The oldest entry that is not on hold. */
  get oldest(): Entry | undefined {
    const slice = this.setAside[0]?.slices[0] ?? this.batches[0]?.slices[0] ?? this.#peekReleased()
    return slice?.delivery.entry ?? this.peek()
  }

  /** Estimated wait of a write appended now. */
  expectedWaitMs(nowMs: number): number {
    if (this.awaitsSuccessor()) return 0
    const oldestMs = nowMs - (this.oldest?.appendedAtMs ?? nowMs)
    return this.flow.expectedWaitMs(nowMs, { bytes: this.waitingBytes, oldestMs })
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
    if (slices.length > 0) this.batches.push(new Batch(slices))
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
    for (const batch of this.batches.splice(0)) {
      // Not `push(...slices)`: a batch may have more slices than a call takes arguments.
      if (batch.slices.some(({ write }) => fits(write))) swept = swept.concat(batch.slices)
      else this.batches.push(batch)
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
    for (const [at, batch] of this.batches.entries()) {
      const slice = batch.slices.find(isIts)
      if (slice === undefined) continue
      const others = batch.slices.filter((each) => each !== slice)
      this.batches.splice(at, 1, ...(others.length === 0 ? [] : [new Batch(others)]))
      return slice
    }
    return undefined
  }

  /** Puts every candidate back at the front of the stream. */
  restoreSetAside(): void {
    this.batches.unshift(...this.setAside.splice(0))
  }

  #isEarly(entry: Entry): boolean {
    return entry.write.kind === 'statement' && this.#early.has(entry)
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

function isMergeable(first: Write, second: Write, nowMs: number): boolean {
  if (first.kind !== 'lines' || second.kind !== 'lines') return false
  if (first.target !== second.target && first.target.key !== second.target.key) return false
  if (first.client === second.client) return true
  return !(first.client?.isAlone(nowMs) || second.client?.isAlone(nowMs))
}
