/**
 * The place in the log on disk of an output that is not configured any more. It is kept, so that
 * the output can have it back under another name (`relay log adopt OLD NEW`), but up to a bound.
 *
 *     giveUpBelow ──▶ read its oldest ──▶ gaps.jsonl ──▶ done, counted ──▶ saved and trimmed
 *                                                                          (disk-log.ts)
 *
 * At the bound it gives up as a configured output does: whole segments' worth of its oldest, only
 * what another output is through with, and not before it is on record. Nobody reads the log for it,
 * so it is read here for that.
 *
 * Limits: one pass at a time, one window of records in memory (scan-segment.ts). A pass that fails
 * is told of; the next one begins where it has come to.
 *
 * Not here: how much may be kept (log-bounds.ts).
 */

import type { Clock } from '../../std/clock.ts'
import { errorText } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { LogThrottle } from '../../std/throttle.ts'
import { renderBytes, renderCount } from '../../std/units.ts'
import { keptBytes, type SegmentSize } from '../retention/log-bounds.ts'
import type { LogRecord } from '../segments/record.ts'
import type { LogReader } from '../segments/segment-reader.ts'
import type { GivenUp } from './gap-file.ts'
import type { Place } from './place.ts'

const LOG_INTERVAL_MS = 60_000

export interface OrphanOptions {
  readonly place: Place
  readonly clock: Clock
  readonly logger: Logger
  /** Its cursor, for whoever wants it gone. */
  readonly cursorPath: string
  readonly openReader: (fromSequence: number) => LogReader
  /** A configured output was to have the record, and is through with it. */
  readonly isDoneElsewhere: (sequence: number) => boolean
  /** Rejects with the system's error. */
  readonly recordGap: (given: readonly GivenUp[]) => Promise<void>
}

/** As plain numbers; counters since the start. */
export interface OrphanSnapshot {
  readonly output: string
  /** Numbers that it is owed; of some of them there may be no record. */
  readonly keptWrites: number
  /** Of the log, in whole segments. */
  readonly keptBytes: number
  /** Given up at the bound. */
  readonly droppedWrites: number
  readonly droppedLines: number
}

/** What is in the log, without reading it. */
export interface LogExtent {
  /** Oldest first. */
  readonly sizes: readonly SegmentSize[]
  readonly nextSequence: number
}

export class Orphan {
  readonly place: Place
  readonly #options: OrphanOptions
  readonly #loss: LogThrottle
  readonly #problem: LogThrottle
  #droppedWrites = 0
  #droppedLines = 0
  /** Runs while something is given up; never rejects. */
  #pass: Promise<void> | undefined
  #isClosed = false

  constructor(options: OrphanOptions) {
    this.#options = options
    this.place = options.place
    this.#loss = new LogThrottle(options.clock, LOG_INTERVAL_MS)
    this.#problem = new LogThrottle(options.clock, LOG_INTERVAL_MS)
  }

  /** Says so also when it is owed nothing yet: the log grows for it from here on. */
  tell(log: LogExtent): void {
    const { logger, cursorPath } = this.#options
    const { output, done } = this.place
    const { keptWrites: writes, keptBytes: bytes } = this.snapshot(log)
    const amount = `${renderCount(writes, 'write')} by number, ${renderBytes(bytes)} of the log`
    const text =
      `log: output "${output}" is not configured any more; writes from number ${done.below} on ` +
      `are kept for it: ${amount}, and what is to come. When the log is full (log-max-mb) it ` +
      `gives up its oldest that others have. If it has a new name: relay log adopt "${output}" ` +
      `NEW; if it is gone for good: stop the relay and remove ${cursorPath}`
    logger.warn({ output, doneBelow: done.below, writes, bytes }, text)
  }

  snapshot({ sizes, nextSequence }: LogExtent): OrphanSnapshot {
    const { output, done } = this.place
    const keptWrites = done.openCount(done.below, nextSequence)
    return {
      output,
      keptWrites,
      keptBytes: keptWrites === 0 ? 0 : keptBytes(sizes, done.below),
      droppedWrites: this.#droppedWrites,
      droppedLines: this.#droppedLines,
    }
  }

  /** Begins to give up what it is owed below the number, as far as others are through with it. */
  giveUpBelow(sequence: number): void {
    this.#pass ??= this.#giveUpBelow(sequence).finally(() => {
      this.#pass = undefined
    })
  }

  /** Gives up nothing more; resolves when all that it has given up is on record. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#pass
  }

  async #giveUpBelow(sequence: number): Promise<void> {
    const { done } = this.place
    let next = done.below
    try {
      await using reader = this.#options.openReader(next)
      while (!this.#isClosed) {
        const records = (await reader.read()).filter((record) => record.sequence < sequence)
        const last = records.at(-1)
        if (last === undefined) {
          // Of these numbers there is no record, as of those that are missing in between.
          if (next < sequence) done.addRange(next, sequence - 1)
          return
        }
        await this.#giveUp(records, next)
        next = last.sequence + 1
      }
    } catch (error) {
      this.#tellProblem(error)
    }
  }

  /** @param next number of the oldest record that may be missing before them */
  async #giveUp(records: readonly LogRecord[], next: number): Promise<void> {
    const { isDoneElsewhere, recordGap } = this.#options
    const { done } = this.place
    const owed = records.flatMap((record) => this.#owedOf(record))
    const numbers = owed.map(({ sequence }) => sequence)
    const kept = new Set(numbers.filter((sequence) => !isDoneElsewhere(sequence)))
    const gone = owed.filter(({ sequence }) => !kept.has(sequence))
    const given = gone.filter(({ write }) => write.kind !== 'statement')
    if (given.length > 0) await recordGap(given)
    for (const { sequence, write } of gone) {
      if (write.kind === 'statement') this.place.statements.add(sequence, write)
    }
    for (const { sequence } of records) {
      if (sequence > next) done.addRange(next, sequence - 1)
      if (!kept.has(sequence)) done.add(sequence)
      next = sequence + 1
    }
    this.#count(given)
  }

  #owedOf({ sequence, content }: LogRecord): GivenUp[] {
    const { output, done } = this.place
    if (content.kind !== 'write' || done.has(sequence)) return []
    const isForIt = content.output === undefined || content.output === output
    return isForIt ? [{ sequence, write: content.write }] : []
  }

  #count(given: readonly GivenUp[]): void {
    if (given.length === 0) return
    this.#droppedWrites += given.length
    for (const { write } of given) this.#droppedLines += write.lineCount
    if (this.#loss.hit() === undefined) return
    const { output } = this.place
    const [writes, lines] = [this.#droppedWrites, this.#droppedLines]
    const amount = `${renderCount(writes, 'write')} (${renderCount(lines, 'line')}) since the start`
    const text =
      `log: the log is full, so output "${output}", which is not configured any more, gives up ` +
      `its oldest that others have: ${amount}, on record in gaps.jsonl`
    this.#options.logger.warn({ output, writes, lines }, text)
  }

  #tellProblem(error: unknown): void {
    if (this.#problem.hit() === undefined) return
    const { output } = this.place
    const what = `log: output "${output}", which is not configured any more, cannot give up`
    this.#options.logger.error({ output }, `${what}: ${errorText(error)}; tried again`)
  }
}
