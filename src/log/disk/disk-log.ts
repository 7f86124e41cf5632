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
 * output pins what it is owed, and is told of at the start: `relay log adopt OLD NEW`.
 *
 * Promise: a segment is deleted only after the cursors that have passed it are on the disk. An
 * older cursor only sends again: at most what was settled in SAVE_INTERVAL_MS, or since a cursor
 * has been waiting for a moment that it can be saved at (place.ts).
 *
 * Limits: `maxBytes` for all segments, less a reserve with which what is left can still be drained;
 * at that an output that is too far behind gives up its oldest, as far as another one is through
 * with it (`onGiveUp`, log-bounds.ts), and when that does not help `canAppend` says no. It says no
 * as well at the floor of what is left free of the file system. Each output has a bound of its own.
 *
 * Not here: reading it (log-reader.ts), what an output does with it (outputs/catch-up.ts).
 */

import { join } from 'node:path'
import type { Clock, Timer } from '../../std/clock.ts'
import { errorText } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { LogThrottle } from '../../std/throttle.ts'
import type { Write } from '../../write/write.ts'
import { DoneRanges } from '../done-ranges.ts'
import { type Cursor, CursorFile, highestSequence, loadAllCursors } from './cursor-file.ts'
import type { FileSystem } from './file-system.ts'
import { lockFolder } from './folder-lock.ts'
import { GapFile, type GivenUp } from './gap-file.ts'
import { giveUpBelow } from './log-bounds.ts'
import type { LogReader } from './log-reader.ts'
import { tellOrphans } from './orphans.ts'
import { Place } from './place.ts'
import { type Appending, openSegmentLog, SEGMENT_BYTES, type SegmentLog } from './segment-log.ts'

const CURSOR_FOLDER = 'cursors'
/** How often the cursors that have moved are saved. */
const SAVE_INTERVAL_MS = 1_000
const SEGMENTS_IN_BOUND = 16
const SEGMENT_MIN_BYTES = 64 * 1024
/** Of `maxBytes`, what is kept free for draining; at the most RESERVE_MAX_BYTES. */
const RESERVE_SHARE = 1 / 8
const RESERVE_MAX_BYTES = 64 * 1024 * 1024
/** What is left alone of the file system: a share of it, at the most FREE_FLOOR_MAX_BYTES. */
const FREE_FLOOR_SHARE = 1 / 20
const FREE_FLOOR_MAX_BYTES = 256 * 1024 * 1024
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
}

/** As plain numbers; counters since the start. */
export interface DiskLogSnapshot {
  readonly bytes: number
  readonly limitBytes: number
  readonly segments: number
  readonly syncedGroups: number
  /** Bytes of damage that were skipped, and kept in quarantine. */
  readonly damagedBytes: number
  /** Bytes that a crash had left behind the last record. */
  readonly tornBytes: number
  readonly isFailing: boolean
}

/**
 * Recovers what is in the folder and opens it for appending.
 *
 * Rejects with RELAY_LOG_LOCKED, RELAY_LOG_NEWER, or the system's error when the folder cannot be
 * used; then nothing has been changed.
 */
export async function openDiskLog(options: DiskLogOptions): Promise<DiskLog> {
  const { files, folder, outputs, clock, logger, randomBytes, segmentBytes } = options
  const { lock: takeLock = lockFolder } = options
  await using stack = new AsyncDisposableStack()
  let isLost = false
  const onLost = () => {
    isLost = true
    logger.error({ folder }, `log: ${folder} was taken over by another process; nothing is stored`)
  }
  const lock = stack.use(await takeLock({ folder, clock, logger, randomBytes, onLost }))
  const isOwner = async () => !isLost && (await lock.isOwner())
  const cursorFolder = join(folder, CURSOR_FOLDER)
  const { cursors, notes } = await loadAllCursors(files, cursorFolder)
  for (const note of notes) logger.warn({ folder }, `log: ${note}; what it covers is sent again`)
  const sequenceAtLeast = Math.max(1, ...cursors.map((cursor) => highestSequence(cursor) + 1))
  const roster = outputs.map(({ name }) => name)
  const segments = stack.use(
    await openSegmentLog({
      ...{ files, folder, logger, randomBytes, isOwner, sequenceAtLeast, roster },
      segmentBytes: segmentBytes ?? (await fittingSegmentBytes(options)),
    }),
  )
  const places = outputs.map(({ name, boundBytes }) => {
    const found = cursors.find(({ output }) => output === name)
    const file = new CursorFile({ files, folder: cursorFolder, output: name, isOwner })
    const done = doneOf(name, found, segments)
    const { nextSequence } = segments
    return new Place({ output: name, boundBytes, done, file, found, nextSequence })
  })
  const orphans = cursors.filter(({ output }) => !roster.includes(output))
  tellOrphans(orphans, { folder, cursorFolder, logger })
  return new DiskLog(options, { isOwner, segments, places, orphans, parts: stack.move() })
}

/** So many segments fit, that trimming the oldest gives back a small part of the whole. */
async function fittingSegmentBytes({ files, folder, maxBytes }: DiskLogOptions): Promise<number> {
  const { totalBytes } = await files.space(folder)
  const share = Math.min(maxBytes, totalBytes) / SEGMENTS_IN_BOUND
  return Math.max(SEGMENT_MIN_BYTES, Math.min(SEGMENT_BYTES, Math.floor(share)))
}

function doneOf(output: string, cursor: Cursor | undefined, segments: SegmentLog): DoneRanges {
  if (cursor !== undefined) return new DoneRanges(cursor.doneBelow, cursor.done)
  const isKnown = segments.rosters.has(output)
  return new DoneRanges(isKnown ? segments.firstSequence : segments.nextSequence)
}

interface Parts {
  readonly isOwner: () => Promise<boolean>
  readonly segments: SegmentLog
  readonly places: readonly Place[]
  readonly orphans: readonly Cursor[]
  readonly parts: AsyncDisposableStack
}

export class DiskLog implements AsyncDisposable {
  readonly #options: DiskLogOptions
  readonly #segments: SegmentLog
  readonly #places: readonly Place[]
  readonly #orphans: readonly Cursor[]
  readonly #parts: AsyncDisposableStack
  readonly #problem: LogThrottle
  #timer: Timer | undefined
  #saving: Promise<void> = Promise.resolve()
  #isClosed = false
  #isSpaceLow = false
  readonly #gaps: GapFile
  /**
   * Told when an output has to give up what it owes below a number, as far as another one is
   * through with it.
   */
  onGiveUp: (outputIndex: number, belowSequence: number) => void = () => {}

  /** Whether the folder is still ours. Never rejects. */
  readonly isOwner: () => Promise<boolean>

  constructor(options: DiskLogOptions, { isOwner, segments, places, orphans, parts }: Parts) {
    this.isOwner = isOwner
    this.#options = options
    this.#segments = segments
    this.#places = places
    this.#orphans = orphans
    this.#parts = parts
    this.#gaps = new GapFile(options)
    this.#problem = new LogThrottle(options.clock, PROBLEM_LOG_INTERVAL_MS)
    this.#schedule()
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
    }
  }

  /** The disk does not take what is written: tried again with every save of the cursors. */
  get isFailing(): boolean {
    return this.#segments.isFailing
  }

  /** Whether a new write would find room, and a disk that takes it. */
  get canAppend(): boolean {
    return !this.isFailing && !this.isFull
  }

  /** No room for new writes: the bound is reached, or the file system is nearly full. */
  get isFull(): boolean {
    return this.#isSpaceLow || this.bytes >= this.#softMaxBytes
  }

  /** An output other than this one is through with the record. */
  isDoneElsewhere(outputIndex: number, sequence: number): boolean {
    return this.#places.some(({ done }, index) => index !== outputIndex && done.has(sequence))
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

  /**
   * @param output the only one that it is for; `undefined` = all of them
   * @returns `undefined` when it is larger than a record may be
   */
  append(write: Write, output: string | undefined): Appending | undefined {
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
    await this.#save()
    await this.#parts.disposeAsync()
  }

  #schedule(): void {
    const { clock } = this.#options
    this.#timer = clock.startTimer(SAVE_INTERVAL_MS, () => this.#tick(), { isBackground: true })
  }

  #tick(): void {
    // Never rejects: a cursor that cannot be saved only sends again.
    this.#saving = this.#save().then(() => {
      if (!this.#isClosed) this.#schedule()
    })
  }

  async #save(): Promise<void> {
    // All at once: trimming must know where each of them stands on the disk.
    const belows = await Promise.all(this.#places.map((place) => this.#saveOne(place)))
    const pinned = this.#orphans.map(({ doneBelow }) => doneBelow)
    await this.#segments.trimBelow(Math.min(...belows, ...pinned))
    await this.#bound()
    if (!this.#needsSegment()) return
    const unused = await this.#segments.beginSegment()
    // Left open, it would keep everything behind it from being trimmed.
    for (const { done } of this.#places) done.add(unused)
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
    const { files, folder } = this.#options
    try {
      const { freeBytes, totalBytes } = await files.space(folder)
      this.#isSpaceLow = freeBytes < Math.min(FREE_FLOOR_MAX_BYTES, totalBytes * FREE_FLOOR_SHARE)
    } catch (error) {
      this.#tell(`cannot see how much room there is: ${errorText(error)}`)
    }
    const places = this.#places.map(({ done, boundBytes }) => ({ below: done.below, boundBytes }))
    const maxBytes = this.#softMaxBytes
    const belows = giveUpBelow({ segments: this.#segments.sizes, places, maxBytes })
    for (const [index, below] of belows.entries()) {
      if (below > 0 && !this.#isClosed) this.onGiveUp(index, below)
    }
  }

  get #softMaxBytes(): number {
    const { maxBytes } = this.#options
    return maxBytes - Math.min(RESERVE_MAX_BYTES, maxBytes * RESERVE_SHARE)
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
