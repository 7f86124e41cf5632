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
  /** Number of the last record that was offered while behind. */
  #offeredThrough = 0
  #isReading = false
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

  /** A number that no record will have. */
  skip(sequence: number): void {
    this.#options.stored.done.add(sequence)
  }

  /** To be called when entries were added to the backlog from memory. */
  bound(): void {
    const { backlog, windowBytes, onUnloaded } = this.#options
    if (this.isBehind || backlog.loadedBytes <= windowBytes) return
    let from = Number.POSITIVE_INFINITY
    backlog.unload((entry) => {
      from = Math.min(from, entry.sequence)
      this.#offeredThrough = Math.max(this.#offeredThrough, entry.sequence)
      onUnloaded(entry)
    })
    if (Number.isFinite(from)) this.#fallBehind(from)
  }

  /** An entry of this output was settled. @returns whether it was one that was read from the disk */
  noteSettled(entry: Entry): boolean {
    this.#options.stored.done.add(entry.sequence)
    if (!entry.isFromDisk) return false
    this.#window.release(entry)
    this.#fill()
    return true
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#reader?.[Symbol.asyncDispose]()
    this.#reader = undefined
  }

  #fallBehind(fromSequence: number): void {
    this.#nextSequence = fromSequence
    this.#reader = this.#options.stored.openReader(fromSequence)
    this.#fill()
  }

  #fill(): void {
    const reader = this.#reader
    if (reader === undefined || this.#isReading || this.#isClosed) return
    this.#timer?.cancel()
    this.#isReading = true
    const read = async () => {
      try {
        await this.#read(reader)
      } catch (error) {
        this.#tellUnreadable(error)
      }
      this.#isReading = false
    }
    void read() // Never rejects, but for a bug of ours, which must end the process.
  }

  async #read(reader: StoredReader): Promise<void> {
    let emptyReads = 0
    while (this.#hasRoom && !this.#isClosed) {
      const records = await reader.read()
      if (this.#isClosed) return
      for (const record of records) this.#take(record)
      emptyReads = records.length === 0 ? emptyReads + 1 : 0
      // What is offered is on the disk: a second look that finds nothing means that it is gone.
      const isAtEnd = this.#nextSequence > this.#offeredThrough || emptyReads > 1
      if (emptyReads > 0 && isAtEnd) return await this.#goLive(reader)
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
    const { done, firstOwnSequence } = stored
    if (sequence > this.#nextSequence) done.addRange(this.#nextSequence, sequence - 1)
    this.#nextSequence = sequence + 1
    if (done.has(sequence)) return
    if (write === undefined || (output !== undefined && output !== name)) return done.add(sequence)
    const { database } = write.target
    if (sequence <= (backlog.streamOf(database)?.takenThrough ?? 0)) return // On its way already.
    const entry = this.#window.appendStored(write, sequence)
    const log = this.#window.stream(database)
    const isNew = sequence < firstOwnSequence
    wake(isNew ? backlog.offer(entry, log) : backlog.load(entry, log))
  }

  async #goLive(reader: StoredReader): Promise<void> {
    const { done } = this.#options.stored
    if (this.#offeredThrough >= this.#nextSequence) {
      done.addRange(this.#nextSequence, this.#offeredThrough)
    }
    this.#reader = undefined
    await reader[Symbol.asyncDispose]()
  }

  #tellUnreadable(error: unknown): void {
    const { name, clock, logger } = this.#options
    const text = `output "${name}": the log on disk cannot be read (${errorText(error)})`
    logger.error({ output: name }, `${text}; tried again in ${READ_RETRY_MS / 1000} s`)
    if (this.#isClosed) return
    this.#timer = clock.startTimer(READ_RETRY_MS, () => this.#fill(), { isBackground: true })
  }
}
