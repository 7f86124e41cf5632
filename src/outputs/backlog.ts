/**
 * What one output owes: its cursor in every stream, its bound, and the books of G10.
 *
 * Promise: every entry that was offered is settled exactly once, and told so (`onSettled`).
 *
 * Limits: `boundBytes`. At the bound the oldest writes that may be given up are: those that another
 * output has stored, or whose client was told no, as far as they stand at the head of their stream.
 * When they do not suffice there is no room, and the new write must be refused. A single write
 * larger than the bound passes while nothing else is pending.
 *
 * With one attempt each (`buffer-size-mb = 0`) only what waits behind a running attempt is kept,
 * `batchMaxBytes` of it at the most, and nothing while the output is down.
 */

import type { Entry } from '../log/entry.ts'
import type { StreamLog } from '../log/stream-log.ts'
import type { DropReason, Outcome } from '../write/outcome.ts'
import { OutputCounters } from './output-counters.ts'
import { StreamDrain, type Taken } from './stream-drain.ts'

export interface BacklogOptions {
  /** 0 = one attempt each. */
  readonly boundBytes: number
  readonly batchMaxBytes: number
  readonly onSettled: (entry: Entry, outcome: Outcome) => void
  /** An entry was given up at the bound. */
  readonly onGivenUp: (entry: Entry) => void
}

export class Backlog {
  readonly counters = new OutputCounters()
  readonly #options: BacklogOptions
  readonly #streams = new Map<string, StreamDrain>()

  constructor(options: BacklogOptions) {
    this.#options = options
  }

  get streams(): Iterable<StreamDrain> {
    return this.#streams.values()
  }

  /** Whether the stream fails, or still works off what it missed. */
  isBehind(database: string): boolean {
    return this.#streams.get(database)?.isBehind === true
  }

  /** Takes on an entry that was just appended to `log`. */
  offer(entry: Entry, log: StreamLog): StreamDrain {
    this.counters.accept(entry)
    let stream = this.#streams.get(log.database)
    // A stream that ran empty may have been made anew in the log while its last answer was being
    // dealt with.
    if (stream === undefined || stream.log !== log) {
      stream = new StreamDrain(log, entry.position)
      this.#streams.set(log.database, stream)
    }
    stream.pendingCount++
    return stream
  }

  /** Whether `bytes` more can be made to fit. Changes nothing. */
  canMakeRoom(bytes: number): boolean {
    let missingBytes = this.#missingBytes(bytes)
    if (missingBytes <= 0 || this.#isOneAttempt) return true
    for (const stream of this.#streams.values()) {
      for (let position = stream.next; position < stream.log.end; position++) {
        const entry = stream.log.at(position)
        if (entry === undefined) continue
        if (!isGivable(entry)) break
        missingBytes -= entry.bytes
        if (missingBytes <= 0) return true
      }
    }
    return false
  }

  /** Makes `bytes` more fit; to be called after `canMakeRoom` has said yes. */
  makeRoom(bytes: number): void {
    while (this.#missingBytes(bytes) > 0) {
      const stream = this.#oldestGivable()
      const entry = stream?.peek()
      if (stream === undefined || entry === undefined) return
      stream.next++
      this.#options.onGivenUp(entry)
      this.settle(stream, entry, dropped(entry.write.lineCount, this.#givenUpReason), 0)
    }
  }

  /** One attempt each, and now there will be none: what has not been taken is dropped. */
  dropUntaken(): void {
    for (const stream of [...this.#streams.values()]) {
      for (let entry = stream.peek(); entry !== undefined; entry = stream.peek()) {
        stream.next++
        this.settle(stream, entry, dropped(entry.write.lineCount, 'one-attempt'), 0)
      }
    }
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

  /** Settles an entry that this output need not have any more, wherever it stands here. */
  withdraw(entry: Entry): void {
    const stream = this.#streams.get(entry.write.target.database)
    if (stream === undefined || stream.log.at(entry.position) !== entry) return
    const isTaken = entry.position < stream.next
    const taken = isTaken ? stream.drop(entry) : undefined
    if (isTaken && taken === undefined) return // Settled here before.
    this.settle(stream, entry, { kind: 'withdrawn' }, taken?.filteredLineCount ?? 0)
  }

  settle(stream: StreamDrain, entry: Entry, outcome: Outcome, filteredLineCount: number): void {
    stream.pendingCount--
    this.counters.settle(entry, outcome, filteredLineCount)
    this.forgetIfEmpty(stream)
    this.#options.onSettled(entry, outcome)
  }

  /** Settles the entries at the head of the stream's batch. */
  settleTaken(
    stream: StreamDrain,
    taken: readonly Taken[],
    outcomeOf: (taken: Taken, index: number) => Outcome,
  ): void {
    stream.batch.splice(0, taken.length)
    taken.forEach((each, index) => {
      this.settle(stream, each.entry, outcomeOf(each, index), each.filteredLineCount)
    })
  }

  /** Database names are made up by clients: a stream that owes nothing must cost nothing. */
  forgetIfEmpty(stream: StreamDrain): void {
    if (stream.pendingCount > 0 || stream.isBusy) return
    // It must not wake up again: the database may have a new one by then.
    stream.retryTimer?.cancel()
    stream.retryTimer = undefined
    const { database } = stream.log
    if (this.#streams.get(database) === stream) this.#streams.delete(database)
  }

  /** The end of the process: whatever is pending is dropped, and counted so. */
  abandon(): void {
    for (const stream of [...this.#streams.values()]) {
      stream.retryTimer?.cancel()
      this.settleTaken(stream, [...stream.batch], ({ write }) =>
        dropped(write.lineCount, 'shutdown'),
      )
      for (let entry = stream.peek(); entry !== undefined; entry = stream.peek()) {
        stream.next++
        this.settle(stream, entry, dropped(entry.write.lineCount, 'shutdown'), 0)
      }
    }
  }

  /** Milliseconds; 0 when nothing is pending. */
  oldestAgeMs(nowMs: number): number {
    let oldestAtMs = nowMs
    for (const stream of this.#streams.values()) {
      const entry = stream.batch[0]?.entry ?? stream.peek()
      if (entry !== undefined) oldestAtMs = Math.min(oldestAtMs, entry.appendedAtMs)
    }
    return nowMs - oldestAtMs
  }

  #oldestGivable(): StreamDrain | undefined {
    let oldest: StreamDrain | undefined
    let sequence = Number.POSITIVE_INFINITY
    for (const stream of this.#streams.values()) {
      const entry = stream.peek()
      if (entry === undefined || entry.sequence >= sequence) continue
      if (!this.#isOneAttempt && !isGivable(entry)) continue
      oldest = stream
      sequence = entry.sequence
    }
    return oldest
  }
}

/** Stored elsewhere, or its client was told no: nobody was promised that it would be here. */
function isGivable(entry: Entry): boolean {
  return entry.storedCount > 0 || entry.isDisowned
}

function dropped(lineCount: number, reason: DropReason): Outcome {
  return { kind: 'dropped', reason, lineCount }
}
