/**
 * Catch-up of an output whose backlog exceeds its window in memory: it reads the log on disk.
 *
 *     at the tail ── more than a window waits ──▶ behind ── at the end of the log ──▶ at the tail
 *                 ── memory is full ────────────▶
 *
 * An output at the tail is offered every new write from memory. When more than `windowBytes` of
 * writes wait, those not yet taken are unloaded and read again later, in the order of the log; new
 * writes are only counted meanwhile. So memory does not grow with the backlog, and a start with a
 * backlog of gigabytes works the same as the end of an outage.
 *
 * Statements do not wait for their turn: the writes before them may be on hold until they are
 * executed, and `CREATE DATABASE` harms no older write. A statement that is offered, unloaded or
 * found ahead (statement-search.ts) moves to the cursor, and is sent before all unread writes.
 *
 * Promise: every write that is not done in the output's cursor is loaded, in the order of the log,
 * before all later writes; a record is loaded again only after it was unloaded.
 *
 * Limits: `windowBytes` of entries in memory, less when memory is short (read-ahead.ts), and the
 * reader's own window. What cannot be read, or is of a newer version, is read again every
 * READ_RETRY_MS.
 *
 * Not here: sending (drain.ts), saving the cursor (log/disk-log.ts).
 */

import { writeOfStatement } from '../../log/cursors/owed-statements.ts'
import { type Entry, entryBytes } from '../../log/entry.ts'
import { MemoryLog } from '../../log/memory-log.ts'
import type { Lag } from '../../log/retention/lag.ts'
import type { StoredReader, StoredRecord } from '../../log/stored-log.ts'
import type { Timer } from '../../std/clock.ts'
import type { Write } from '../../write/write.ts'
import { type CatchUpOptions, READ_RETRY_MS } from './catch-up-options.ts'
import { OwedRecords } from './owed-records.ts'
import { ReadAhead } from './read-ahead.ts'
import { StatementSearch } from './statement-search.ts'

/** Pause after memory was short: no reads, and no further reclaim from this output. */
const MEMORY_WAIT_MS = 100

export class CatchUp {
  readonly #options: CatchUpOptions
  /** Entries that were read from the disk, and statements, that are not settled yet. */
  readonly window: MemoryLog
  readonly #ahead: ReadAhead
  readonly #owed: OwedRecords
  readonly #search: StatementSearch
  /** Present while behind. */
  #reader: StoredReader | undefined
  /** Number of the record to read next; numbers that the reader skips count as done. */
  #nextSequence = 0
  /** Number of the last record that was offered while behind, or was unloaded. */
  #offeredThrough = 0
  #isReading = false
  /** Read but not loaded: memory was short, or recording their gap failed. They are next. */
  #untaken: readonly StoredRecord[] = []
  /** Runs before the next try after a read error, or after memory was short. */
  #timer: Timer | undefined
  #hasReclaimed = false
  #isClosed = false

  constructor(options: CatchUpOptions) {
    const { clock, memory } = options
    this.#options = options
    this.window = new MemoryLog({ memory, clock, outputCount: 1 })
    this.#ahead = new ReadAhead(options)
    this.#owed = new OwedRecords(options)
    this.#search = new StatementSearch({
      ...{ ...options, owed: this.#owed },
      readBelow: () => this.#nextSequence,
      onFound: (sequence, statement) => this.#loadAhead(sequence, statement, true),
      onEnd: () => options.onSearched(),
    })
  }

  get isReadingDisk(): boolean {
    return this.#reader !== undefined
  }

  /** Lag from earlier processes: records for this output that were not counted as accepted yet. */
  get formerLag(): Lag {
    return this.#owed.formerLag
  }

  /** Begins to read at the cursor. */
  start(): void {
    const { statements, done } = this.#options.stored
    for (const statement of statements.all) {
      this.#loadAhead(statement.sequence, writeOfStatement(statement), true)
    }
    this.#fallBehind(done.below)
  }

  /** A record was appended while this output is behind: it reads a write from the disk later. */
  noteOffered(entry: Entry): void {
    const { sequence, write } = entry
    this.#offeredThrough = sequence
    if (write.kind === 'statement') this.#loadAhead(sequence, write, false)
    this.#fill()
  }

  /**
   * A hold is about to refuse writes: searches the unread part of the log for statements.
   *
   * @returns whether a part of the log is still to be searched; `onSearched` follows, or room for
   *   another statement is awaited
   */
  searchesStatements(): boolean {
    return this.isReadingDisk && this.#search.begin()
  }

  /** Call after entries were added to the backlog from memory: falls behind over the window. */
  bound(): void {
    const { backlog, windowBytes } = this.#options
    if (this.isReadingDisk || this.#isPinned || backlog.loadedBytes <= windowBytes) return
    const from = this.#unload(false)
    if (from !== undefined) this.#fallBehind(from)
  }

  /** Upper bound of what `reclaim` frees; 0 for MEMORY_WAIT_MS after a call. */
  get reclaimableBytes(): number {
    return this.#hasReclaimed || this.#isPinned ? 0 : this.#options.backlog.residentBytes
  }

  /**
   * Memory is full: unloads entries that are not in flight, and reads them again later.
   *
   * @param isAll also unloads taken entries, and so forgets their failed attempts
   */
  reclaim(isAll: boolean): void {
    if (this.#isPinned) return
    this.#hasReclaimed = true
    this.#waitFor(MEMORY_WAIT_MS)
    const from = this.#unload(isAll)
    if (from === undefined) return
    if (!this.isReadingDisk || from < this.#nextSequence) this.#readFrom(from)
  }

  /** Drops each pending write below `sequence` that another output is done with. */
  dropBelow(sequence: number): void {
    if (!this.#owed.dropBelow(sequence)) return
    this.#unload(true)
    this.#fallBehind(this.#options.stored.done.below)
  }

  /**
   * Another process took over the log's folder: drops the entries that it delivers from memory;
   * they still count as owed. The other entries are only in this process's memory, so they stay.
   */
  handOver(): void {
    const { ownership } = this.#options.stored
    this.#unload(true, ({ sequence }) => !ownership.isHandedOver(sequence))
  }

  /** The output is done with the record, or the record does not exist: the cursor may pass it. */
  noteDone(sequence: number): void {
    this.#owed.noteDone(sequence)
  }

  /** An entry was settled. @returns whether the entry was read from the disk */
  noteSettled(entry: Entry): boolean {
    this.#owed.noteSettled(entry.sequence)
    if (entry.isFromDisk) this.window.release(entry)
    this.#fill()
    return entry.isFromDisk
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#search.close()
    const reader = this.#reader
    this.#reader = undefined
    // `#readOn` closes a reader that is in use.
    if (!this.#isReading) await reader?.[Symbol.asyncDispose]()
  }

  /** The entries in memory may be the only copy. */
  get #isPinned(): boolean {
    return this.#isClosed || this.#options.stored.ownership.isLost
  }

  /**
   * @param stays whether an entry stays loaded; by default statements do
   * @returns the number of the oldest unloaded entry to read again; `undefined` without any
   */
  #unload(
    isAll: boolean,
    stays = ({ write }: Entry) => write.kind === 'statement',
  ): number | undefined {
    const { backlog, beforeUnload, onUnloaded } = this.#options
    let from: number | undefined
    if (isAll) beforeUnload()
    const staying: Entry[] = []
    backlog.unload(isAll, (entry) => {
      if (stays(entry)) staying.push(entry)
      else from = Math.min(from ?? entry.sequence, entry.sequence)
      this.#offeredThrough = Math.max(this.#offeredThrough, entry.sequence)
      if (entry.isFromDisk) this.window.release(entry)
      else onUnloaded(entry)
    })
    for (const { sequence, write } of staying) {
      if (write.kind === 'statement') this.#loadAhead(sequence, write, false)
      else this.#load(sequence, write, false)
    }
    return from
  }

  #fallBehind(fromSequence: number): void {
    this.#timer?.cancel()
    this.#readFrom(fromSequence)
    this.#resume()
  }

  #readFrom(fromSequence: number): void {
    // `#readOn` closes a reader that is in use.
    if (this.#reader !== undefined && !this.#isReading) void this.#reader[Symbol.asyncDispose]()
    this.#nextSequence = fromSequence
    this.#reader = this.#options.stored.openReader(fromSequence)
    this.#untaken = []
  }

  #fill(): void {
    const reader = this.#reader
    if (!reader || this.#timer || this.#isReading || this.#isClosed || this.#ahead.isFull) return
    // The folder is lost: nothing can be read before it is there again.
    if (this.#options.stored.ownership.isLost) return this.#waitFor(READ_RETRY_MS)
    this.#isReading = true
    void this.#readOn(reader) // Rejects only for a bug of ours, which must end the process.
  }

  async #readOn(reader: StoredReader): Promise<void> {
    try {
      await this.#read(reader)
    } catch (error) {
      if (this.#reader === reader && !this.#isClosed) {
        this.#options.messages.cannotRead(error, READ_RETRY_MS)
        this.#waitFor(READ_RETRY_MS)
      }
    }
    this.#isReading = false
    if (this.#reader !== reader) await reader[Symbol.asyncDispose]()
    // Reading may have restarted meanwhile, or room was made after the last check.
    this.#fill()
  }

  async #read(reader: StoredReader): Promise<void> {
    let emptyReads = 0
    while (!this.#ahead.isFull && !this.#isClosed) {
      if (!this.#ahead.mayLoad(0)) return this.#waitFor(MEMORY_WAIT_MS)
      const records = await this.#next(reader)
      // Reading may have restarted after the check in `#next`: then these are not the next ones.
      if (records === undefined || this.#reader !== reader) return
      this.#untaken = this.#takeAll(records)
      this.#owed.refuseUnknown(this.#untaken[0])
      if (this.#untaken.length > 0 && !this.#ahead.isFull) return this.#waitFor(MEMORY_WAIT_MS)
      emptyReads = records.length === 0 ? emptyReads + 1 : 0
      // Offered records are on the disk: if a second read finds nothing, they are lost.
      const isAtEnd = this.#nextSequence > this.#offeredThrough || emptyReads > 1
      if (emptyReads > 0 && isAtEnd) return this.#goToTail()
    }
  }

  /**
   * Reads the next records, and drops those that `dropBelow` has named.
   *
   * @returns `undefined` when reading has restarted meanwhile, or ended
   */
  async #next(reader: StoredReader): Promise<readonly StoredRecord[] | undefined> {
    const records = this.#untaken.length > 0 ? this.#untaken : await reader.read()
    if (this.#isClosed || this.#reader !== reader) return undefined
    this.#untaken = records // Kept for the next try in case `#drop` fails.
    const given = records.filter((record) => this.#owed.isToDrop(record))
    if (given.length > 0) await this.#drop(given)
    return this.#reader === reader ? records : undefined
  }

  /** @returns the records for which there is no room now */
  #takeAll(records: readonly StoredRecord[]): readonly StoredRecord[] {
    const index = records.findIndex((record) => !this.#take(record))
    return index < 0 ? [] : records.slice(index)
  }

  /** @returns false, with nothing changed, when the record has no room or is unknown */
  #take(record: StoredRecord): boolean {
    if (this.#owed.isUnknown(record)) return false
    const { done } = this.#options.stored
    const { sequence } = record
    const write = this.#owed.writeToLoad(record)
    if (write && (this.#ahead.isFull || !this.#ahead.mayLoad(entryBytes(write)))) return false
    if (sequence > this.#nextSequence) done.addRange(this.#nextSequence, sequence - 1)
    this.#nextSequence = sequence + 1
    if (write) this.#load(sequence, write, this.#owed.isNew(sequence))
    else if (!this.#owed.owedWrite(record)) done.add(sequence)
    return true
  }

  /** @param isNew the record was not counted as accepted before */
  #load(sequence: number, write: Write, isNew: boolean): void {
    const { backlog, wake } = this.#options
    const entry = this.window.appendStored(write, sequence)
    const log = this.window.stream(write.target.database)
    wake(isNew ? backlog.offer(entry, log) : backlog.load(entry, log))
  }

  /** From here on the cursor stores the statement, and the reader passes over its record. */
  #loadAhead(sequence: number, statement: Write, isNew: boolean): void {
    const { backlog, stored, wake } = this.#options
    const kept = writeOfStatement(stored.statements.add(sequence, statement))
    stored.done.add(sequence)
    const entry = this.window.appendStored(kept, sequence)
    if (isNew) backlog.counters.accept(entry)
    wake(backlog.loadAhead(entry))
  }

  #goToTail(): void {
    const { backlog, stored } = this.#options
    const { done, firstOwnSequence } = stored
    // No records exist for numbers that were not read by now: never assigned, or lost. They count
    // as done, because otherwise the log could not trim anything behind them.
    const gone = Math.max(this.#offeredThrough, firstOwnSequence - 1)
    if (gone >= this.#nextSequence) done.addRange(this.#nextSequence, gone)
    this.#reader = undefined
    backlog.dropUnreadable()
  }

  async #drop(records: readonly StoredRecord[]): Promise<void> {
    const { backlog, stored } = this.#options
    const gone = records.flatMap(({ sequence, write }) => (write ? [{ sequence, write }] : []))
    const given = gone.filter(({ write }) => write.kind !== 'statement')
    if (given.length > 0) await stored.recordGap(given)
    for (const { sequence, write } of gone) {
      const isNew = this.#owed.isNew(sequence)
      if (stored.done.has(sequence)) continue // A statement that a search has loaded meanwhile.
      if (write.kind === 'statement') this.#loadAhead(sequence, write, isNew)
      else backlog.dropUnloaded(this.window.appendStored(write, sequence), isNew)
    }
  }

  #waitFor(delayMs: number): void {
    const { clock } = this.#options
    this.#timer ??= clock.startTimer(delayMs, () => this.#resume(), { isBackground: true })
  }

  #resume(): void {
    this.#timer = undefined
    this.#hasReclaimed = false
    this.#fill()
  }
}
