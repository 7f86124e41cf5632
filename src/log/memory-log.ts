/**
 * Memory log: the writes of one relay that some output must still deliver, in the order of arrival.
 *
 * Each database has its own order (`StreamLog`); the sequence numbers give one order over all. Each
 * output keeps its own cursors (../delivery/stream/stream-cursor.ts) and calls `release` once for
 * each entry that it had to deliver. When an entry is pending at no output any more, the entry is
 * removed and its bytes go back to the budget. A stream without entries is removed too, so that
 * database names invented by clients cost nothing.
 *
 * Limits: the memory budget of all relays, for entries and for streams. Each output enforces its
 * own bound.
 *
 * Not here: at which outputs an entry is pending (outputs), when the client is answered
 * (../relay/relay.ts).
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
  /** Count of the outputs that read this log. */
  readonly outputCount: number
}

/** Memory of a stream without its entries; measured with 100,000 streams. */
const STREAM_BYTES = 1024
/** Memory per stream and output: cursor, flow control, a request without a connection, a timer. */
const STREAM_OUTPUT_BYTES = 8 * 1024

/** Bytes of the memory budget for a stream that `outputCount` outputs read. */
export function residentStreamBytes(outputCount: number): number {
  return STREAM_BYTES + outputCount * STREAM_OUTPUT_BYTES
}

export class MemoryLog {
  readonly #memory: Memory
  readonly #clock: Clock
  readonly #streams = new Map<string, StreamLog>()
  /** Wall time at monotonic zero, as of the construction of this log. */
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
   * Makes an entry for a write and takes its memory, without appending it.
   *
   * @param sequence from the log on disk; without a log on disk, this log assigns it
   * @returns `undefined`, with nothing changed, when the memory budget is used up. Otherwise the
   *   caller must call `push` or `discard` next.
   */
  prepare(write: Write, sequence?: number): Entry | undefined {
    const entry = this.#make(write, sequence ?? this.#nextSequence, false)
    if (!this.#streams.has(write.target.database)) entry.claimedBytes = this.#streamBytes
    if (!this.#memory.tryTake(entry.residentBytes + entry.claimedBytes)) return undefined
    if (sequence === undefined) this.#nextSequence++
    return entry
  }

  /**
   * Appends a prepared entry.
   *
   * @param pendingAtCount count of the outputs that must deliver the entry
   * @returns the stream of the entry
   */
  push(entry: Entry, pendingAtCount: number): StreamLog {
    const stream = this.stream(entry.write.target.database)
    // The stream exists now and has taken its own memory, so the entry's claim is not needed.
    this.#giveBackClaim(entry)
    entry.pendingAtCount = pendingAtCount
    entry.position = stream.end
    stream.push(entry)
    this.#entryCount++
    this.#bytes += entry.bytes
    return stream
  }

  /** Gives back the memory of a prepared entry that will not be pushed. */
  discard(entry: Entry): void {
    this.#giveBackClaim(entry)
    this.#memory.giveBack(entry.residentBytes)
  }

  /** Appends a write that was read from disk for one output; its bytes are in memory already. */
  appendStored(write: Write, sequence: number): Entry {
    const entry = this.#make(write, sequence, true)
    this.#memory.take(entry.residentBytes)
    this.push(entry, 1)
    return entry
  }

  /** The stream of a database; makes a missing stream. */
  stream(database: string): StreamLog {
    let stream = this.#streams.get(database)
    if (stream === undefined) {
      stream = new StreamLog(database)
      this.#streams.set(database, stream)
      this.#memory.take(this.#streamBytes)
    }
    return stream
  }

  /** All entries that are pending at an output. */
  entries(): readonly Entry[] {
    return [...this.#streams.values()].flatMap((stream) => stream.inOrder())
  }

  /** One output is done with the entry. */
  release(entry: Entry): void {
    assert(
      entry.pendingAtCount > 0,
      'BUG: an entry was released by more outputs than it was pending at',
    )
    entry.pendingAtCount--
    if (entry.pendingAtCount > 0) return
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
    this.#memory.transfer(entry.claimedBytes)
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
      // Not known for an entry from disk; count it as stored by another output.
      storedCount: isFromDisk ? 1 : 0,
      begunCount: 0,
      pendingAtCount: 0,
      heldCount: 0,
      firstRefusedLineCount: undefined,
      isDurable: true,
      wasClientRefused: false,
    }
  }

  /** Not too high if the wall clock was set meanwhile, so no entry is given up too early. */
  #ageMs({ receivedAtMs }: Write): number {
    const clock = this.#clock
    const nowMs = Math.min(clock.wallMs(), this.#originMs + clock.monotonicMs())
    return Math.max(0, nowMs - receivedAtMs)
  }
}
