/**
 * The log of one relay on disk: lock, segments, and a cursor for each output.
 *
 *     <log-dir>/lock…, heartbeat     one process a folder (folder-lock.ts)
 *               *.seg                the records (segment-log.ts)
 *               cursors/             what each output has done (output-cursor.ts, cursor-file.ts)
 *
 * An output without a cursor starts at the tail, unless the roster of a segment contains its name:
 * then its cursor was lost, and the log sends it all records again. A cursor without a configured
 * output keeps its owed records, within a bound, and is logged at the start (orphan.ts).
 *
 * log-loss.ts handles the loss of the folder or of a segment.
 *
 * Promise: a segment is deleted only after the cursors that have passed it are on the disk. An
 * outdated cursor only sends records again: at most those settled in SAVE_INTERVAL_MS, or since a
 * cursor has been waiting for a state in which it can be saved (output-cursor.ts).
 *
 * Limits: `maxBytes` for all segments, minus a reserve for draining the rest (log-limits.ts).
 * Before that limit, an output with too much lag gives up its oldest records that another output
 * has done (`onGiveUp`, log-bounds.ts). If that is not enough, `canAppend` is false. It is also
 * false when the free space of the file system reaches its floor. Each output has a bound of its
 * own.
 *
 * Not here: reading the log (segments/segment-reader.ts), what an output does with it
 * (delivery/catch-up/catch-up.ts).
 */

import { join } from 'node:path'
import type { Clock, Timer } from '../std/clock.ts'
import { errorText } from '../std/errors.ts'
import { LogThrottle } from '../std/log-throttle.ts'
import type { Logger } from '../std/logger.ts'
import type { Write } from '../write/write.ts'
import { cursorName } from './cursors/cursor-file.ts'
import { GapFile, type GivenUp } from './cursors/gap-file.ts'
import { Orphan } from './cursors/orphan.ts'
import type { OutputCursor } from './cursors/output-cursor.ts'
import type { DiskLogSnapshot } from './disk-log-snapshot.ts'
import type { FileSystem } from './file-system.ts'
import type { lockFolder } from './lock/folder-lock.ts'
import type { LogCallbacks, LogOwnership } from './log-callbacks.ts'
import { LogCapacity } from './log-capacity.ts'
import type { LogLoss } from './recovery/log-loss.ts'
import { type Lag, lagOf } from './retention/lag.ts'
import { SEGMENT_MIN_BYTES } from './retention/log-limits.ts'
import type { Appending, SegmentLog } from './segments/segment-log.ts'
import type { LogReader } from './segments/segment-reader.ts'

/** Folder of all cursors, in the log's folder. */
export const CURSOR_FOLDER = 'cursors'
/** Interval for saving the changed cursors. */
const SAVE_INTERVAL_MS = 1_000
/** The interval while room is scarce: records are given up early, so that writes go on. */
const URGENT_INTERVAL_MS = 20
const PROBLEM_LOG_INTERVAL_MS = 60_000

export interface DiskLogOutput {
  readonly name: string
  /** Most bytes of the log that may be kept for this output. */
  readonly boundBytes: number
}

export interface DiskLogOptions {
  readonly folder: string
  readonly outputs: readonly DiskLogOutput[]
  /** Bound on all data of the relay in the folder. */
  readonly maxBytes: number
  readonly files: FileSystem
  readonly clock: Clock
  readonly logger: Logger
  readonly randomBytes: (count: number) => Buffer
  /** Replaced in tests: a simulated disk needs no lock. */
  readonly lock?: typeof lockFolder
  /** Tests set a small size to reach rotation. */
  readonly segmentBytes?: number
  /** Tests set 0: an output gives up records as soon as another output has done them. */
  readonly lagMaxMs?: number | undefined
}

const NO_CALLBACKS: LogCallbacks = {
  writesInMemory: () => [],
  dropBelow() {},
  isUp: () => true,
  checkDeadLetters: async () => {},
  handOver() {},
}

interface Parts {
  readonly loss: LogLoss
  readonly isOwner: () => Promise<boolean>
  readonly segments: SegmentLog
  readonly cursors: readonly OutputCursor[]
  readonly stack: AsyncDisposableStack
}

export class DiskLog implements AsyncDisposable {
  readonly #options: DiskLogOptions
  readonly #capacity: LogCapacity
  readonly #segments: SegmentLog
  /** Cursors of the configured outputs, in their order. */
  readonly #cursors: readonly OutputCursor[]
  readonly #orphans: readonly Orphan[]
  readonly #stack: AsyncDisposableStack
  readonly #problem: LogThrottle
  #timer: Timer | undefined
  #saving: Promise<void> = Promise.resolve()
  #isClosed = false
  #isUrgent = false
  readonly #gaps: GapFile
  readonly #loss: LogLoss
  #callbacks: LogCallbacks = NO_CALLBACKS

  /** Whether this process still owns the folder. Never rejects. */
  readonly isOwner: () => Promise<boolean>

  constructor(options: DiskLogOptions, { loss, isOwner, segments, cursors, stack }: Parts) {
    this.isOwner = isOwner
    this.#loss = loss
    this.#options = options
    this.#capacity = new LogCapacity(options)
    this.#segments = segments
    this.#cursors = cursors.filter(({ isConfigured }) => isConfigured)
    this.#stack = stack
    this.#gaps = new GapFile(options)
    this.#problem = new LogThrottle(options.clock, PROBLEM_LOG_INTERVAL_MS)
    const orphaned = cursors.filter(({ isConfigured }) => !isConfigured)
    this.#orphans = orphaned.map((cursor) => this.#openOrphan(cursor))
    loss.attach({
      ...{ segments, cursors: this.#allCursors },
      writesInMemory: () => this.#callbacks.writesInMemory(),
      onTakeover: () => this.#callbacks.handOver(),
      onMended: () => this.#gaps.restore(),
    })
    this.#schedule()
  }

  /** Call once, after the outputs exist. */
  connect(callbacks: LogCallbacks): void {
    this.#callbacks = callbacks
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#segments.bytes
  }

  get nextSequence(): number {
    return this.#segments.nextSequence
  }

  snapshot(): DiskLogSnapshot {
    const { sizes, syncedGroups, quarantine, recovered } = this.#segments
    return {
      bytes: this.bytes,
      limitBytes: this.#options.maxBytes,
      segments: sizes.length,
      syncedGroups,
      damagedBytes: quarantine.damagedBytes,
      tornBytes: recovered.tornBytes,
      isFailing: this.isFailing,
      loss: this.#loss.kind,
      unkeptWrites: this.#loss.unkeptWrites,
      lostWrites: this.#loss.lostWrites,
      orphans: this.#orphans.map((orphan) => orphan.snapshot(this.#segments)),
    }
  }

  /** Writes to the disk fail, or the folder is lost; every save tries again. */
  get isFailing(): boolean {
    return this.#segments.isFailing
  }

  /** Whether there is room for a new write and the disk works. */
  get canAppend(): boolean {
    return !this.isFailing && !this.isFull
  }

  /** No room for new writes: the bound is reached, or the file system is nearly full. */
  get isFull(): boolean {
    return this.#capacity.isFull(this.bytes)
  }

  /** The record was also for another configured output, and that output has done it. */
  isDoneElsewhere(outputIndex: number, sequence: number): boolean {
    return this.#isDoneBut(this.#cursors[outputIndex], sequence)
  }

  /** Who delivers which record if another process may own the folder. */
  get ownership(): LogOwnership {
    return this.#loss
  }

  /**
   * Checks the folder and saves the cursors now, even if both were done a moment ago. Never
   * rejects.
   */
  async saveNow(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#save(true))
    await this.#saving
  }

  /**
   * Appends the writes that an output is about to give up to gaps.jsonl. Rejects with the system's
   * error.
   */
  async recordGap(outputIndex: number, given: readonly GivenUp[]): Promise<void> {
    const { clock } = this.#options
    await this.#gaps.append(this.#cursors[outputIndex]?.output ?? '', given, clock.wallMs())
  }

  cursorOf(outputIndex: number): OutputCursor {
    const cursor = this.#cursors[outputIndex]
    if (cursor === undefined) throw new Error('BUG: an output without a cursor')
    return cursor
  }

  /** The lag of the output in the sequence numbers [from, to). */
  formerLag(outputIndex: number, from: number, to: number): Lag {
    const { sizes: segments, nextSequence } = this.#segments
    return lagOf({ segments, nextSequence, done: this.cursorOf(outputIndex).done, from, to })
  }

  /**
   * @param output the only output that the write is for; `undefined` = all outputs
   * @returns `undefined` when the write is too large for a record
   */
  append(write: Write, output: string | undefined): Appending | undefined {
    if (this.bytes >= this.#capacity.limits.giveWayBytes) this.#makeUrgent()
    return this.#segments.append({ kind: 'write', write, output })
  }

  openReader(fromSequence: number): LogReader {
    return this.#segments.openReader(fromSequence)
  }

  /** Saves the cursors, closes the segments and releases the lock on the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#saving
    for (const orphan of this.#orphans) await orphan.close()
    await this.#save()
    await this.#stack.disposeAsync()
  }

  get #allCursors(): readonly OutputCursor[] {
    return [...this.#cursors, ...this.#orphans.map(({ cursor }) => cursor)]
  }

  #openOrphan(cursor: OutputCursor): Orphan {
    const { folder, clock, logger } = this.#options
    const { output } = cursor
    const orphan = new Orphan({
      ...{ cursor, clock, logger },
      cursorPath: join(folder, CURSOR_FOLDER, cursorName(output)),
      openReader: (fromSequence) => this.openReader(fromSequence),
      isDoneElsewhere: (sequence) => this.#isDoneBut(cursor, sequence),
      recordGap: (given) => this.#gaps.append(output, given, clock.wallMs()),
    })
    orphan.tell(this.#segments)
    return orphan
  }

  #isDoneBut(cursor: OutputCursor | undefined, sequence: number): boolean {
    const isDone = ({ done, since }: OutputCursor) => sequence >= since && done.has(sequence)
    return this.#cursors.some((other) => other !== cursor && isDone(other))
  }

  #schedule(): void {
    const { clock } = this.#options
    const isScarce =
      this.#isUrgent || (!this.isFailing && this.bytes >= this.#capacity.limits.fullBytes)
    const delayMs = isScarce ? URGENT_INTERVAL_MS : SAVE_INTERVAL_MS
    this.#timer = clock.startTimer(delayMs, () => this.#tick(), { isBackground: true })
  }

  #makeUrgent(): void {
    if (this.#isUrgent) return
    this.#isUrgent = true
    if (this.#timer === undefined) return // A save is running; the next one follows soon after it.
    this.#timer.cancel()
    this.#schedule()
  }

  #tick(): void {
    this.#timer = undefined
    this.#isUrgent = false
    // Never rejects: a cursor that cannot be saved only sends records again.
    this.#saving = this.#save().then(() => {
      if (!this.#isClosed) this.#schedule()
    })
  }

  async #save(isForced = false): Promise<void> {
    if (!(await this.#loss.mend(isForced))) return
    await this.#callbacks.checkDeadLetters(isForced)
    // In parallel; trimming needs the saved position of every cursor.
    const belows = await Promise.all(this.#allCursors.map((cursor) => this.#saveOne(cursor)))
    await this.#segments.trimBelow(Math.min(...belows))
    await this.#bound()
    if (!this.#needsSegment()) return
    const unused = await this.#segments.beginSegment()
    // No record will have this number; if it stayed open, no later segment could be trimmed.
    for (const { done } of this.#allCursors) done.add(unused)
  }

  /**
   * The newest segment is never trimmed. If it alone fills the disk and every output is done with
   * it, begin another segment so that it can be trimmed.
   */
  #needsSegment(): boolean {
    const { isFailing, nextSequence, sizes } = this.#segments
    if (isFailing) return true
    const isDrained = this.#cursors.every(({ done }) => done.below >= nextSequence)
    return this.isFull && isDrained && (sizes.at(-1)?.bytes ?? 0) > SEGMENT_MIN_BYTES
  }

  async #bound(): Promise<void> {
    try {
      await this.#capacity.look()
    } catch (error) {
      this.#tell(`cannot read the free space of the disk: ${errorText(error)}`)
    }
    const isUp = (index: number) => this.#callbacks.isUp(index)
    const belows = this.#capacity.dropBelow(this.#allCursors, this.#segments.sizes, isUp)
    for (const [index, below] of belows.entries()) {
      if (below === 0 || this.#isClosed) continue
      const orphan = this.#orphans[index - this.#cursors.length]
      if (orphan === undefined) this.#callbacks.dropBelow(index, below)
      else orphan.dropBelow(below)
    }
  }

  #tell(text: string): void {
    if (this.#problem.hit() === undefined) return
    const { folder, logger } = this.#options
    logger.error({ folder }, `log: ${folder}: ${text}`)
  }

  /** @returns the number below which the output has done all records in its saved cursor */
  async #saveOne(cursor: OutputCursor): Promise<number> {
    const error = await cursor.save()
    if (error !== undefined) {
      const what = `cannot save the cursor of output "${cursor.output}": ${errorText(error)}`
      this.#tell(`${what}; after a restart some writes are sent to it again`)
    }
    return cursor.savedBelow
  }
}
