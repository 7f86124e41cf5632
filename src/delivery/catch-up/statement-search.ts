/**
 * Searches for statements in the part of the log that earlier processes have left and that the
 * output has not read yet.
 *
 *     log   │ settled │ read: w1 … w90, on hold │ w91 … w900, CREATE DATABASE │ of this process │
 *                                               └ nextSequence    └ found     └ firstOwnSequence
 *
 * Writes whose database is missing must not be refused while the output is owed the statement that
 * creates the database. This process notes the statements that it appends itself (catch-up.ts).
 * Statements of earlier processes may be only in the log: after a kill, when all of them were in
 * memory, or when an older release appended them. The search begins only when a hold is about to
 * refuse writes, so that a start with gigabytes of backlog reads nothing twice.
 *
 * Writes on hold count against the output's window (read-ahead.ts), so memory is bounded however
 * long the search takes. Writes to other databases go on during the search.
 *
 * Limits: one reader, with its window. A process searches each record once. The search stops where
 * the output has no room for another statement; the next `begin` continues from there. Meanwhile
 * the search counts as unfinished: the statement that a write waits for may be further on. A folder
 * that cannot be read is read again every READ_RETRY_MS.
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
  /** The output has read all records with a lower number and loaded those it is owed. */
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

  /**
   * Call again once a statement is settled: without room for another statement no search begins.
   *
   * @returns false when nothing is left to search
   */
  begin(): boolean {
    if (this.#isOn) return true
    this.#nextSequence = Math.max(this.#nextSequence, this.#options.readBelow())
    if (this.#isClosed || this.#isAtEnd) return false
    if (!this.#options.backlog.hasRoomForStatement) return true
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
    // Catch-up has read this record meanwhile, and may have loaded the statement.
    if (sequence < readBelow()) return true
    if (write?.kind !== 'statement' || sequence >= stored.firstOwnSequence) return true
    if (owed.writeToLoad(record) === undefined) return true
    if (!backlog.hasRoomForStatement) return false
    onFound(sequence, write)
    return true
  }
}
