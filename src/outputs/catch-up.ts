/**
 * An output that is further behind than memory reaches: it reads the log on disk.
 *
 *     live ── more than a window waits ──▶ behind ── at the end of the log ──▶ live
 *
 * Live, it is offered every write as it comes, from memory. When more than `windowBytes` of them
 * wait, what has not been taken is given back and read again later, in the order of the log; what
 * comes meanwhile is only counted. So memory does not grow with the backlog, and a start with a
 * backlog of gigabytes is the same thing as an outage that has just ended.
 *
 * Promise: every record that the output's cursor does not know as done is loaded once, in the order
 * of the log, before anything that comes after it.
 *
 * Limits: `windowBytes` of entries in memory and the reader's own window. A folder that cannot be
 * read is tried again every READ_RETRY_MS.
 *
 * Not here: sending (drain.ts), saving the cursor (log/disk/disk-log.ts).
 */

import type { DoneRanges } from '../log/done-ranges.ts'
import type { Entry } from '../log/entry.ts'
import type { FileMark } from '../log/file-extent.ts'
import { MemoryLog } from '../log/memory-log.ts'
import type { Clock, Timer } from '../std/clock.ts'
import { errorText } from '../std/errors.ts'
import type { Logger } from '../std/logger.ts'
import type { MemoryBudget } from '../std/memory-budget.ts'
import type { Write } from '../write/write.ts'
import type { Backlog } from './backlog.ts'
import type { StreamDrain } from './stream-drain.ts'

const READ_RETRY_MS = 5_000

/** A record as far as an output is concerned with it. */
export interface StoredRecord {
  readonly sequence: number
  /** `undefined`: nothing that this version could send. */
  readonly write: Write | undefined
  /** The output that it is for; `undefined` = all of them. */
  readonly output: string | undefined
}

export interface StoredReader extends AsyncDisposable {
  /** The next ones, at least one; none at the end of what is on the disk. */
  read(): Promise<readonly StoredRecord[]>
}

/** The log on disk, as one output sees it. */
export interface StoredLog {
  /** The output's cursor. */
  readonly done: DoneRanges
  /** Number of the first record that this process has appended, or will. */
  readonly firstOwnSequence: number
  openReader(fromSequence: number): StoredReader
  /** These records, or parts of them, stand in the output's file up to the mark. */
  noteWritten(mark: FileMark, sequences: readonly number[]): void
  /** Another output is through with the record. */
  isDoneElsewhere(sequence: number): boolean
  /** Puts on record what is about to be given up. Rejects with the system's error. */
  recordGap(given: readonly { readonly sequence: number; readonly write: Write }[]): Promise<void>
}

export interface CatchUpOptions {
  readonly name: string
  readonly stored: StoredLog
  readonly windowBytes: number
  readonly backlog: Backlog
  readonly memory: MemoryBudget
  readonly clock: Clock
  readonly logger: Logger
  /** An entry that was read from memory is not needed there by this output. */
  readonly onUnloaded: (entry: Entry) => void
  readonly wake: (stream: StreamDrain) => void
}

export class CatchUp {
  readonly #options: CatchUpOptions
  /** What was read and is not settled yet. */
  readonly #window: MemoryLog
  /** Present while behind. */
  #reader: StoredReader | undefined
  /** Number of the record to be read next; what is missing before it is gone. */
  #nextSequence = 0
  /** Number of the last record of an earlier process that is in the books. */
  #acceptedThrough = 0
  /** Number of the last record that was offered while behind. */
  #offeredThrough = 0
  /** What it owes below this is given up where another output is through with it. */
  #giveUpBelow = 0
  #isReading = false
  /** Read, but what had to be done with them first has failed; they come again. */
  #untaken: readonly StoredRecord[] = []
  /** Runs while it waits to try again. */
  #timer: Timer | undefined
  #isClosed = false

  constructor(options: CatchUpOptions) {
    const { clock, memory } = options
    this.#options = options
    this.#window = new MemoryLog({ memory, clock })
  }

  get isBehind(): boolean {
    return this.#reader !== undefined
  }

  /** Begins where the cursor stands. */
  start(): void {
    this.#fallBehind(this.#options.stored.done.below)
  }

  /** A record was appended while this output is behind: it will be read in its turn. */
  noteOffered(entry: Entry): void {
    this.#offeredThrough = entry.sequence
    this.#fill()
  }

  /** To be called when entries were added to the backlog from memory. */
  bound(): void {
    const { backlog, windowBytes } = this.#options
    if (this.isBehind || backlog.loadedBytes <= windowBytes) return
    const from = this.#unload(false)
    if (from !== undefined) this.#fallBehind(from)
  }

  /**
   * Gives up what is owed below the number, as far as another output is through with it.
   *
   * @param isAll what was taken and is not under way goes as well
   */
  giveUpBelow(sequence: number, isAll: boolean): void {
    if (sequence <= this.#giveUpBelow) return
    this.#giveUpBelow = sequence
    this.#unload(isAll)
    this.#fallBehind(this.#options.stored.done.below)
  }

  /** The output is through with the record, or there is none: its cursor may pass it. */
  noteDone(sequence: number): void {
    this.#options.stored.done.add(sequence)
  }

  /** An entry was settled. @returns whether it was one that was read from the disk */
  noteSettled(entry: Entry): boolean {
    if (!entry.isFromDisk) return false
    this.#window.release(entry)
    this.#fill()
    return true
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    const reader = this.#reader
    this.#reader = undefined
    // One that is in use is given back by who uses it.
    if (!this.#isReading) await reader?.[Symbol.asyncDispose]()
  }

  /** @returns the number of the oldest; `undefined` when there was nothing */
  #unload(isAll: boolean): number | undefined {
    const { backlog, onUnloaded } = this.#options
    let from: number | undefined
    backlog.unload(isAll, (entry) => {
      from = Math.min(from ?? entry.sequence, entry.sequence)
      this.#offeredThrough = Math.max(this.#offeredThrough, entry.sequence)
      if (entry.isFromDisk) this.#window.release(entry)
      else onUnloaded(entry)
    })
    return from
  }

  #fallBehind(fromSequence: number): void {
    // A reader that is in use is given back by who uses it.
    if (this.#reader !== undefined && !this.#isReading) void this.#reader[Symbol.asyncDispose]()
    this.#nextSequence = fromSequence
    this.#reader = this.#options.stored.openReader(fromSequence)
    this.#untaken = []
    this.#timer?.cancel()
    this.#timer = undefined
    this.#fill()
  }

  #fill(): void {
    const reader = this.#reader
    if (reader === undefined || this.#isReading || this.#isClosed || !this.#hasRoom) return
    if (this.#timer !== undefined) return
    this.#isReading = true
    void this.#readOn(reader) // Never rejects, but for a bug of ours, which must end the process.
  }

  async #readOn(reader: StoredReader): Promise<void> {
    let isReadable = true
    try {
      await this.#read(reader)
    } catch (error) {
      isReadable = false
      if (this.#reader === reader) this.#retryLater(error)
    }
    this.#isReading = false
    if (!isReadable && this.#reader === reader) return
    if (this.#reader !== reader) await reader[Symbol.asyncDispose]()
    // Begun anew meanwhile, or room was made after the last look.
    this.#fill()
  }

  async #read(reader: StoredReader): Promise<void> {
    let emptyReads = 0
    while (this.#hasRoom && !this.#isClosed) {
      const records = this.#untaken.length > 0 ? this.#untaken : await reader.read()
      if (this.#isClosed || this.#reader !== reader) return
      this.#untaken = records // Until all is done with them that may fail.
      const given = records.filter((record) => this.#isGivenUp(record))
      if (given.length > 0) await this.#giveUp(given)
      if (this.#reader !== reader) return
      this.#untaken = []
      for (const record of records) this.#take(record)
      emptyReads = records.length === 0 ? emptyReads + 1 : 0
      // What is offered is on the disk: a second look that finds nothing means that it is gone.
      const isAtEnd = this.#nextSequence > this.#offeredThrough || emptyReads > 1
      if (emptyReads > 0 && isAtEnd) return this.#goLive()
    }
  }

  get #hasRoom(): boolean {
    const { backlog, memory, windowBytes } = this.#options
    if (backlog.loadedBytes >= windowBytes) return false
    // However full the memory is: something must go on here, so that it gets less.
    return memory.usedBytes < memory.limitBytes || this.#window.entryCount === 0
  }

  #take({ sequence, write, output }: StoredRecord): void {
    const { stored, name, backlog, wake } = this.#options
    const { done } = stored
    if (sequence > this.#nextSequence) done.addRange(this.#nextSequence, sequence - 1)
    this.#nextSequence = sequence + 1
    if (done.has(sequence)) return
    if (write === undefined || (output !== undefined && output !== name)) return done.add(sequence)
    if (this.#isOnItsWay(sequence, write)) return
    const { database } = write.target
    const entry = this.#window.appendStored(write, sequence)
    const log = this.#window.stream(database)
    wake(this.#isNew(sequence) ? backlog.offer(entry, log) : backlog.load(entry, log))
  }

  #goLive(): void {
    const { done, firstOwnSequence } = this.#options.stored
    // What has not been read by now is not there: no record was ever given these numbers, or it is
    // gone. Left open, they would keep all that follows from being trimmed.
    const goneThrough = Math.max(this.#offeredThrough, firstOwnSequence - 1)
    if (goneThrough >= this.#nextSequence) done.addRange(this.#nextSequence, goneThrough)
    this.#reader = undefined
  }

  #isGivenUp({ sequence, write }: StoredRecord): boolean {
    const { done, isDoneElsewhere } = this.#options.stored
    if (sequence >= this.#giveUpBelow || write === undefined || done.has(sequence)) return false
    return !this.#isOnItsWay(sequence, write) && isDoneElsewhere(sequence)
  }

  /** It was taken before it could be given back, and is still being sent. */
  #isOnItsWay(sequence: number, { target }: Write): boolean {
    return sequence <= (this.#options.backlog.streamOf(target.database)?.takenThrough ?? 0)
  }

  async #giveUp(records: readonly StoredRecord[]): Promise<void> {
    const { backlog, stored } = this.#options
    const given = records.flatMap(({ sequence, write }) => (write ? [{ sequence, write }] : []))
    await stored.recordGap(given)
    for (const { sequence, write } of given) {
      const entry = this.#window.appendStored(write, sequence)
      backlog.giveUpUnloaded(entry, this.#isNew(sequence))
    }
  }

  /** Of an earlier process, and read for the first time: it is in no count yet. */
  #isNew(sequence: number): boolean {
    const isNew = sequence < this.#options.stored.firstOwnSequence
    if (!isNew || sequence <= this.#acceptedThrough) return false
    this.#acceptedThrough = sequence
    return true
  }

  #retryLater(error: unknown): void {
    if (this.#isClosed) return
    const { name, clock, logger } = this.#options
    const text = `output "${name}": its backlog on disk cannot be worked on (${errorText(error)})`
    logger.error({ output: name }, `${text}; tried again in ${READ_RETRY_MS / 1000} s`)
    const retry = () => {
      this.#timer = undefined
      this.#fill()
    }
    this.#timer = clock.startTimer(READ_RETRY_MS, retry, { isBackground: true })
  }
}
