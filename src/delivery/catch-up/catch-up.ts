/**
 * An output that is further behind than memory reaches: it reads the log on disk.
 *
 *     live ── more than a window waits ──▶ behind ── at the end of the log ──▶ live
 *          ── memory is full ────────────▶
 *
 * Live, it is offered every write as it comes, from memory. When more than `windowBytes` of them
 * wait, what has not been taken is given back and read again later, in the order of the log; what
 * comes meanwhile is only counted. So memory does not grow with the backlog, and a start with a
 * backlog of gigabytes is the same thing as an outage that has just ended.
 *
 * Promise: every record that the output's cursor does not know as done is loaded, in the order of
 * the log, before anything that comes after it; again only after it was given back.
 *
 * Limits: `windowBytes` of entries in memory, less where memory is short (read-ahead.ts), and the
 * reader's own window. A folder that cannot be read is tried again every READ_RETRY_MS.
 *
 * Not here: sending (drain.ts), saving the cursor (log/disk-log.ts).
 */

import { writeOfStatement } from '../../log/cursors/owed-statements.ts'
import { type Entry, entryBytes } from '../../log/entry.ts'
import { MemoryLog } from '../../log/memory-log.ts'
import type { Unread } from '../../log/retention/unread.ts'
import type { StoredReader, StoredRecord } from '../../log/stored-log.ts'
import type { Timer } from '../../std/clock.ts'
import type { Write } from '../../write/write.ts'
import type { CatchUpOptions } from './catch-up-options.ts'
import { ReadAhead } from './read-ahead.ts'

const READ_RETRY_MS = 5_000
/** How long an output does not read, or is not asked again, after memory was short. */
const MEMORY_WAIT_MS = 100

export class CatchUp {
  readonly #options: CatchUpOptions
  /** What was read and is not settled yet. */
  readonly window: MemoryLog
  readonly #ahead: ReadAhead
  /** Present while behind. */
  #reader: StoredReader | undefined
  /** Number of the record to be read next; what is missing before it is gone. */
  #nextSequence = 0
  /** Number of the last record of an earlier process that is in the books. */
  #acceptedThrough = 0
  /** Number of the last record that was offered while behind. */
  #offeredThrough = 0
  /** Settled, but the cursor may not pass them before something else is on the disk. */
  readonly #settled = new Set<number>()
  /** What it owes below this is given up where another output is through with it. */
  #giveUpBelow = 0
  #isReading = false
  /** Read, but what had to be done with them first has failed; they come again. */
  #untaken: readonly StoredRecord[] = []
  /** Runs while it waits to try again, or for memory. */
  #timer: Timer | undefined
  #hasYielded = false
  #isClosed = false

  constructor(options: CatchUpOptions) {
    const { clock, memory } = options
    this.#options = options
    this.window = new MemoryLog({ memory, clock, outputCount: 1 })
    this.#ahead = new ReadAhead(options)
  }

  get isBehind(): boolean {
    return this.#reader !== undefined
  }

  /** What earlier processes have left for it, as far as it is not in the books yet. */
  get unread(): Unread {
    const { stored } = this.#options
    return stored.unread(this.#acceptedThrough + 1, stored.firstOwnSequence)
  }

  /** Begins where the cursor stands. */
  start(): void {
    const { statements, done } = this.#options.stored
    for (const statement of statements.all) {
      this.#load(statement.sequence, writeOfStatement(statement), true)
    }
    this.#fallBehind(done.below)
  }

  /** A record was appended while this output is behind: it will be read in its turn. */
  noteOffered(entry: Entry): void {
    this.#offeredThrough = entry.sequence
    this.#fill()
  }

  /** To be called when entries were added to the backlog from memory. */
  bound(): void {
    const { backlog, windowBytes } = this.#options
    if (this.isBehind || this.#isPinned || backlog.loadedBytes <= windowBytes) return
    const from = this.#unload(false)
    if (from !== undefined) this.#fallBehind(from)
  }

  /** What `yieldMemory` would give back, at the most; 0 for a while after it was called. */
  get yieldableBytes(): number {
    return this.#hasYielded || this.#isPinned ? 0 : this.#options.backlog.residentBytes
  }

  /**
   * Memory is full: gives back what is not under way, and reads it again later.
   *
   * @param isAll what was taken as well: it forgets what it knows of attempts that have failed
   */
  yieldMemory(isAll: boolean): void {
    if (this.#isPinned) return
    this.#hasYielded = true
    this.#waitFor(MEMORY_WAIT_MS)
    const from = this.#unload(isAll)
    if (from === undefined) return
    if (!this.isBehind || from < this.#nextSequence) this.#readFrom(from)
  }

  /** Gives up what is owed below the number, as far as another output is through with it. */
  giveUpBelow(sequence: number): void {
    if (sequence <= this.#giveUpBelow) return
    this.#giveUpBelow = sequence
    this.#unload(true)
    this.#fallBehind(this.#options.stored.done.below)
  }

  /**
   * Another process has the log's folder: what that delivers is forgotten here, and stays owed in
   * the books. The rest is in memory, or nowhere.
   */
  handOver(): void {
    const { ownership } = this.#options.stored
    this.#unload(true, (sequence) => !ownership.isHandedOver(sequence))
  }

  /** The output is through with the record, or there is none: its cursor may pass it. */
  noteDone(sequence: number): void {
    const { done, statements } = this.#options.stored
    done.add(sequence)
    statements.delete(sequence)
    this.#settled.delete(sequence)
  }

  /** An entry was settled. @returns whether it was one that was read from the disk */
  noteSettled(entry: Entry): boolean {
    if (!this.#options.stored.done.has(entry.sequence)) this.#settled.add(entry.sequence)
    if (entry.isFromDisk) this.window.release(entry)
    this.#fill()
    return entry.isFromDisk
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    const reader = this.#reader
    this.#reader = undefined
    // One that is in use is given back by who uses it.
    if (!this.#isReading) await reader?.[Symbol.asyncDispose]()
  }

  /** What is in memory may be all that there is of it. */
  get #isPinned(): boolean {
    return this.#isClosed || this.#options.stored.ownership.isLost
  }

  /**
   * @param isNowhereElse of a number: what is given up cannot be read again
   * @returns the number of the oldest; `undefined` when there was nothing
   */
  #unload(
    isAll: boolean,
    isNowhereElse = (sequence: number) => this.#options.stored.statements.has(sequence),
  ): number | undefined {
    const { backlog, beforeUnload, onUnloaded } = this.#options
    let from: number | undefined
    if (isAll) beforeUnload()
    const nowhereElse: Entry[] = []
    backlog.unload(isAll, (entry) => {
      if (isNowhereElse(entry.sequence)) nowhereElse.push(entry)
      else from = Math.min(from ?? entry.sequence, entry.sequence)
      this.#offeredThrough = Math.max(this.#offeredThrough, entry.sequence)
      if (entry.isFromDisk) this.window.release(entry)
      else onUnloaded(entry)
    })
    for (const { sequence, write } of nowhereElse) this.#load(sequence, write, false)
    return from
  }

  #fallBehind(fromSequence: number): void {
    this.#timer?.cancel()
    this.#readFrom(fromSequence)
    this.#resume()
  }

  #readFrom(fromSequence: number): void {
    // A reader that is in use is given back by who uses it.
    if (this.#reader !== undefined && !this.#isReading) void this.#reader[Symbol.asyncDispose]()
    this.#nextSequence = fromSequence
    this.#reader = this.#options.stored.openReader(fromSequence)
    this.#untaken = []
  }

  #fill(): void {
    const reader = this.#reader
    if (!reader || this.#timer || this.#isReading || this.#isClosed || this.#ahead.isFull) return
    // Nothing of it can be had before it is mended; then this goes on.
    if (this.#options.stored.ownership.isLost) return this.#waitFor(READ_RETRY_MS)
    this.#isReading = true
    void this.#readOn(reader) // Never rejects, but for a bug of ours, which must end the process.
  }

  async #readOn(reader: StoredReader): Promise<void> {
    try {
      await this.#read(reader)
    } catch (error) {
      if (this.#reader === reader && !this.#isClosed) this.#retryLater(error)
    }
    this.#isReading = false
    if (this.#reader !== reader) await reader[Symbol.asyncDispose]()
    // Begun anew meanwhile, or room was made after the last look; not while it has to wait.
    this.#fill()
  }

  async #read(reader: StoredReader): Promise<void> {
    let emptyReads = 0
    while (!this.#ahead.isFull && !this.#isClosed) {
      if (!this.#ahead.mayLoad(0)) return this.#waitFor(MEMORY_WAIT_MS)
      const records = await this.#next(reader)
      // It may have begun anew since `#next` has looked: these are not what comes next then.
      if (records === undefined || this.#reader !== reader) return
      this.#untaken = this.#takeAll(records)
      if (this.#untaken.length > 0 && !this.#ahead.isFull) return this.#waitFor(MEMORY_WAIT_MS)
      emptyReads = records.length === 0 ? emptyReads + 1 : 0
      // What is offered is on the disk: a second look that finds nothing means that it is gone.
      const isAtEnd = this.#nextSequence > this.#offeredThrough || emptyReads > 1
      if (emptyReads > 0 && isAtEnd) return this.#goLive()
    }
  }

  /**
   * The next records; those that have to be given up are.
   *
   * @returns `undefined` when reading has begun anew meanwhile, or ended
   */
  async #next(reader: StoredReader): Promise<readonly StoredRecord[] | undefined> {
    const records = this.#untaken.length > 0 ? this.#untaken : await reader.read()
    if (this.#isClosed || this.#reader !== reader) return undefined
    this.#untaken = records // Until all is done with them that may fail.
    const given = records.filter((record) => this.#isGivenUp(record))
    if (given.length > 0) await this.#giveUp(given)
    return this.#reader === reader ? records : undefined
  }

  /** @returns those for which there is no room now */
  #takeAll(records: readonly StoredRecord[]): readonly StoredRecord[] {
    const index = records.findIndex((record) => !this.#take(record))
    return index < 0 ? [] : records.slice(index)
  }

  /** @returns false, with nothing changed, when there is no room for it */
  #take(record: StoredRecord): boolean {
    const { done } = this.#options.stored
    const { sequence, write } = record
    const isOwed = write !== undefined && this.#isItsOwn(record) && !done.has(sequence)
    const isToLoad = isOwed && !this.#isOnItsWay(sequence, write)
    if (isToLoad && (this.#ahead.isFull || !this.#ahead.mayLoad(entryBytes(write)))) return false
    if (sequence > this.#nextSequence) done.addRange(this.#nextSequence, sequence - 1)
    this.#nextSequence = sequence + 1
    if (isToLoad) this.#load(sequence, write, this.#isNew(sequence))
    else if (!isOwed) done.add(sequence)
    return true
  }

  /** @param isNew it is in no count yet */
  #load(sequence: number, write: Write, isNew: boolean): void {
    const { backlog, wake } = this.#options
    const entry = this.window.appendStored(write, sequence)
    const log = this.window.stream(write.target.database)
    wake(isNew ? backlog.offer(entry, log) : backlog.load(entry, log))
  }

  #goLive(): void {
    const { backlog, stored } = this.#options
    const { done, firstOwnSequence } = stored
    // What has not been read by now is not there: no record was ever given these numbers, or it is
    // gone. Left open, they would keep all that follows from being trimmed.
    const gone = Math.max(this.#offeredThrough, firstOwnSequence - 1)
    if (gone >= this.#nextSequence) done.addRange(this.#nextSequence, gone)
    this.#reader = undefined
    backlog.dropUnreadable()
  }

  /** For this output, if not for all. */
  #isItsOwn({ output }: StoredRecord): boolean {
    return output === undefined || output === this.#options.name
  }

  #isGivenUp(record: StoredRecord): boolean {
    const { done, isDoneElsewhere } = this.#options.stored
    const { sequence, write } = record
    if (sequence >= this.#giveUpBelow || !write || !this.#isItsOwn(record)) return false
    return !done.has(sequence) && !this.#isOnItsWay(sequence, write) && isDoneElsewhere(sequence)
  }

  /** It was taken before it could be given back: it is being sent, or on hold, or settled. */
  #isOnItsWay(sequence: number, { target }: Write): boolean {
    const stream = this.#options.backlog.streamOf(target.database)
    return this.#settled.has(sequence) || stream?.hasTaken(sequence) === true
  }

  async #giveUp(records: readonly StoredRecord[]): Promise<void> {
    const { backlog, stored } = this.#options
    const gone = records.flatMap(({ sequence, write }) => (write ? [{ sequence, write }] : []))
    const given = gone.filter(({ write }) => write.kind !== 'statement')
    if (given.length > 0) await stored.recordGap(given)
    for (const { sequence, write } of gone) {
      const isNew = this.#isNew(sequence)
      if (write.kind === 'statement') {
        // From here on the cursor carries it.
        stored.statements.add(sequence, write)
        stored.done.add(sequence)
        this.#load(sequence, write, isNew)
      } else backlog.giveUpUnloaded(this.window.appendStored(write, sequence), isNew)
    }
  }

  /** Of an earlier process, and read for the first time: it is in no count yet. */
  #isNew(sequence: number): boolean {
    const { firstOwnSequence } = this.#options.stored
    const isNew = sequence < firstOwnSequence && sequence > this.#acceptedThrough
    if (isNew) this.#acceptedThrough = sequence
    return isNew
  }

  #retryLater(error: unknown): void {
    this.#options.log.cannotRead(error, READ_RETRY_MS)
    this.#waitFor(READ_RETRY_MS)
  }

  #waitFor(delayMs: number): void {
    const { clock } = this.#options
    this.#timer ??= clock.startTimer(delayMs, () => this.#resume(), { isBackground: true })
  }

  #resume(): void {
    this.#timer = undefined
    this.#hasYielded = false
    this.#fill()
  }
}
