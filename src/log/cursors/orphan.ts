/**
 * The cursor in the log on disk of an output that is not configured any more. The log keeps it, up
 * to a bound, so that an output with another name can take it over (`relay log adopt OLD NEW`).
 *
 *     dropBelow ──▶ read its oldest ──▶ gaps.jsonl ──▶ done, counted ──▶ saved and trimmed
 *                                                                        (disk-log.ts)
 *
 * At the bound an orphan gives up writes as a configured output does: its oldest, in whole
 * segments, only those that another output has done, and only after they are in gaps.jsonl. No
 * output reads the log for an orphan, so this file reads the records to give up.
 *
 * Limits: one pass at a time, one window of records in memory (scan-segment.ts). A failed pass is
 * logged; the next pass continues where it stopped.
 *
 * Not here: how much may be kept (log-bounds.ts).
 */

import type { Clock } from '../../std/clock.ts'
import { errorText } from '../../std/errors.ts'
import { LogThrottle } from '../../std/log-throttle.ts'
import type { Logger } from '../../std/logger.ts'
import { renderBytes, renderCount } from '../../std/units.ts'
import { keptBytes, type SegmentSize } from '../retention/log-bounds.ts'
import type { LogRecord } from '../segments/record.ts'
import type { LogReader } from '../segments/segment-reader.ts'
import type { GivenUp } from './gap-file.ts'
import type { OutputCursor } from './output-cursor.ts'

const LOG_INTERVAL_MS = 60_000

export interface OrphanOptions {
  readonly cursor: OutputCursor
  readonly clock: Clock
  readonly logger: Logger
  /** Path of the cursor file, for an operator who wants to remove it. */
  readonly cursorPath: string
  readonly openReader: (fromSequence: number) => LogReader
  /** True when the record was for a configured output too, and that output has done it. */
  readonly isDoneElsewhere: (sequence: number) => boolean
  /** Rejects with the system's error. */
  readonly recordGap: (given: readonly GivenUp[]) => Promise<void>
}

/** As plain numbers; counters since the start. */
export interface OrphanSnapshot {
  readonly output: string
  /** Count of owed sequence numbers; some of them may have no record. */
  readonly keptWrites: number
  /** Bytes of the log that are kept for the orphan, in whole segments. */
  readonly keptBytes: number
  /** Writes given up at the bound. */
  readonly droppedWrites: number
  readonly droppedLines: number
}

/** The extent of the log, known without reading it. */
export interface LogExtent {
  /** Oldest first. */
  readonly sizes: readonly SegmentSize[]
  readonly nextSequence: number
}

export class Orphan {
  readonly cursor: OutputCursor
  readonly #options: OrphanOptions
  readonly #loss: LogThrottle
  readonly #problem: LogThrottle
  #droppedWrites = 0
  #droppedLines = 0
  /** The running pass, if any; never rejects. */
  #pass: Promise<void> | undefined
  #isClosed = false

  constructor(options: OrphanOptions) {
    this.#options = options
    this.cursor = options.cursor
    this.#loss = new LogThrottle(options.clock, LOG_INTERVAL_MS)
    this.#problem = new LogThrottle(options.clock, LOG_INTERVAL_MS)
  }

  /** Logs the orphan even when it is owed nothing yet: from now on the log grows for it. */
  tell(log: LogExtent): void {
    const { logger, cursorPath } = this.#options
    const { output, done } = this.cursor
    const { keptWrites: writes, keptBytes: bytes } = this.snapshot(log)
    const amount = `${renderCount(writes, 'write')} by number, ${renderBytes(bytes)} of the log`
    const text =
      `log: output "${output}" is not configured any more; writes from number ${done.below} on ` +
      `are kept for it: ${amount}, and all later writes. When the log is full (log-max-mb), it ` +
      'gives up its oldest writes that other outputs have done. If it has a new name: relay log ' +
      `adopt "${output}" NEW; if it is gone for good: stop the relay and remove ${cursorPath}`
    logger.warn({ output, doneBelow: done.below, writes, bytes }, text)
  }

  snapshot({ sizes, nextSequence }: LogExtent): OrphanSnapshot {
    const { output, done } = this.cursor
    const keptWrites = done.openCount(done.below, nextSequence)
    return {
      output,
      keptWrites,
      keptBytes: keptWrites === 0 ? 0 : keptBytes(sizes, done.below),
      droppedWrites: this.#droppedWrites,
      droppedLines: this.#droppedLines,
    }
  }

  /** Starts a pass: gives up owed writes below `sequence` that other outputs have done. */
  dropBelow(sequence: number): void {
    this.#pass ??= this.#dropBelow(sequence).finally(() => {
      this.#pass = undefined
    })
  }

  /** Stops giving up writes; resolves when all writes given up so far are in gaps.jsonl. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#pass
  }

  async #dropBelow(sequence: number): Promise<void> {
    const { done } = this.cursor
    let next = done.below
    try {
      await using reader = this.#options.openReader(next)
      while (!this.#isClosed) {
        const records = (await reader.read()).filter((record) => record.sequence < sequence)
        const last = records.at(-1)
        if (last === undefined) {
          // No record has these numbers; like the missing numbers between records, they are done.
          if (next < sequence) done.addRange(next, sequence - 1)
          return
        }
        await this.#drop(records, next)
        next = last.sequence + 1
      }
    } catch (error) {
      this.#tellProblem(error)
    }
  }

  /** @param next first sequence number not yet handled; the numbers up to `records` are missing */
  async #drop(records: readonly LogRecord[], next: number): Promise<void> {
    const { isDoneElsewhere, recordGap } = this.#options
    const { done } = this.cursor
    const owed = records.flatMap((record) => this.#owedOf(record))
    const unknown = records.filter(({ content }) => content.kind === 'carried')
    const numbers = [...owed, ...unknown].map(({ sequence }) => sequence)
    const kept = new Set(numbers.filter((sequence) => !isDoneElsewhere(sequence)))
    const gone = owed.filter(({ sequence }) => !kept.has(sequence))
    const given = gone.filter(({ write }) => write.kind !== 'statement')
    if (given.length > 0) await recordGap(given)
    for (const { sequence, write } of gone) {
      if (write.kind === 'statement') this.cursor.statements.add(sequence, write)
    }
    for (const { sequence } of records) {
      if (sequence > next) done.addRange(next, sequence - 1)
      if (!kept.has(sequence)) done.add(sequence)
      next = sequence + 1
    }
    this.#count(given)
  }

  #owedOf({ sequence, content }: LogRecord): GivenUp[] {
    const { output, done } = this.cursor
    if (content.kind !== 'write' || done.has(sequence)) return []
    const isForIt = content.output === undefined || content.output === output
    return isForIt ? [{ sequence, write: content.write }] : []
  }

  #count(given: readonly GivenUp[]): void {
    if (given.length === 0) return
    this.#droppedWrites += given.length
    for (const { write } of given) this.#droppedLines += write.lineCount
    if (this.#loss.hit() === undefined) return
    const { output } = this.cursor
    const [writes, lines] = [this.#droppedWrites, this.#droppedLines]
    const amount = `${renderCount(writes, 'write')} (${renderCount(lines, 'line')}) since the start`
    const text =
      `log: the log is full, so output "${output}", which is not configured any more, gives up ` +
      `its oldest writes that other outputs have done: ${amount}, on record in gaps.jsonl`
    this.#options.logger.warn({ output, writes, lines }, text)
  }

  #tellProblem(error: unknown): void {
    if (this.#problem.hit() === undefined) return
    const { output } = this.cursor
    const what = `log: output "${output}", which is not configured any more, cannot give up writes`
    this.#options.logger.error({ output }, `${what}: ${errorText(error)}; will be retried`)
  }
}
