/**
 * The log on disk: a folder of segments, appended to at one end and trimmed at the other.
 *
 *     <log-dir>/
 *       0000000000000001.seg     named by its first sequence number, in hex (segment-header.ts)
 *       00000000000004d2.seg     the last one grows (segment.ts)
 *       00000000000004d2.seg.torn    bytes that a crash left behind its last record
 *       quarantine/              damaged bytes, kept for a person to look at (quarantine.ts)
 *
 * Group commit: all appends that arrive during a sync are written and synced together next. Each
 * append resolves once its group is synced, in the order of the sequence numbers. When the next
 * record does not fit, rotation closes the segment, which is then complete, and begins a new one.
 *
 * Invariant: first sequence <= any reader's < next sequence; syncedBelow <= next sequence.
 *
 * Promise: a `durable` append is on the disk and so is the name of its segment: after the sync the
 * log has checked that the segment is at its path and that this process owns the folder. After a
 * failed write or sync no record of that group counts as stored, and the next group goes to a new
 * segment. After the loss of the folder or a segment, the log writes nothing until `mended`
 * (log-loss.ts). Sequence numbers rise and are never reused; those of failed appends are missing.
 *
 * Limits: SEGMENT_BYTES a file; GROUP_MAX_BYTES a group, or one longer record. The caller's memory
 * budget bounds the waiting appends. The caller bounds the total size with `trimBelow`.
 *
 * Not here: what outputs are owed and what may be trimmed (disk-log.ts); the lock (folder-lock.ts).
 */

import assert from 'node:assert/strict'
import { errorCode, errorText } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { renderCount } from '../../std/units.ts'
import type { FileSystem } from '../file-system.ts'
import type { FolderLock } from '../lock/folder-lock.ts'
import { type Loss, lostError, NOT_OURS } from '../recovery/lost-error.ts'
import { Quarantine } from '../recovery/quarantine.ts'
import { type Recovered, recoverSegments } from '../recovery/recover-segments.ts'
import type { SegmentSize } from '../retention/log-bounds.ts'
import { GroupBuffer } from './group-buffer.ts'
import { GroupFailures } from './group-failures.ts'
import { prepareRecord, type RecordContent } from './record.ts'
import { Segment } from './segment.ts'
import { NONCE_BYTES } from './segment-header.ts'
import type { SegmentList } from './segment-list.ts'
import { LogReader } from './segment-reader.ts'
import { trimSegments } from './trim-segments.ts'
import { type AppendResult, firstThatFit, WaitingRecord } from './waiting-record.ts'

export const SEGMENT_BYTES = 64 * 1024 * 1024
/** A longer group would only delay the answer for its first append. */
const GROUP_MAX_BYTES = 4 * 1024 * 1024

export interface SegmentLogOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly logger: Logger
  /** Names of the outputs, written into the headers of new segments. */
  readonly roster: readonly string[]
  /** Lower sequence numbers are in use, by cursors for example. */
  readonly sequenceAtLeast: number
  readonly randomBytes: (count: number) => Buffer
  /** Whether this process still owns the folder; asked before and after writing. Never rejects. */
  readonly isOwner: () => Promise<boolean>
  /** A faster check of the ownership. Without it, the log calls `isOwner` each time. */
  readonly lock?: Pick<FolderLock, 'isFresh' | 'isOwnerNow'>
  /**
   * Told when a segment or the folder is missing; its owner repairs the log and then calls
   * `mended`. Without it, the next group goes to a new segment, in a new folder if necessary.
   */
  readonly loss?: Loss
  /** Tests set a small size to reach rotation. */
  readonly segmentBytes?: number
}

export interface Appending {
  readonly sequence: number
  /** Length of the record in the segment. */
  readonly bytes: number
  /** Never rejects. */
  readonly result: Promise<AppendResult>
}

/**
 * Recovers the segments in the folder and opens the log for appending; makes a missing folder.
 *
 * Rejects with RELAY_LOG_NEWER, or with the system's error when the folder cannot be used.
 */
export async function openSegmentLog(options: SegmentLogOptions): Promise<SegmentLog> {
  const quarantine = new Quarantine(options)
  await quarantine.noteFormer()
  const recovered = await recoverSegments({ ...options, quarantine })
  return new SegmentLog(options, quarantine, recovered)
}

export class SegmentLog implements AsyncDisposable {
  readonly #options: SegmentLogOptions
  readonly #segmentBytes: number
  readonly #segments: SegmentList
  readonly recovered: Recovered
  readonly quarantine: Quarantine
  #nextSequence: number
  #syncedBelow: number
  /** Stays open when it, or the folder, is lost, because it can still be read. */
  #active: Segment | undefined
  #waiting: WaitingRecord[] = []
  readonly #groupBuffer = new GroupBuffer()
  #writing: Promise<void> | undefined
  #trimming: Promise<void> = Promise.resolve()
  readonly #failures: GroupFailures
  #syncedGroups = 0
  #isClosed = false

  constructor(options: SegmentLogOptions, quarantine: Quarantine, recovered: Recovered) {
    this.#options = options
    this.#failures = new GroupFailures(options)
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES
    this.quarantine = quarantine
    this.recovered = recovered
    this.#segments = recovered.segments
    this.#nextSequence = Math.max(recovered.nextSequence, options.sequenceAtLeast)
    this.#syncedBelow = this.#nextSequence
  }

  /** The sequence number of the next append. */
  get nextSequence(): number {
    return this.#nextSequence
  }

  /** All records with a lower sequence number are on the disk, except failed appends. */
  get syncedBelow(): number {
    return this.#syncedBelow
  }

  /** Lowest sequence number that the log may still hold; 0 = the folder is empty. */
  get firstSequence(): number {
    return this.#segments.firstSequence
  }

  /** Names of outputs in the headers of all segments, oldest first. */
  get rosters(): readonly (readonly string[])[] {
    return this.#segments.rosters()
  }

  /** Bytes on disk, without the quarantine. */
  get bytes(): number {
    return this.#segments.bytes
  }

  get sizes(): readonly SegmentSize[] {
    return this.#segments.sizes()
  }

  get syncedGroups(): number {
    return this.#syncedGroups
  }

  /** A segment or the folder is lost, or the disk failed several times in a row. */
  get isFailing(): boolean {
    return this.#isLost || this.#failures.areTooMany
  }

  get list(): SegmentList {
    return this.#segments
  }

  /** The active segment; after a loss, the segment that was active then. */
  get open(): Segment | undefined {
    return this.#active
  }

  /** Resolves when nothing is under way; after a loss nothing more comes until `mended`. */
  async halted(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  /** The list of segments matches the folder again: the log continues in a new segment. */
  async mended(): Promise<void> {
    const lost = this.#active
    this.#active = undefined
    this.#failures.clear()
    await lost?.abandon()
    await this.quarantine.tellGone()
  }

  /**
   * Appends a record. It gets its sequence number now; `result` resolves after the sync.
   *
   * @returns `undefined`, with nothing changed, when the content is too large for a record
   */
  append(content: RecordContent): Appending | undefined {
    assert(!this.#isClosed, 'BUG: append to a closed log')
    const record = prepareRecord(content)
    if (record === undefined) return undefined
    const sequence = this.#nextSequence++
    const waiting = new WaitingRecord(record, sequence)
    this.#waiting.push(waiting)
    this.#startWriting()
    return { sequence, bytes: record.bytes, result: waiting.result }
  }

  /** A reader of all records from `fromSequence` on; the caller disposes it. */
  openReader(fromSequence: number): LogReader {
    const { files, folder, loss } = this.#options
    const { quarantine, list: segments } = this
    return new LogReader({ files, folder, segments, quarantine, fromSequence, loss })
  }

  /**
   * Deletes the segments whose records are all below `sequence`, except the last segment.
   *
   * The caller must first save the cursors that have passed those records. Never rejects: the next
   * call retries the segments that could not be deleted.
   */
  trimBelow(sequence: number): Promise<void> {
    const { quarantine, list: segments } = this
    const trim = { ...this.#options, segments, quarantine, below: sequence }
    this.#trimming = this.#trimming.then(() => trimSegments(trim))
    return this.#trimming
  }

  /**
   * Begins a new segment, so that the current segment can be trimmed, or to test the disk. Never
   * rejects: a failure counts as that of a group.
   *
   * @returns the first sequence number of the new segment, which no record will have
   */
  async beginSegment(): Promise<number> {
    while (this.#writing !== undefined) await this.#writing
    const sequence = this.#nextSequence++
    const rotate = async () => {
      try {
        await this.#rotate(sequence)
        this.#failures.clear()
      } catch (error) {
        await this.#noteFailure('begin a segment', error)
      }
      this.#writing = undefined
      if (this.#waiting.length > 0) this.#startWriting()
    }
    this.#writing = rotate()
    await this.#writing
    return sequence
  }

  /** Writes the waiting appends and closes the last segment. No append may follow. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    while (this.#writing !== undefined) await this.#writing
    await this.#trimming
    // In a folder that is another's nothing is cut.
    await this.#closeActive(!(await this.#options.isOwner()))
  }

  #startWriting(): void {
    if (this.#writing !== undefined) return
    const write = async () => {
      // Only before the first group of a run: the check after each group also covers the next one.
      if (!this.#options.lock?.isFresh) await this.#assertOurs().catch(() => {}) // The group fails.
      // Wait one turn, so that all appends of this turn of the event loop share one group.
      await new Promise((resolve) => setImmediate(resolve))
      while (this.#waiting.length > 0) await this.#writeGroup()
      this.#writing = undefined
    }
    this.#writing = write()
  }

  async #writeGroup(): Promise<void> {
    let group: readonly WaitingRecord[] = this.#waiting.slice(0, 1)
    try {
      const [first] = group
      assert(first)
      const segment = this.#active
      const isRoomy = segment?.isEmpty === true || first.record.bytes <= (segment?.freeBytes ?? 0)
      if (this.#isLost || !isRoomy) await this.#rotate(first.sequence)
      // Select again: more appends may have arrived while the segment was made.
      group = firstThatFit(this.#waiting, Math.min(GROUP_MAX_BYTES, this.#active?.freeBytes ?? 0))
      await this.#appendGroup(group)
    } catch (error) {
      this.#waiting.splice(0, group.length)
      return await this.#fail(group, error)
    }
    this.#waiting.splice(0, group.length)
    this.#failures.clear()
    this.#syncedGroups++
    this.#syncedBelow = (group.at(-1)?.sequence ?? 0) + 1
    for (const waiting of group) waiting.settle({ kind: 'durable' })
  }

  async #appendGroup(group: readonly WaitingRecord[]): Promise<void> {
    const segment = this.#active
    assert(segment)
    await segment.append(this.#groupBuffer.encode(group, segment.seal))
    if (this.#isLost || !this.#options.lock?.isOwnerNow()) await this.#assertOurs()
    if (segment.isAtItsPathNow()) return
    throw lostError(`${segment.name} was removed, moved or cut short`)
  }

  async #assertOurs(): Promise<void> {
    if (!this.#isLost && (await this.#options.isOwner())) return
    this.#options.loss?.note(NOT_OURS)
    throw lostError(NOT_OURS)
  }

  get #isLost(): boolean {
    return this.#options.loss?.isLost === true
  }

  /** Closes the active segment and begins the next one. */
  async #rotate(firstSequence: number): Promise<void> {
    const { files, folder, roster, randomBytes, loss } = this.#options
    await this.#assertOurs()
    await this.#closeActive()
    if (loss === undefined) await files.makeFolder(folder)
    const previousFirstSequence = this.#segments.last?.header.firstSequence ?? 0
    const nonce = randomBytes(NONCE_BYTES)
    const header = { firstSequence, previousFirstSequence, nonce, roster }
    const segment = await Segment.open({ files, folder, header, sizeBytes: this.#segmentBytes })
    this.#segments.add(segment.info(header, () => this.#active === segment))
    this.#active = segment
  }

  /** @param isLost the segment is lost: closes its file without cutting it */
  async #closeActive(isLost = false): Promise<void> {
    const active = this.#active
    this.#active = undefined
    await (isLost ? active?.abandon() : active?.close())
  }

  async #fail(group: readonly WaitingRecord[], error: unknown): Promise<void> {
    const what = `put ${renderCount(group.length, 'write')} on disk`
    const failuresInRow = await this.#noteFailure(what, error)
    for (const waiting of group) waiting.settle({ kind: 'failed', error, failuresInRow })
  }

  /** @returns the number of failures in a row */
  async #noteFailure(what: string, error: unknown): Promise<number> {
    const isLost = errorCode(error) === 'RELAY_LOG_LOST'
    if (isLost) this.#options.loss?.note(errorText(error))
    if (!this.#isLost) await this.#closeActive(isLost)
    return this.#failures.add(what, error, this.#isLost)
  }
}
