/**
 * The log of one relay on disk, with everything that belongs to it: lock, segments, a cursor for
 * each output.
 *
 *     <log-dir>/lock…, heartbeat     one process a folder (folder-lock.ts)
 *               *.seg                the records (segment-log.ts)
 *               cursors/             what each output is through with (place.ts, cursor-file.ts)
 *
 * An output that has no cursor begins at the tail, unless its name stands in the roster of a
 * segment: then its cursor was lost, and all that is there is sent again. A cursor without an
 * output pins what it is owed, within a bound, and is told of at the start (orphan.ts).
 *
 * What is done when the folder or a segment is taken away stands in log-loss.ts.
 *
 * Promise: a segment is deleted only after the cursors that have passed it are on the disk. An
 * older cursor only sends again: at most what was settled in SAVE_INTERVAL_MS, or since a cursor
 * has been waiting for a moment that it can be saved at (place.ts).
 *
 * Limits: `maxBytes` for all segments, less a reserve with which what is left can still be drained
 * (log-limits.ts). Before that an output that is too far behind (in-sync.ts) gives up its oldest,
 * as far as another one is through with it (log-bounds.ts), and when that does not help
 * `canAppend` says no. It says no as well at the floor of what is left free of the file system.
 * Each output has a bound of its own.
 *
 * Not here: reading it (segments/segment-reader.ts), what an output does with it
 * (delivery/catch-up/catch-up.ts).
 */

import { join } from 'node:path'
import type { Clock, Timer } from '../std/clock.ts'
import { errorText } from '../std/errors.ts'
import type { Logger } from '../std/logger.ts'
import { LogThrottle } from '../std/throttle.ts'
import type { Write } from '../write/write.ts'
import { cursorName } from './cursors/cursor-file.ts'
import { GapFile, type GivenUp } from './cursors/gap-file.ts'
import { Orphan } from './cursors/orphan.ts'
import type { Place } from './cursors/place.ts'
import type { DiskLogSnapshot } from './disk-log-snapshot.ts'
import type { FileSystem } from './file-system.ts'
import type { lockFolder } from './lock/folder-lock.ts'
import { LogRoom } from './log-room.ts'
import type { LogOwnership, LogUsers } from './log-users.ts'
import type { LogLoss } from './recovery/log-loss.ts'
import { SEGMENT_MIN_BYTES } from './retention/log-limits.ts'
import { type Unread, unreadOf } from './retention/unread.ts'
import type { Appending, SegmentLog } from './segments/segment-log.ts'
import type { LogReader } from './segments/segment-reader.ts'

/** Of all cursors, in the log's folder. */
export const CURSOR_FOLDER = 'cursors'
/** How often the cursors that have moved are saved. */
const SAVE_INTERVAL_MS = 1_000
/** The same while room is scarce: as soon as something may be given up, so that writes go on. */
const HURRY_INTERVAL_MS = 20
const PROBLEM_LOG_INTERVAL_MS = 60_000

export interface DiskLogOutput {
  readonly name: string
  /** How much of the log may be kept for it. */
  readonly boundBytes: number
}

export interface DiskLogOptions {
  readonly folder: string
  readonly outputs: readonly DiskLogOutput[]
  /** All that the relay keeps in the folder. */
  readonly maxBytes: number
  readonly files: FileSystem
  readonly clock: Clock
  readonly logger: Logger
  readonly randomBytes: (count: number) => Buffer
  /** Another one in tests: a simulated disk needs none. */
  readonly lock?: typeof lockFolder
  /** Small in tests, so that they reach rotation. */
  readonly segmentBytes?: number
  /** 0 in tests of what is given up: as soon as another output has it. */
  readonly lagMaxMs?: number | undefined
}

const NO_USERS: LogUsers = {
  remembered: () => [],
  giveUp() {},
  isUp: () => true,
  handOver() {},
}

interface Parts {
  readonly loss: LogLoss
  readonly isOwner: () => Promise<boolean>
  readonly segments: SegmentLog
  readonly places: readonly Place[]
  readonly parts: AsyncDisposableStack
}

export class DiskLog implements AsyncDisposable {
  readonly #options: DiskLogOptions
  readonly #room: LogRoom
  readonly #segments: SegmentLog
  /** Of the configured outputs, in their order. */
  readonly #places: readonly Place[]
  readonly #orphans: readonly Orphan[]
  readonly #parts: AsyncDisposableStack
  readonly #problem: LogThrottle
  #timer: Timer | undefined
  #saving: Promise<void> = Promise.resolve()
  #isClosed = false
  #isHurried = false
  readonly #gaps: GapFile
  readonly #loss: LogLoss
  #users: LogUsers = NO_USERS

  /** Whether the folder is still ours. Never rejects. */
  readonly isOwner: () => Promise<boolean>

  constructor(options: DiskLogOptions, { loss, isOwner, segments, places, parts }: Parts) {
    this.isOwner = isOwner
    this.#loss = loss
    this.#options = options
    this.#room = new LogRoom(options)
    this.#segments = segments
    this.#places = places.filter(({ isConfigured }) => isConfigured)
    this.#parts = parts
    this.#gaps = new GapFile(options)
    this.#problem = new LogThrottle(options.clock, PROBLEM_LOG_INTERVAL_MS)
    const orphaned = places.filter(({ isConfigured }) => !isConfigured)
    this.#orphans = orphaned.map((place) => this.#openOrphan(place))
    loss.attach({
      ...{ segments, places: this.#allPlaces },
      remembered: () => this.#users.remembered(),
      onTaken: () => this.#users.handOver(),
    })
    this.#schedule()
  }

  /** To be called once, by whoever has the outputs. */
  connect(users: LogUsers): void {
    this.#users = users
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

  /** The disk does not take what is written, or was lost: tried again with every save. */
  get isFailing(): boolean {
    return this.#segments.isFailing
  }

  /** Whether a new write would find room, and a disk that takes it. */
  get canAppend(): boolean {
    return !this.isFailing && !this.isFull
  }

  /** No room for new writes: the bound is reached, or the file system is nearly full. */
  get isFull(): boolean {
    return this.#room.isFull(this.bytes)
  }

  /** An output other than this one was to have the record, and is through with it. */
  isDoneElsewhere(outputIndex: number, sequence: number): boolean {
    return this.#isDoneBut(this.#places[outputIndex], sequence)
  }

  /** Who delivers what of it, where another process may have the folder. */
  get ownership(): LogOwnership {
    return this.#loss
  }

  /**
   * Looks whether all is there, and saves the cursors, whatever was seen and done a moment ago.
   * Never rejects.
   */
  async settle(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#save(true))
    await this.#saving
  }

  /** Puts on record what an output gives up, before it does. Rejects with the system's error. */
  async recordGap(outputIndex: number, given: readonly GivenUp[]): Promise<void> {
    const { clock } = this.#options
    await this.#gaps.append(this.#places[outputIndex]?.output ?? '', given, clock.wallMs())
  }

  placeOf(outputIndex: number): Place {
    const place = this.#places[outputIndex]
    if (place === undefined) throw new Error('BUG: an output without a place in the log')
    return place
  }

  /** What the output has not read, of the numbers from `from` on and below `to`. */
  unread(outputIndex: number, from: number, to: number): Unread {
    const { sizes: segments, nextSequence } = this.#segments
    return unreadOf({ segments, nextSequence, done: this.placeOf(outputIndex).done, from, to })
  }

  /**
   * @param output the only one that it is for; `undefined` = all of them
   * @returns `undefined` when it is larger than a record may be
   */
  append(write: Write, output: string | undefined): Appending | undefined {
    if (this.bytes >= this.#room.limits.giveWayBytes) this.#hurry()
    return this.#segments.append({ kind: 'write', write, output })
  }

  openReader(fromSequence: number): LogReader {
    return this.#segments.openReader(fromSequence)
  }

  /** Saves the cursors, closes the segments, gives the folder back. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#saving
    for (const orphan of this.#orphans) await orphan.close()
    await this.#save()
    await this.#parts.disposeAsync()
  }

  get #allPlaces(): readonly Place[] {
    return [...this.#places, ...this.#orphans.map(({ place }) => place)]
  }

  #openOrphan(place: Place): Orphan {
    const { folder, clock, logger } = this.#options
    const { output } = place
    const orphan = new Orphan({
      ...{ place, clock, logger },
      cursorPath: join(folder, CURSOR_FOLDER, cursorName(output)),
      openReader: (fromSequence) => this.openReader(fromSequence),
      isDoneElsewhere: (sequence) => this.#isDoneBut(place, sequence),
      recordGap: (given) => this.#gaps.append(output, given, clock.wallMs()),
    })
    orphan.tell(this.#segments)
    return orphan
  }

  #isDoneBut(place: Place | undefined, sequence: number): boolean {
    const isDone = ({ done, since }: Place) => sequence >= since && done.has(sequence)
    return this.#places.some((other) => other !== place && isDone(other))
  }

  #schedule(): void {
    const { clock } = this.#options
    const isScarce =
      this.#isHurried || (!this.isFailing && this.bytes >= this.#room.limits.fullBytes)
    const delayMs = isScarce ? HURRY_INTERVAL_MS : SAVE_INTERVAL_MS
    this.#timer = clock.startTimer(delayMs, () => this.#tick(), { isBackground: true })
  }

  #hurry(): void {
    if (this.#isHurried) return
    this.#isHurried = true
    if (this.#timer === undefined) return // It is being done, and again right after.
    this.#timer.cancel()
    this.#schedule()
  }

  #tick(): void {
    this.#timer = undefined
    this.#isHurried = false
    // Never rejects: a cursor that cannot be saved only sends again.
    this.#saving = this.#save().then(() => {
      if (!this.#isClosed) this.#schedule()
    })
  }

  async #save(isForced = false): Promise<void> {
    if (!(await this.#loss.mend(isForced))) return
    // All at once: trimming must know where each of them stands on the disk.
    const belows = await Promise.all(this.#allPlaces.map((place) => this.#saveOne(place)))
    await this.#segments.trimBelow(Math.min(...belows))
    await this.#bound()
    if (!this.#needsSegment()) return
    const unused = await this.#segments.beginSegment()
    // Left open, it would keep everything behind it from being trimmed.
    for (const { done } of this.#allPlaces) done.add(unused)
  }

  /**
   * The last segment is never trimmed: where that is what fills the disk, it must not be the last.
   */
  #needsSegment(): boolean {
    const { isFailing, nextSequence, sizes } = this.#segments
    if (isFailing) return true
    const isDrained = this.#places.every(({ done }) => done.below >= nextSequence)
    return this.isFull && isDrained && (sizes.at(-1)?.bytes ?? 0) > SEGMENT_MIN_BYTES
  }

  async #bound(): Promise<void> {
    try {
      await this.#room.look()
    } catch (error) {
      this.#tell(`cannot see how much room there is: ${errorText(error)}`)
    }
    const isUp = (index: number) => this.#users.isUp(index)
    const belows = this.#room.giveUpBelow(this.#allPlaces, this.#segments.sizes, isUp)
    for (const [index, below] of belows.entries()) {
      if (below === 0 || this.#isClosed) continue
      const orphan = this.#orphans[index - this.#places.length]
      if (orphan === undefined) this.#users.giveUp(index, below)
      else orphan.giveUpBelow(below)
    }
  }

  #tell(text: string): void {
    if (this.#problem.hit() === undefined) return
    const { folder, logger } = this.#options
    logger.error({ folder }, `log: ${folder}: ${text}`)
  }

  /** @returns below what the output is through, as far as that is on the disk */
  async #saveOne(place: Place): Promise<number> {
    const error = await place.save()
    if (error !== undefined) {
      const what = `cannot save the cursor of output "${place.output}": ${errorText(error)}`
      this.#tell(`${what}; after a restart it is sent some writes again`)
    }
    return place.savedBelow
  }
}
