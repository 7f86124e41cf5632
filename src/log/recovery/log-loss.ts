/**
 * Detects, logs and repairs the loss of the log's folder, or of a part of it, while the log is
 * open.
 *
 *     complete ── a check fails ──▶ lost: writes are refused ── a folder is back ──▶ mended
 *                                    └── another process owns the folder: until a restart
 *
 * The log checks lock, folder and segments after every written group (segment-log.ts) and at every
 * save of the cursors. It does not make a missing folder: the folder may be on a volume that is not
 * mounted. Once the path leads to a folder of this log or to an empty folder, the log writes owed
 * records into it again (mend-segments.ts), from open files and from memory, and all cursors.
 *
 * Records that cannot be restored are counted and logged by output, and the cursors pass them.
 *
 * Limits: a folder with segments that this log does not know is left unchanged: it may belong to
 * another log. The first record of a backlog that is not in memory cannot be restored after its
 * segment is gone.
 */

import assert from 'node:assert/strict'
import type { Clock } from '../../std/clock.ts'
import { errorText } from '../../std/errors.ts'
import { LogThrottle, renderRepeats } from '../../std/log-throttle.ts'
import type { Logger } from '../../std/logger.ts'
import { renderCount } from '../../std/units.ts'
import type { OutputCursor } from '../cursors/output-cursor.ts'
import type { FileSystem } from '../file-system.ts'
import type { FolderLock } from '../lock/folder-lock.ts'
import type { LogOwnership } from '../log-callbacks.ts'
import type { SegmentInfo } from '../segments/segment-list.ts'
import type { SegmentLog } from '../segments/segment-log.ts'
import { isSegmentName } from '../segments/segment-names.ts'
import { inspectTakeover, type Takeover } from '../takeover.ts'
import { type Loss, NOT_OURS } from './lost-error.ts'
import {
  findForeign,
  findLost,
  type MendOptions,
  mendSegment,
  type WriteInMemory,
} from './mend-segments.ts'

/** Least time between two checks of all segments: each check is a system call per segment. */
const LOOK_EVERY_MS = 900
/** Interval for repeating that the log is lost. */
const LOG_INTERVAL_MS = 60_000

export interface LogLossOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly clock: Clock
  readonly logger: Logger
  readonly lock: FolderLock
  readonly randomBytes: (count: number) => Buffer
}

export interface LosableLog {
  readonly segments: SegmentLog
  readonly cursors: readonly OutputCursor[]
  /** All owed writes in memory, with any sequence number. */
  readonly writesInMemory: () => readonly WriteInMemory[]
  /** Another process owns the folder; the records that it has are known. */
  readonly onTakeover: () => void
  /** The segments and cursors of the log are complete again. Never rejects. */
  readonly onMended: () => Promise<void>
}

export type LossKind = 'none' | 'gone' | 'taken'

export class LogLoss implements Loss, LogOwnership {
  readonly #options: LogLossOptions
  readonly #problems: LogThrottle
  #attached: LosableLog | undefined
  #isLost = false
  #lastProblem = ''
  #checkedAtMs = Number.NEGATIVE_INFINITY
  /** Segments that are not where they were; `undefined` = not checked since the loss. */
  #missing: readonly SegmentInfo[] | undefined
  #takeover: Takeover | undefined
  #inspecting: Promise<void> | undefined
  readonly #lostWrites = new Map<string, number>()

  constructor(options: LogLossOptions) {
    this.#options = options
    this.#problems = new LogThrottle(options.clock, LOG_INTERVAL_MS)
  }

  get isLost(): boolean {
    return this.#isLost
  }

  get kind(): LossKind {
    if (!this.#isLost) return 'none'
    return this.#options.lock.state === 'taken' ? 'taken' : 'gone'
  }

  get isOurs(): boolean {
    return !this.#isLost && this.#options.lock.isFresh
  }

  /** By output, the count of owed writes that could not be restored, since the start. */
  get lostWrites(): ReadonlyMap<string, number> {
    return this.#lostWrites
  }

  /** Call once, before any other method. */
  attach(log: LosableLog): void {
    this.#attached = log
  }

  /** By output, the count of owed writes that no log holds now. */
  get unkeptWrites(): ReadonlyMap<string, number> {
    const configured = this.#log.cursors.filter(({ isConfigured }) => isConfigured)
    return new Map(configured.map((cursor) => [cursor.output, this.#unkeptOf(cursor)]))
  }

  isHandedOver(sequence: number): boolean {
    if (this.#takeover === undefined) return false
    const { lost, isInherited } = this.#takeover
    const { list, firstSequence } = this.#log.segments
    if (sequence < firstSequence) return isInherited // A statement that is in a cursor.
    const segment = list.covering(sequence)
    return segment !== undefined && !lost.includes(segment)
  }

  note(why: string): void {
    if (this.#isLost) return
    this.#isLost = true
    this.#lastProblem = ''
    this.#missing = undefined
    const { folder, logger } = this.#options
    logger.error({ folder }, `log: ${folder}: ${why}: ${this.#next}`)
  }

  async look(): Promise<void> {
    const { lock } = this.#options
    const isOwner = await lock.isOwner()
    if (isOwner && !this.#isLost) return
    this.note(NOT_OURS)
    await this.#log.segments.halted()
    if (lock.state !== 'taken') return
    this.#inspecting ??= this.#inspectTakeover()
    await this.#inspecting
  }

  /**
   * Checks that everything is in place and repairs what is not. Never rejects.
   *
   * @param isForced checks again even if the last check was a moment ago
   * @returns whether the log is complete
   */
  async mend(isForced = false): Promise<boolean> {
    const { lock } = this.#options
    if (isForced) this.#checkedAtMs = Number.NEGATIVE_INFINITY
    try {
      await this.look()
      if (!this.#isLost && (await this.#isComplete())) return true
      this.note('a part of it was removed or cut short')
      await this.#log.segments.halted()
      if (lock.state !== 'taken') {
        const problem = await this.#mendAll()
        if (problem === '') return true
        // Another process may have taken over just now.
        if (this.kind !== 'taken') this.#tell(problem, `${problem}; checked every second`)
      }
      await this.look()
      if (this.kind === 'taken') this.#tell('taken', this.#takenText())
    } catch (error) {
      this.#tell(errorText(error), `${errorText(error)}; checked every second`)
    }
    return false
  }

  get #log(): LosableLog {
    assert(this.#attached, 'BUG: a loss without a log')
    return this.#attached
  }

  #unkeptOf({ done, statements }: OutputCursor): number {
    if (!this.#isLost) return 0
    const { segments } = this.#log
    const lost = this.#takeover?.lost ?? this.#missing ?? segments.list.all()
    let writes = this.#takeover?.isInherited === true ? 0 : statements.all.length
    for (const segment of lost) {
      const { from, to } = rangeOf(segments, segment)
      writes += done.openCount(from, to)
    }
    return writes
  }

  get #next(): string {
    return this.#options.lock.state === 'taken'
      ? 'it was taken over by another process; nothing is stored until a restart'
      : 'writes are refused until the folder is back; then owed writes in memory are written to it'
  }

  async #inspectTakeover(): Promise<void> {
    const { files, folder, lock } = this.#options
    const { list, nextSequence } = this.#log.segments
    this.#takeover = await inspectTakeover({
      ...{ files, folder, nextSequence },
      segments: list,
      missing: this.#missing ?? [],
      isOurFolder: await lock.isFolderThere(),
    })
    this.#log.onTakeover()
  }

  /** Result of a check at most LOOK_EVERY_MS old: cursors may be saved more often. */
  async #isComplete(): Promise<boolean> {
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs - this.#checkedAtMs < LOOK_EVERY_MS) return true
    const lost = await findLost(this.#mendOptions())
    this.#checkedAtMs = lost.length === 0 ? nowMs : Number.NEGATIVE_INFINITY
    return lost.length === 0
  }

  async #mendAll(): Promise<string> {
    const { files, folder, logger, lock } = this.#options
    const { segments, cursors } = this.#log
    const mend = this.#mendOptions()
    this.#missing = await findLost(mend)
    const known = new Set(segments.list.all().map(({ name }) => name))
    const names = (await files.list(folder)).map(({ name }) => name)
    const isUnknown = (name: string) => isSegmentName(name) && !known.has(name)
    const unknown = names.find(isUnknown) ?? (await findForeign(mend))
    if (unknown !== undefined) {
      this.#missing = segments.list.all() // Segments of another log: only their names match ours.
      return `${unknown} in it is not of this log`
    }
    const problem = await lock.retake()
    if (problem !== '') return problem
    // Wait until failed appends are settled; otherwise their numbers would count as owed and lost.
    await new Promise((resolve) => setImmediate(resolve))
    const kept = await this.#mendSegments()
    for (const cursor of cursors) cursor.forgetSaved()
    this.#isLost = false // Before `mended`: otherwise its writes would be refused.
    await segments.mended()
    logger.warn(
      { folder, kept },
      `log: ${folder} is complete again; ${renderCount(kept, 'write')} rewritten`,
    )
    this.#tellLost()
    await this.#log.onMended()
    return ''
  }

  #mendOptions(): MendOptions {
    const { files, folder, randomBytes } = this.#options
    const { list, quarantine, open } = this.#log.segments
    return { files, folder, randomBytes, quarantine, open, segments: list }
  }

  /** @returns the count of rewritten writes */
  async #mendSegments(): Promise<number> {
    const { segments, cursors, writesInMemory } = this.#log
    const mend = this.#mendOptions()
    const lost = await findLost(mend)
    const writes = lost.length > 0 ? writesInMemory() : []
    const isOwed = (sequence: number) => cursors.some(({ done }) => !done.has(sequence))
    let keptCount = 0
    for (const segment of lost) {
      const { from, to } = rangeOf(segments, segment)
      const own = writes.filter(({ sequence }) => sequence >= from && sequence < to)
      const kept = await mendSegment(mend, segment, own, isOwed)
      keptCount += kept.length
      for (const cursor of cursors) this.#passLost(cursor, { from, to, kept })
    }
    return keptCount
  }

  /** Marks lost records as done: an open number would prevent the trimming of all later records. */
  #passLost(
    { output, done }: OutputCursor,
    {
      from,
      to,
      kept,
    }: { readonly from: number; readonly to: number; readonly kept: readonly number[] },
  ): void {
    let lost = 0
    let next = from
    for (const sequence of [...kept, to]) {
      lost += done.openCount(next, sequence)
      if (sequence > next) done.addRange(next, sequence - 1)
      next = sequence + 1
    }
    if (lost > 0) this.#lostWrites.set(output, (this.#lostWrites.get(output) ?? 0) + lost)
  }

  #tellLost(): void {
    const { folder, logger } = this.#options
    for (const [output, writes] of this.#lostWrites) {
      const what = `output "${output}" will not get ${renderCount(writes, 'write')}`
      logger.error({ folder, output, writes }, `log: ${what}: they were in ${folder} and are lost`)
    }
  }

  #takenText(): string {
    const unkept = [...this.unkeptWrites].flatMap(([output, writes]) => {
      return writes === 0 ? [] : [`${renderCount(writes, 'write')} for output "${output}"`]
    })
    if (unkept.length === 0) return this.#next
    const next = 'those in memory are delivered while this process runs'
    return `${this.#next}; ${unkept.join(', ')} are in no log; ${next}`
  }

  /** Logs a new problem at once, and an unchanged one once per interval. */
  #tell(problem: string, text: string): void {
    const { folder, logger } = this.#options
    if (problem !== this.#lastProblem) this.#problems.reset()
    this.#lastProblem = problem
    const suppressed = this.#problems.hit()
    if (suppressed === undefined) return
    const what = `log: ${folder} cannot be used: ${text}`
    logger.error({ folder, suppressed }, `${what}${renderRepeats(suppressed)}`)
  }
}

/** Range of the synced sequence numbers that the segment may hold. */
function rangeOf(segments: SegmentLog, segment: SegmentInfo): { from: number; to: number } {
  const next = segments.list.after(segment)
  const to = next?.header.firstSequence ?? segments.syncedBelow
  return { from: segment.header.firstSequence, to }
}
