/**
 * Detects, logs and repairs the loss of the log's folder, or of a part of it, while the log is
 * open.
 *
 *     whole ── a check fails ──▶ lost: nothing is accepted or written ── a folder ──▶ mended
 *                                 └── another process owns the folder: until a restart
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

import type { Clock } from '../../std/clock.ts'
import { errorText } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { renderCount } from '../../std/units.ts'
import type { Place } from '../cursors/place.ts'
import type { FileSystem } from '../file-system.ts'
import type { FolderLock } from '../lock/folder-lock.ts'
import type { SegmentInfo } from '../segments/segment-list.ts'
import type { SegmentLog } from '../segments/segment-log.ts'
import { isSegmentName } from '../segments/segment-names.ts'
import { NOT_OURS } from './lost-error.ts'
import {
  findForeign,
  findLost,
  type MendOptions,
  mendSegment,
  type RememberedWrite,
} from './mend-segments.ts'

/** Least time between two checks of all segments: each check is a system call per segment. */
const LOOK_EVERY_MS = 900

export interface LogLossOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly clock: Clock
  readonly logger: Logger
  readonly lock: FolderLock
  readonly randomBytes: (count: number) => Buffer
}

interface Log {
  readonly segments: SegmentLog
  readonly places: readonly Place[]
  /** All owed writes in memory, with any sequence number. */
  readonly remembered: () => readonly RememberedWrite[]
}

export class LogLoss {
  readonly #options: LogLossOptions
  #isLost = false
  #lastProblem = ''
  #lookedAtMs = Number.NEGATIVE_INFINITY
  readonly #lostWrites = new Map<string, number>()

  constructor(options: LogLossOptions) {
    this.#options = options
  }

  get isLost(): boolean {
    return this.#isLost
  }

  /** The data on disk is lost to the next process that opens the folder. */
  get isGone(): boolean {
    return this.#isLost && this.#options.lock.state !== 'taken'
  }

  /** By output, the count of owed writes that could not be restored, since the start. */
  get lostWrites(): ReadonlyMap<string, number> {
    return this.#lostWrites
  }

  note(why: string): void {
    if (this.#isLost) return
    this.#isLost = true
    this.#lastProblem = ''
    const { folder, logger, lock } = this.#options
    const next =
      lock.state === 'taken'
        ? 'it was taken over by another process; nothing is stored until a restart'
        : 'no write is accepted until there is a folder again; owed writes in memory go there'
    logger.error({ folder }, `log: ${folder}: ${why}: ${next}`)
  }

  /**
   * Checks the folder and repairs it if needed. @returns whether the log is whole. Never rejects
   */
  async mend(log: Log): Promise<boolean> {
    const { lock } = this.#options
    try {
      if (!this.#isLost && (await lock.isOwner()) && (await this.#isWhole(log))) return true
      const isThere = await lock.isOwner()
      await log.segments.halt(isThere ? 'a part of it was removed or cut short' : NOT_OURS)
      const problem = lock.state === 'taken' ? 'taken' : await this.#mendAll(log)
      if (problem === '') return true
      this.#tell(problem)
    } catch (error) {
      this.#tell(errorText(error))
    }
    return false
  }

  /** A result is reused for LOOK_EVERY_MS, because cursors may be saved more often. */
  async #isWhole(log: Log): Promise<boolean> {
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return true
    const lost = await findLost(this.#mendOptions(log))
    this.#lookedAtMs = lost.length === 0 ? nowMs : Number.NEGATIVE_INFINITY
    return lost.length === 0
  }

  async #mendAll(log: Log): Promise<string> {
    const { files, folder, logger, lock } = this.#options
    const known = new Set(log.segments.list.all().map(({ name }) => name))
    const names = (await files.list(folder)).map(({ name }) => name)
    const isUnknown = (name: string) => isSegmentName(name) && !known.has(name)
    const unknown = names.find(isUnknown) ?? (await findForeign(this.#mendOptions(log)))
    if (unknown !== undefined) return `${unknown} in it is not of this log`
    const problem = await lock.retake()
    if (problem !== '') return problem
    // Wait until failed appends are settled; otherwise their numbers would count as owed and lost.
    await new Promise((resolve) => setImmediate(resolve))
    const kept = await this.#mendSegments(log)
    for (const place of log.places) place.forgetSaved()
    this.#isLost = false // Before `mended`, whose writes would be refused otherwise.
    await log.segments.mended()
    logger.warn(
      { folder, kept },
      `log: ${folder} is whole again, with ${renderCount(kept, 'write')} written again`,
    )
    this.#tellLost()
    return ''
  }

  #mendOptions({ segments }: Log): MendOptions {
    const { files, folder, randomBytes } = this.#options
    const { list, quarantine, open } = segments
    return { files, folder, randomBytes, quarantine, open, segments: list }
  }

  /** @returns the count of writes that were written again */
  async #mendSegments(log: Log): Promise<number> {
    const { segments, places, remembered } = log
    const mend = this.#mendOptions(log)
    const lost = await findLost(mend)
    const writes = lost.length > 0 ? remembered() : []
    const isOwed = (sequence: number) => places.some(({ done }) => !done.has(sequence))
    let keptCount = 0
    for (const segment of lost) {
      const { from, to } = rangeOf(segments, segment)
      const own = writes.filter(({ sequence }) => sequence >= from && sequence < to)
      const kept = await mendSegment(mend, segment, own, isOwed)
      keptCount += kept.length
      for (const place of places) this.#passLost(place, { from, to, kept })
    }
    return keptCount
  }

  /** Marks lost records as done: an open number would prevent the trimming of all later records. */
  #passLost(
    { output, done }: Place,
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

  /** Logs a problem once, until another problem comes. */
  #tell(problem: string): void {
    if (problem === this.#lastProblem) return
    this.#lastProblem = problem
    const { folder, logger } = this.#options
    if (this.#options.lock.state !== 'taken') {
      logger.error({ folder }, `log: ${folder} cannot be used: ${problem}; checked every second`)
    }
  }
}

/** Range of the synced sequence numbers that the segment may hold. */
function rangeOf(segments: SegmentLog, segment: SegmentInfo): { from: number; to: number } {
  const next = segments.list.after(segment)
  const to = next?.header.firstSequence ?? segments.syncedBelow
  return { from: segment.header.firstSequence, to }
}
