/**
 * Search for statements in the part of the log that earlier processes have left and that the output
 * has not read yet.
 *
 *     log   │ settled │ read: w1 … w90, on hold │ w91 … w900, CREATE DATABASE │ of this process │
 *                                               └ nextSequence    └ found     └ firstOwnSequence
 *
 * Writes whose database is missing must not be refused while the statement that creates the
 * database is owed. This process notes the statements that it appends itself (catch-up.ts). Those
 * of earlier processes are only in the log: the process was killed, or all was in its memory, or it
 * was of an older release. So the search begins when a hold is about to refuse writes, and only
 * then: a start with gigabytes of backlog reads none of it twice.
 *
 * Writes on hold count against the output's window (read-ahead.ts), so a search of any length lets
 * no more of them into memory than the window holds. The other writes go on meanwhile.
 *
 * Limits: one reader, with its window; a record is not searched again in the life of a process. The
 * search ends when the output has no room for another statement; the next one goes on from there. A
 * folder that cannot be read is read again every READ_RETRY_MS.
 */

import type { StoredLog, StoredRecord } from '../../log/stored-log.ts'
import type { Clock, Timer } from '../../std/clock.ts'
import type { Write } from '../../write/write.ts'
import type { Backlog } from '../backlog.ts'
import type { OutputMessages } from '../reporting/output-messages.ts'
import { READ_RETRY_MS } from './catch-up-options.ts'
import type { OwedRecords } from './owed-records.ts'

export interface StatementSearchOptions {
  readonly backlog: Backlog
  readonly stored: StoredLog
  readonly owed: OwedRecords
  readonly clock: Clock
  readonly messages: OutputMessages
  /** The output has read all records with a lower number, and loaded its own of them. */
  readonly readBelow: () => number
  /** The output is owed this statement, which is not loaded yet. */
  readonly onFound: (sequence: number, statement: Write) => void
  readonly onEnd: () => void
}

export class StatementSearch {
  readonly #options: StatementSearchOptions
  /** Number of the record to search next. */
  #nextSequence = 0
  #isOn = false
  #timer: Timer | undefined
  #isClosed = false

  constructor(options: StatementSearchOptions) {
    this.#options = options
  }

  /** @returns false when nothing is left to search, or no statement more may be loaded */
  begin(): boolean {
    if (this.#isOn) return true
    this.#nextSequence = Math.max(this.#nextSequence, this.#options.readBelow())
    if (this.#isClosed || this.#isAtEnd || !this.#options.backlog.hasRoomForStatement) return false
    this.#isOn = true
    void this.#run() // Rejects only for a bug of ours, which must end the process.
    return true
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  get #isAtEnd(): boolean {
    return this.#nextSequence >= this.#options.stored.firstOwnSequence
  }

  async #run(): Promise<void> {
    const { clock, messages, stored, onEnd } = this.#options
    try {
      await this.#search()
    } catch (error) {
      if (this.#isClosed) return
      // The loss of the folder is logged by the log itself.
      if (!stored.ownership.isLost) messages.cannotRead(error, READ_RETRY_MS)
      this.#timer = clock.startTimer(READ_RETRY_MS, () => void this.#run(), { isBackground: true })
      return
    }
    this.#isOn = false
    if (!this.#isClosed) onEnd()
  }

  async #search(): Promise<void> {
    const { stored } = this.#options
    await using reader = stored.openReader(this.#nextSequence)
    while (!this.#isClosed && !this.#isAtEnd) {
      const records = await reader.read()
      if (this.#isClosed) return
      if (records.length === 0) this.#nextSequence = stored.firstOwnSequence
      for (const record of records) {
        if (!this.#accept(record)) return
        this.#nextSequence = record.sequence + 1
      }
    }
  }

  /** @returns false when there is no room for the record */
  #accept(record: StoredRecord): boolean {
    const { backlog, stored, owed, readBelow, onFound } = this.#options
    const { sequence, write } = record
    // The output has read on meanwhile: it may have loaded the statement in its turn.
    if (sequence < readBelow()) return true
    if (write?.kind !== 'statement' || sequence >= stored.firstOwnSequence) return true
    if (owed.writeToLoad(record) === undefined) return true
    if (!backlog.hasRoomForStatement) return false
    onFound(sequence, write)
    return true
  }
}
