/**
 * Decides which of the records that an output reads from the log it still has to load.
 *
 *     record ── for another output, or done ──▶ pass over
 *            ── of a newer version ───────────▶ stop
 *            ── in flight, on hold, settled ──▶ pass over, but the cursor must not pass it yet
 *            ── otherwise ────────────────────▶ load, or give up
 */

import type { Lag } from '../../log/retention/lag.ts'
import type { StoredLog, StoredRecord } from '../../log/stored-log.ts'
import type { Write } from '../../write/write.ts'
import type { Backlog } from '../backlog.ts'

export interface OwedRecordsOptions {
  /** The output. */
  readonly name: string
  readonly backlog: Backlog
  readonly stored: StoredLog
}

export class OwedRecords {
  readonly #options: OwedRecordsOptions
  /** Settled, but the cursor must not pass them yet: their dead letter is still being written. */
  readonly #settled = new Set<number>()
  /** Number of the last record of an earlier process that was counted as accepted. */
  #acceptedThrough = 0
  /** Pending writes below this number are dropped if another output is done with them. */
  #dropBelow = 0

  constructor(options: OwedRecordsOptions) {
    this.#options = options
  }

  /** Lag from earlier processes: records for this output that were not counted as accepted yet. */
  get formerLag(): Lag {
    const { stored } = this.#options
    return stored.formerLag(this.#acceptedThrough + 1, stored.firstOwnSequence)
  }

  /** The output is done with the record, or the record does not exist: the cursor may pass it. */
  noteDone(sequence: number): void {
    const { done, statements } = this.#options.stored
    done.add(sequence)
    statements.delete(sequence)
    this.#settled.delete(sequence)
  }

  noteSettled(sequence: number): void {
    if (!this.#options.stored.done.has(sequence)) this.#settled.add(sequence)
  }

  /** @returns the write of the record if this output is not done with it */
  owedWrite({ sequence, write, output }: StoredRecord): Write | undefined {
    const { name, stored } = this.#options
    const isItsOwn = output === undefined || output === name
    return isItsOwn && !stored.done.has(sequence) ? write : undefined
  }

  /** Whether a newer version has written the record: passing over it would lose it. */
  isUnknown({ sequence, write, output }: StoredRecord): boolean {
    const { name, stored } = this.#options
    const isItsOwn = output === undefined || output === name
    return write === undefined && isItsOwn && !stored.done.has(sequence)
  }

  /** @throws Error when the output must stop at the record */
  refuseUnknown(record: StoredRecord | undefined): void {
    if (record === undefined || !this.isUnknown(record)) return
    const next = 'start the version that has written it, and let it drain'
    throw new Error(
      `record ${record.sequence} is of a kind that this version does not know; ${next}`,
    )
  }

  /** As `owedWrite`, except for records that are loaded or settled already. */
  writeToLoad(record: StoredRecord): Write | undefined {
    const write = this.owedWrite(record)
    if (write === undefined || this.#settled.has(record.sequence)) return undefined
    const stream = this.#options.backlog.streamOf(write.target.database)
    return stream?.hasTaken(record.sequence) === true ? undefined : write
  }

  /** @returns false when a call with this or a higher number came before */
  dropBelow(sequence: number): boolean {
    if (sequence <= this.#dropBelow) return false
    this.#dropBelow = sequence
    return true
  }

  isToDrop(record: StoredRecord): boolean {
    const { sequence } = record
    if (sequence >= this.#dropBelow || !this.writeToLoad(record)) return false
    return this.#options.stored.isDoneElsewhere(sequence)
  }

  /**
   * Whether an earlier process appended the record and this is its first read, so that it is not
   * counted yet.
   */
  isNew(sequence: number): boolean {
    const { firstOwnSequence } = this.#options.stored
    const isNew = sequence < firstOwnSequence && sequence > this.#acceptedThrough
    if (isNew) this.#acceptedThrough = sequence
    return isNew
  }
}
