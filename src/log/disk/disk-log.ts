/**
 * The log of one relay on disk, with everything that belongs to it: lock, segments, a cursor for
 * each output.
 *
 *     <log-dir>/lock…, heartbeat     one process a folder (folder-lock.ts)
 *               *.seg                the records (segment-log.ts)
 *               cursors/             what each output is through with (cursor-file.ts)
 *
 * An output that has no cursor begins at the tail, unless its name stands in the roster of a
 * segment: then its cursor was lost, and all that is there is sent again. A cursor without an output
 * pins what it is owed, and is told of at the start: `relay log adopt OLD NEW`.
 *
 * Promise: a segment is deleted only after the cursors that have passed it are on the disk. An older
 * cursor only sends again: at most what was settled in SAVE_INTERVAL_MS.
 *
 * Limits: `maxBytes` on disk for new writes, above which `canAppend` says no while outputs drain.
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
import type { LogReader } from './log-reader.ts'
import { type Appending, openSegmentLog, type SegmentLog } from './segment-log.ts'

const CURSOR_FOLDER = 'cursors'
/** How often the cursors that have moved are saved. */
const SAVE_INTERVAL_MS = 1_000
const PROBLEM_LOG_INTERVAL_MS = 60_000

export interface DiskLogOptions {
  readonly folder: string
  readonly outputs: readonly string[]
  readonly maxBytes: number
  readonly files: FileSystem
  readonly clock: Clock
  readonly logger: Logger
  readonly randomBytes: (count: number) => Buffer
  /** Small in tests, so that they reach rotation. */
  readonly segmentBytes?: number
}

interface Place {
  readonly output: string
  readonly file: CursorFile
  readonly done: DoneRanges
  /** As it was last saved. */
  saved: string
}

/**
 * Recovers what is in the folder and opens it for appending.
 *
 * Rejects with RELAY_LOG_LOCKED, RELAY_LOG_NEWER, or the system's error when the folder cannot be
 * used; then nothing has been changed.
 */
export async function openDiskLog(options: DiskLogOptions): Promise<DiskLog> {
  const { files, folder, outputs, clock, logger, randomBytes, segmentBytes } = options
  await using stack = new AsyncDisposableStack()
  let isLost = false
  const onLost = () => {
    isLost = true
    logger.error({ folder }, `log: ${folder} was taken over by another process; nothing is stored`)
  }
  const lock = stack.use(await lockFolder({ folder, clock, logger, randomBytes, onLost }))
  const isOwner = async () => !isLost && (await lock.isOwner())
  const cursorFolder = join(folder, CURSOR_FOLDER)
  const { cursors, notes } = await loadAllCursors(files, cursorFolder)
  for (const note of notes) logger.warn({ folder }, `log: ${note}; what it covers is sent again`)
  const sequenceAtLeast = Math.max(1, ...cursors.map((cursor) => highestSequence(cursor) + 1))
  const segments = stack.use(
    await openSegmentLog({
      ...{ files, folder, logger, randomBytes, isOwner, sequenceAtLeast, roster: outputs },
      ...(segmentBytes === undefined ? {} : { segmentBytes }),
    }),
  )
  const places = outputs.map((output) => {
    const cursor = cursors.find((each) => each.output === output)
    const file = new CursorFile({ files, folder: cursorFolder, output, isOwner })
    return { output, file, done: doneOf(output, cursor, segments), saved: '' }
  })
  const orphans = cursors.filter(({ output }) => !outputs.includes(output))
  return new DiskLog(options, { segments, places, orphans, parts: stack.move() })
}

function doneOf(output: string, cursor: Cursor | undefined, segments: SegmentLog): DoneRanges {
  if (cursor !== undefined) return new DoneRanges(cursor.doneBelow, cursor.done)
  const isKnown = segments.rosters.has(output)
  return new DoneRanges(isKnown ? segments.firstSequence : segments.nextSequence)
}

interface Parts {
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

  constructor(options: DiskLogOptions, { segments, places, orphans, parts }: Parts) {
    this.#options = options
    this.#segments = segments
    this.#places = places
    this.#orphans = orphans
    this.#parts = parts
    this.#problem = new LogThrottle(options.clock, PROBLEM_LOG_INTERVAL_MS)
    this.#tellOrphans()
    this.#schedule()
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#segments.bytes
  }

  get nextSequence(): number {
    return this.#segments.nextSequence
  }

  get syncedGroups(): number {
    return this.#segments.syncedGroups
  }

  get damagedBytes(): number {
    return this.#segments.quarantine.damagedBytes
  }

  /** The disk does not take what is written: tried again with every save of the cursors. */
  get isFailing(): boolean {
    return this.#segments.isFailing
  }

  /** Whether a new write would find room, and a disk that takes it. */
  get canAppend(): boolean {
    return !this.#segments.isFailing && this.bytes < this.#options.maxBytes
  }

  /** The output's cursor: whoever settles a record there adds it. */
  doneOf(outputIndex: number): DoneRanges {
    const place = this.#places[outputIndex]
    if (place === undefined) throw new Error('BUG: an output without a place in the log')
    return place.done
  }

  /** @returns `undefined` when it is larger than a record may be */
  append(write: Write): Appending | undefined {
    return this.#segments.append({ kind: 'write', write, output: undefined })
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
    if (this.#segments.isFailing) await this.#segments.probe()
  }

  /** @returns below what the output is through, as far as that is on the disk */
  async #saveOne(place: Place): Promise<number> {
    const { output, file, done } = place
    const { below } = done
    const cursor = { output, doneBelow: below, done: done.ranges, destinationBytes: undefined }
    const state = JSON.stringify(cursor)
    if (state === place.saved) return below
    const saved = await file.save(cursor)
    if (saved.kind === 'saved') {
      place.saved = state
      return below
    }
    if (this.#problem.hit() !== undefined) {
      const { folder, logger } = this.#options
      const text = `log: cannot save the cursor of output "${output}": ${errorText(saved.error)}`
      logger.error({ folder, output }, `${text}; after a restart it is sent some writes again`)
    }
    return 0
  }

  #tellOrphans(): void {
    const { folder, logger } = this.#options
    for (const { output, doneBelow } of this.#orphans) {
      const isOwed = doneBelow < this.#segments.nextSequence
      if (!isOwed) continue
      const text =
        `log: output "${output}" is not configured any more, and is owed writes from number ` +
        `${doneBelow} on; they are kept. If it has a new name: relay log adopt "${output}" NEW`
      logger.warn({ folder, output, doneBelow }, text)
    }
  }
}
