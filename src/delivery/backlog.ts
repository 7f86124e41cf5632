/**
 * What one output owes: its cursor in every stream, its bound, and the books of G10.
 *
 * Promise: every entry that was offered is settled exactly once, and told so (`onSettled`).
 *
 * Limits: `boundBytes`. At the bound the oldest writes that may be given up are: those that another
 * output has stored, or whose client was told no, as far as they stand at the head of their stream.
 * When they do not suffice there is no room, and the new write must be refused. A single write
 * larger than the bound passes while nothing else is pending. Statements are never given up, since
 * what follows them may stand only because of them; of those STATEMENTS_MAX may be owed.
 *
 * With one attempt each (`buffer-size-mb = 0`) only what waits behind a running attempt is kept,
 * `batchMaxBytes` of it at the most, and nothing while the output is down.
 */

import { type Entry, residentBytes } from '../log/entry.ts'
import { residentStreamBytes } from '../log/memory-log.ts'
import type { StreamLog } from '../log/stream-log.ts'
import type { DropReason, Outcome } from '../write/outcome.ts'
import { Pace } from './pace.ts'
import type { Part, Taken } from './part.ts'
import { OutputCounters } from './reporting/output-counters.ts'
import { StreamDrain } from './stream-drain.ts'

/** Statements owed, at the most: they are never given up, so there must not be more. */
const STATEMENTS_MAX = 1_000
/** Databases whose pace is remembered; beyond them all are learnt anew. */
const PACES_MAX = 1024

export interface BacklogOptions {
  /** 0 = one attempt each. */
  readonly boundBytes: number
  readonly batchMaxBytes: number
  /** What is refused, and its client does not know, is kept as a dead letter. */
  readonly keepsLetters: boolean
  readonly onSettled: (entry: Entry, outcome: Outcome) => void
  /** An entry was given up at the bound. */
  readonly onGivenUp: (entry: Entry) => void
}

export class Backlog {
  readonly counters = new OutputCounters()
  readonly #options: BacklogOptions
  readonly #streams = new Map<string, StreamDrain>()
  readonly #paces = new Map<string, Pace>()
  #loadedBytes = 0
  #loadedCount = 0
  #loadedLines = 0

  constructor(options: BacklogOptions) {
    this.#options = options
  }

  get streams(): Iterable<StreamDrain> {
    return this.#streams.values()
  }

  /** Takes on an entry that was just appended to `log`. */
  offer(entry: Entry, log: StreamLog): StreamDrain {
    this.counters.accept(entry)
    return this.load(entry, log)
  }

  /** As `offer`, for an entry that was accepted before, and is read again. */
  load(entry: Entry, log: StreamLog): StreamDrain {
    const { database } = log
    let stream = this.#streams.get(database)
    if (stream === undefined) {
      stream = new StreamDrain(database, this.#paceOf(database), entry.sequence - 1)
      this.#streams.set(database, stream)
    }
    stream.follow(log, entry)
    stream.pendingCount++
    if (entry.write.kind === 'statement') stream.statementCount++
    stream.waitingBytes += entry.bytes
    this.#loadedBytes += entry.bytes
    this.#loadedCount++
    this.#loadedLines += entry.write.lineCount
    return stream
  }

  /**
   * Gives up all that has not been taken, to be read again later; the books stay as they are.
   *
   * @param isAll also what was taken, unless it is under way
   * @param onUnloaded told of each entry
   */
  unload(isAll: boolean, onUnloaded: (entry: Entry) => void): void {
    for (const stream of [...this.#streams.values()]) {
      for (const entry of stream.unread(isAll)) {
        stream.pendingCount--
        if (entry.write.kind === 'statement') stream.statementCount--
        stream.waitingBytes -= entry.bytes
        this.#loadedBytes -= entry.bytes
        this.#loadedCount--
        this.#loadedLines -= entry.write.lineCount
        onUnloaded(entry)
      }
      // One that waits for its next attempt goes on waiting, whatever it is then.
      if (stream.retryTimer === undefined) this.forgetIfEmpty(stream)
    }
  }

  /** Of what is pending, the bytes that are in memory. */
  get loadedBytes(): number {
    return this.#loadedBytes
  }

  /** What they take of the memory budget. */
  get residentBytes(): number {
    const streamBytes = this.#streams.size * residentStreamBytes(1)
    return residentBytes(this.#loadedBytes, this.#loadedCount) + streamBytes
  }

  /** Gives up an entry that is not loaded. @param isNew it is in no count yet */
  giveUpUnloaded(entry: Entry, isNew: boolean): void {
    if (isNew) this.counters.accept(entry)
    const outcome = dropped(entry.write.lineCount, 'backlog-full')
    this.counters.settle(entry, outcome, 0)
    this.#options.onGivenUp(entry)
    this.#options.onSettled(entry, outcome)
  }

  /** All that is in the log is loaded: what else stands in the books was lost with a file of it. */
  dropUnreadable(): void {
    this.counters.lose({
      writes: this.counters.pendingWrites - this.#loadedCount,
      lines: this.counters.pendingLines - this.#loadedLines,
      bytes: this.counters.pendingBytes - this.#loadedBytes,
    })
  }

  /** Bytes that are only to be sent: not on hold, and not waiting for a successor. */
  get bytesToCatchUp(): number {
    let bytes = 0
    for (const stream of this.#streams.values()) {
      if (!stream.awaitsSuccessor()) bytes += stream.waitingBytes
    }
    return bytes
  }

  /** @returns `undefined` when nothing is pending in the database */
  streamOf(database: string): StreamDrain | undefined {
    return this.#streams.get(database)
  }

  /** Whether one more statement may be owed. */
  get hasRoomForStatement(): boolean {
    return this.counters.pendingStatements < STATEMENTS_MAX
  }

  /** Whether `bytes` more can be made to fit. Changes nothing. */
  canMakeRoom(bytes: number): boolean {
    let missingBytes = this.#missingBytes(bytes)
    if (missingBytes <= 0 || this.#isOneAttempt) return true
    for (const stream of this.#streams.values()) {
      for (const entry of stream.waiting()) {
        if (entry.write.kind === 'statement') continue
        if (!isGivable(entry)) break
        missingBytes -= entry.bytes
        if (missingBytes <= 0) return true
      }
    }
    return false
  }

  /** Makes an entry fit that was just appended; to be called after `canMakeRoom` has said yes. */
  makeRoom(newest: Entry): void {
    while (this.#missingBytes(newest.bytes) > 0) {
      const stream = this.#oldestGivable(newest)
      const entry = stream?.peek()
      if (stream === undefined || entry === undefined) return
      stream.pass(entry)
      this.#options.onGivenUp(entry)
      this.settle(stream, entry, dropped(entry.write.lineCount, this.#givenUpReason), 0)
    }
  }

  /** One attempt each, and now there will be none: what has not been taken is dropped. */
  dropUntaken(): void {
    for (const stream of [...this.#streams.values()]) {
      for (let entry = stream.peek(); entry !== undefined; entry = stream.peek()) {
        stream.pass(entry)
        this.settle(stream, entry, dropped(entry.write.lineCount, 'one-attempt'), 0)
      }
    }
  }

  /** Outlives the stream, which is forgotten whenever it is empty. */
  #paceOf(database: string): Pace {
    let pace = this.#paces.get(database)
    if (pace === undefined) {
      pace = new Pace()
      if (this.#paces.size >= PACES_MAX) this.#paces.clear()
      this.#paces.set(database, pace)
    }
    return pace
  }

  get #isOneAttempt(): boolean {
    return this.#options.boundBytes === 0
  }

  get #givenUpReason(): DropReason {
    return this.#isOneAttempt ? 'one-attempt' : 'backlog-full'
  }

  #missingBytes(bytes: number): number {
    const { pendingBytes } = this.counters
    const { boundBytes, batchMaxBytes } = this.#options
    const bound = boundBytes === 0 ? batchMaxBytes : boundBytes
    return pendingBytes === 0 ? 0 : pendingBytes + bytes - bound
  }

  /**
   * Settles an entry that this output need not have any more, wherever it stands here.
   *
   * @param held its part, when it was on hold
   */
  withdraw(entry: Entry, held: Part | undefined): void {
    const stream = this.#streams.get(entry.write.target.database)
    if (stream === undefined) return
    const isTaken = entry.sequence <= stream.takenThrough
    const part = isTaken ? (held ?? stream.drop(entry)) : undefined
    if (isTaken && part === undefined) return // Settled here before.
    this.settle(stream, entry, { kind: 'withdrawn' }, part?.taken.filteredLineCount ?? 0)
  }

  /** One part of a taken entry is done; settles the entry with its last one. */
  finishPart(stream: StreamDrain, taken: Taken): void {
    if (!taken.finishPart()) return
    const { entry, filteredLineCount } = taken
    const outcome = taken.outcome()
    const isLetter = outcome.kind === 'refused' && this.#options.keepsLetters && !entry.isDisowned
    const last: Outcome = isLetter ? { ...outcome, kind: 'dead-lettered' } : outcome
    this.settle(stream, entry, last, filteredLineCount)
  }

  settle(stream: StreamDrain, entry: Entry, outcome: Outcome, filteredLineCount: number): void {
    stream.pendingCount--
    if (entry.write.kind === 'statement') stream.statementCount--
    stream.waitingBytes -= entry.bytes
    this.#loadedBytes -= entry.bytes
    this.#loadedCount--
    this.#loadedLines -= entry.write.lineCount
    if (isStored(entry, outcome, filteredLineCount)) entry.storedCount++
    this.counters.settle(entry, outcome, filteredLineCount)
    this.forgetIfEmpty(stream)
    this.#options.onSettled(entry, outcome)
  }

  /** Database names are made up by clients: a stream that owes nothing must cost nothing. */
  forgetIfEmpty(stream: StreamDrain): void {
    if (stream.pendingCount > 0 || stream.isBusy) return
    // It must not wake up again: the database may have a new one by then.
    stream.retryTimer?.cancel()
    stream.retryTimer = undefined
    const { database } = stream
    if (this.#streams.get(database) === stream) this.#streams.delete(database)
  }

  /** The end of the process: whatever is pending, and not on hold, is dropped, and counted so. */
  abandon(): void {
    for (const stream of [...this.#streams.values()]) {
      stream.retryTimer?.cancel()
      stream.restoreSetAside()
      for (const part of stream.sweep(() => true)) this.abandonPart(stream, part)
      for (let entry = stream.peek(); entry !== undefined; entry = stream.peek()) {
        stream.pass(entry)
        this.settle(stream, entry, dropped(entry.write.lineCount, 'shutdown'), 0)
      }
    }
  }

  /** As `abandon`, for one part. */
  abandonPart(stream: StreamDrain, { taken, write }: Part): void {
    taken.lose('shutdown', write.lineCount)
    this.finishPart(stream, taken)
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

  #oldestGivable(newest: Entry): StreamDrain | undefined {
    let oldest: StreamDrain | undefined
    let sequence = Number.POSITIVE_INFINITY
    for (const stream of this.#streams.values()) {
      if (!this.#isOneAttempt) stream.takeStatements(newest)
      const entry = stream.peek()
      if (entry === undefined || entry === newest || entry.sequence >= sequence) continue
      if (!this.#isOneAttempt && !isGivable(entry)) continue
      oldest = stream
      sequence = entry.sequence
    }
    return oldest
  }
}

/** Whether at least some of its lines are there now. */
function isStored({ write }: Entry, outcome: Outcome, filteredLineCount: number): boolean {
  if (outcome.kind === 'delivered') return true
  if (!('lineCount' in outcome)) return false
  const before = outcome.kind === 'dropped' ? outcome.refusedLineCount : 0
  return outcome.lineCount + before < write.lineCount - filteredLineCount
}

/** Stored elsewhere, or its client was told no: nobody was promised that it would be here. */
function isGivable(entry: Entry): boolean {
  return entry.storedCount > 0 || entry.isDisowned
}

function dropped(lineCount: number, reason: DropReason): Outcome {
  return { kind: 'dropped', reason, lineCount, refusedLineCount: 0 }
}
