/**
 * Memory log: the writes of one relay that some output still owes, in the order in which they came.
 *
 * One order per database (`StreamLog`); the sequence numbers make one order of all. Each output
 * keeps its own cursors (../delivery/stream-drain.ts) and says `release` once for each entry it was
 * to deliver. An entry that is owed by nobody leaves at once and its bytes go back to the budget; a
 * stream without entries leaves too, so that database names made up by clients cost nothing.
 *
 * Limits: the memory budget, over all relays, for entries and for streams; each output's own bound
 * is kept by the output.
 *
 * Not here: who owes what (outputs), when the client is told (../relay/relay.ts).
 */

import assert from 'node:assert/strict'
import type { Clock } from '../std/clock.ts'
import type { Memory } from '../std/memory-budget.ts'
import type { Write } from '../write/write.ts'
import { type Entry, entryBytes, residentEntryBytes } from './entry.ts'
import { StreamLog } from './stream-log.ts'

export interface MemoryLogOptions {
  readonly memory: Memory
  readonly clock: Clock
  /** Outputs that read from it. */
  readonly outputCount: number
}

/** What a stream takes beside its entries; measured with 100,000 of them. */
const STREAM_BYTES = 1024
/** What it takes at each output: cursor, pace, a request that waits for a connection, a timer. */
const STREAM_OUTPUT_BYTES = 8 * 1024

/** What a stream takes of the memory budget, read by so many outputs. */
export function residentStreamBytes(outputCount: number): number {
  return STREAM_BYTES + outputCount * STREAM_OUTPUT_BYTES
}

export class MemoryLog {
  readonly #memory: Memory
  readonly #clock: Clock
  readonly #streams = new Map<string, StreamLog>()
  /** Wall time of monotonic zero when it was made. */
  readonly #originMs: number
  readonly #streamBytes: number
  #nextSequence = 1
  #entryCount = 0
  #bytes = 0

  constructor(options: MemoryLogOptions) {
    this.#memory = options.memory
    this.#clock = options.clock
    this.#streamBytes = residentStreamBytes(options.outputCount)
    this.#originMs = options.clock.wallMs() - options.clock.monotonicMs()
  }

  get streamCount(): number {
    return this.#streams.size
  }

  get entryCount(): number {
    return this.#entryCount
  }

  get bytes(): number {
    return this.#bytes
  }

  /**
   * An entry that is not in the log yet, for a write whose place in it is settled elsewhere.
   *
   * @param sequence from the log on disk; given here where there is none
   * @returns `undefined`, with nothing changed, when the memory budget is used up. Else either
   *   `push` or `discard` has to follow.
   */
  prepare(write: Write, sequence?: number): Entry | undefined {
    const entry = this.#make(write, sequence ?? this.#nextSequence, false)
    if (!this.#streams.has(write.target.database)) entry.claimedBytes = this.#streamBytes
    if (!this.#memory.tryTake(entry.residentBytes + entry.claimedBytes)) return undefined
    if (sequence === undefined) this.#nextSequence++
    return entry
  }

  /**
   * Appends what was prepared.
   *
   * @param owedCount how many outputs are to deliver it
   * @returns the stream that it is in now
   */
  push(entry: Entry, owedCount: number): StreamLog {
    const stream = this.stream(entry.write.target.database)
    // The stream has taken its own by now.
    this.#giveBackClaim(entry)
    entry.owedCount = owedCount
    entry.position = stream.end
    stream.push(entry)
    this.#entryCount++
    this.#bytes += entry.bytes
    return stream
  }

  /** Gives back what was prepared and will not be pushed. */
  discard(entry: Entry): void {
    this.#giveBackClaim(entry)
    this.#memory.giveBack(entry.residentBytes)
  }

  /** Appends a write that was read from the disk for one output; its bytes are held already. */
  appendStored(write: Write, sequence: number): Entry {
    const entry = this.#make(write, sequence, true)
    this.#memory.take(entry.residentBytes)
    this.push(entry, 1)
    return entry
  }

  /** The stream of a database; made when there is none. */
  stream(database: string): StreamLog {
    let stream = this.#streams.get(database)
    if (stream === undefined) {
      stream = new StreamLog(database)
      this.#streams.set(database, stream)
      this.#memory.take(this.#streamBytes)
    }
    return stream
  }

  /** All that somebody owes. */
  entries(): readonly Entry[] {
    return [...this.#streams.values()].flatMap((stream) => stream.inOrder())
  }

  /** One output is through with the entry. */
  release(entry: Entry): void {
    assert(entry.owedCount > 0, 'BUG: an entry was released more often than it was owed')
    entry.owedCount--
    if (entry.owedCount > 0) return
    const { database } = entry.write.target
    const stream = this.stream(database)
    stream.remove(entry.position)
    this.#entryCount--
    this.#bytes -= entry.bytes
    this.#memory.giveBack(entry.residentBytes)
    if (!stream.isEmpty) return
    this.#streams.delete(database)
    this.#memory.giveBack(this.#streamBytes)
  }

  #giveBackClaim(entry: Entry): void {
    this.#memory.handOn(entry.claimedBytes)
    entry.claimedBytes = 0
  }

  #make(write: Write, sequence: number, isFromDisk: boolean): Entry {
    const clock = this.#clock
    const ageMs = isFromDisk ? this.#ageMs(write) : 0
    const bytes = entryBytes(write)
    return {
      sequence,
      position: -1,
      isFromDisk,
      write,
      bytes,
      residentBytes: residentEntryBytes(bytes, write.target),
      claimedBytes: 0,
      appendedAtMs: clock.monotonicMs() - ageMs,
      // Of what is read from the disk nobody knows: it is kept as what another output has stored.
      storedCount: isFromDisk ? 1 : 0,
      begunCount: 0,
      owedCount: 0,
      heldCount: 0,
      firstRefusedLineCount: undefined,
      isDurable: true,
      isDisowned: false,
    }
  }

  /** A clock that was set since makes nothing older than it is: nothing is given up too early. */
  #ageMs({ receivedAtMs }: Write): number {
    const clock = this.#clock
    const nowMs = Math.min(clock.wallMs(), this.#originMs + clock.monotonicMs())
    return Math.max(0, nowMs - receivedAtMs)
  }
}
