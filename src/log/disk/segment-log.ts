/**
 * The log on disk: a folder of segments, appended to at one end and trimmed at the other.
 *
 *     <log-dir>/
 *       0000000000000001.seg     named by its first sequence number, in hex (segment-header.ts)
 *       00000000000004d2.seg     the last one grows (segment.ts)
 *       00000000000004d2.seg.torn    what a crash had left behind its last record
 *       quarantine/              damage that was found, kept for people (quarantine.ts)
 *
 * Appends are grouped: all that came while the last sync ran go down with the next one. Each is
 * told once its group is synced, in the order of their sequence numbers. Rotation begins a new
 * segment when the next record does not fit; the one before is closed by then, and complete.
 *
 * Invariant: first sequence <= any reader's < next sequence; syncedBelow <= next sequence.
 *
 * Promise: once an append is `durable` it is on the disk, and so is the name of its segment. After
 * a failed write or sync nothing of that group is taken for stored, and the next group goes to a
 * new segment. Numbers rise and are never used twice, also over restarts; those of failed appends
 * are missing.
 *
 * Limits: SEGMENT_BYTES a file, GROUP_MAX_BYTES a group but for one longer record; what waits is
 * bounded by the memory budget of whoever appends. Total size is the caller's, by `trimBelow`.
 *
 * Not here: who owes what, and so what may be trimmed (disk-log.ts); the lock (folder-lock.ts).
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { errorCode, errorText, RelayError } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { renderCount } from '../../std/units.ts'
import type { FileSystem } from './file-system.ts'
import { GroupBuffer } from './group-buffer.ts'
import type { SegmentSize } from './log-bounds.ts'
import { LogReader } from './log-reader.ts'
import { Quarantine } from './quarantine.ts'
import { prepareRecord, type RecordContent } from './record.ts'
import { type Recovered, recoverSegments } from './recover-segments.ts'
import { Segment } from './segment.ts'
import { NONCE_BYTES } from './segment-header.ts'
import type { SegmentInfo, SegmentList } from './segment-list.ts'
import { type AppendResult, WaitingRecord } from './waiting-record.ts'

export const SEGMENT_BYTES = 64 * 1024 * 1024
/** Longer groups gain no throughput and make the first in them wait. */
const GROUP_MAX_BYTES = 4 * 1024 * 1024
/** So many failed groups in a row are no accident. */
const FAILING_AT = 3

export interface SegmentLogOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly logger: Logger
  /** Names of the outputs, for the headers of new segments. */
  readonly roster: readonly string[]
  /** Numbers below it are taken, by cursors for example. */
  readonly sequenceAtLeast: number
  readonly randomBytes: (count: number) => Buffer
  /** Asked before each new segment: whether the folder is still ours. */
  readonly isOwner: () => Promise<boolean>
  /** Small in tests, so that they reach rotation. */
  readonly segmentBytes?: number
}

export interface Appending {
  readonly sequence: number
  /** Its length in the segment. */
  readonly bytes: number
  /** Never rejects. */
  readonly result: Promise<AppendResult>
}

/**
 * Recovers what is in the folder and opens it for appending; makes the folder when there is none.
 *
 * Rejects with RELAY_LOG_NEWER, or with the system's error when the folder cannot be used.
 */
export async function openSegmentLog(options: SegmentLogOptions): Promise<SegmentLog> {
  const quarantine = new Quarantine(options)
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
  #active: Segment | undefined
  #waiting: WaitingRecord[] = []
  readonly #groupBuffer = new GroupBuffer()
  #writing: Promise<void> | undefined
  #trimming: Promise<void> = Promise.resolve()
  #failuresInRow = 0
  #syncedGroups = 0
  #isClosed = false

  constructor(options: SegmentLogOptions, quarantine: Quarantine, recovered: Recovered) {
    this.#options = options
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES
    this.quarantine = quarantine
    this.recovered = recovered
    this.#segments = recovered.segments
    this.#nextSequence = Math.max(recovered.nextSequence, options.sequenceAtLeast)
    this.#syncedBelow = this.#nextSequence
  }

  /** What the next append will get. */
  get nextSequence(): number {
    return this.#nextSequence
  }

  /** All records below it that did not fail are on the disk. */
  get syncedBelow(): number {
    return this.#syncedBelow
  }

  /** Number of the oldest record that may be there; 0 = the folder is empty. */
  get firstSequence(): number {
    return this.#segments.firstSequence
  }

  /** Names of the outputs in the headers of all segments, oldest first. */
  get rosters(): readonly (readonly string[])[] {
    return this.#segments.rosters()
  }

  /** On disk; without quarantine. */
  get bytes(): number {
    return this.#segments.bytes
  }

  get sizes(): readonly SegmentSize[] {
    return this.#segments.sizes()
  }

  get syncedGroups(): number {
    return this.#syncedGroups
  }

  /** Several groups in a row have failed: accept nothing until `probe` says that it can be done. */
  get isFailing(): boolean {
    return this.#failuresInRow >= FAILING_AT
  }

  /**
   * Appends a record to the end. Its number is settled now, its fate later.
   *
   * @returns `undefined`, with nothing changed, when it is larger than a record may be
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

  /** A reader of all records from `fromSequence` on; to be disposed. */
  openReader(fromSequence: number): LogReader {
    const { files, folder } = this.#options
    const { quarantine } = this
    return new LogReader({ files, folder, segments: this.#segments, quarantine, fromSequence })
  }

  /**
   * Deletes the segments whose records are all below `sequence`, but never the last segment.
   *
   * The cursors that have passed them must be on the disk before. Never rejects: what cannot be
   * deleted is tried again by the next call.
   */
  trimBelow(sequence: number): Promise<void> {
    const trimmed = this.#trimming.then(() => this.#trim(sequence))
    this.#trimming = trimmed
    return trimmed
  }

  /**
   * Begins a new segment, so that the one before can be trimmed; while `isFailing` that tells
   * whether the disk takes one again.
   *
   * @returns the number that it has used for that, which no record will have
   */
  async beginSegment(): Promise<number> {
    while (this.#writing !== undefined) await this.#writing
    const sequence = this.#nextSequence++
    const rotate = async () => {
      try {
        await this.#rotate(sequence)
        this.#failuresInRow = 0
      } catch {} // Said when it began; the caller is told that it still is so.
      this.#writing = undefined
      if (this.#waiting.length > 0) this.#startWriting()
    }
    this.#writing = rotate()
    await this.#writing
    return sequence
  }

  /** Writes what waits, closes the last segment. No append may follow. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    while (this.#writing !== undefined) await this.#writing
    await this.#trimming
    await this.#closeActive()
  }

  #startWriting(): void {
    if (this.#writing !== undefined) return
    const write = async () => {
      // Not at once: what else is appended in this turn of the event loop goes into the same group.
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
      assert(first !== undefined)
      const segment = this.#active
      const isRoomy = segment?.isEmpty === true || first.record.bytes <= (segment?.freeBytes ?? 0)
      if (!isRoomy) await this.#rotate(first.sequence)
      // Looked at again: more may have come while the segment was made.
      group = this.#nextGroup()
      await this.#appendGroup(group)
    } catch (error) {
      this.#waiting.splice(0, group.length)
      await this.#fail(group, error)
      return
    }
    this.#waiting.splice(0, group.length)
    this.#failuresInRow = 0
    this.#syncedGroups++
    this.#syncedBelow = (group.at(-1)?.sequence ?? 0) + 1
    for (const waiting of group) waiting.settle({ kind: 'durable' })
  }

  /** As many of those that wait as fit, at least one. */
  #nextGroup(): readonly WaitingRecord[] {
    const maxBytes = Math.min(GROUP_MAX_BYTES, this.#active?.freeBytes ?? 0)
    let bytes = 0
    const tooMany = this.#waiting.findIndex(({ record }, index) => {
      bytes += record.bytes
      return index > 0 && bytes > maxBytes
    })
    return tooMany < 0 ? [...this.#waiting] : this.#waiting.slice(0, tooMany)
  }

  async #appendGroup(group: readonly WaitingRecord[]): Promise<void> {
    const segment = this.#active
    assert(segment !== undefined)
    await segment.append(this.#groupBuffer.encode(group, segment.seal))
  }

  /** Closes the segment that is written and begins the next one. */
  async #rotate(firstSequence: number): Promise<void> {
    const { files, folder, roster, isOwner, randomBytes } = this.#options
    await this.#closeActive()
    if (!(await isOwner())) {
      throw new RelayError('RELAY_LOG_LOCKED', `${folder} was taken over by another process`)
    }
    const previousFirstSequence = this.#segments.last?.header.firstSequence ?? 0
    const nonce = randomBytes(NONCE_BYTES)
    const header = { firstSequence, previousFirstSequence, nonce, roster }
    const sizeBytes = this.#segmentBytes
    const segment = await Segment.open({ files, folder, header, sizeBytes })
    const { name, seal, recordsAt } = segment
    const info: SegmentInfo = {
      name,
      header,
      found: { kind: 'header', header, seal, recordsAt },
      end: () => segment.end,
      isGrowing: () => this.#active === segment,
      isKept: false,
    }
    this.#segments.add(info)
    this.#active = segment
  }

  async #closeActive(): Promise<void> {
    await this.#active?.close()
    this.#active = undefined
  }

  async #fail(group: readonly WaitingRecord[], error: unknown): Promise<void> {
    await this.#closeActive()
    this.#failuresInRow++
    const failuresInRow = this.#failuresInRow
    const { folder, logger } = this.#options
    const next = this.isFailing
      ? `${failuresInRow} groups in a row have failed: no more is accepted until the disk is well`
      : 'the next one goes to a new segment'
    if (failuresInRow <= FAILING_AT) {
      const what = `log: cannot put ${renderCount(group.length, 'write')} on disk in ${folder}`
      logger.error({ folder, failuresInRow }, `${what}: ${errorText(error)}; ${next}`)
    }
    for (const waiting of group) waiting.settle({ kind: 'failed', error, failuresInRow })
  }

  async #trim(sequence: number): Promise<void> {
    const { files, folder, logger } = this.#options
    const segments = this.#segments.below(sequence)
    if (segments.length === 0) return
    try {
      for (const segment of segments) {
        if (!(await this.#putAway(segment))) return
        this.#segments.remove(segment)
      }
      await files.syncFolder(folder)
    } catch (error) {
      logger.warn({ folder }, `log: cannot delete a segment in ${folder}: ${errorText(error)}`)
    }
  }

  /** @returns false when it had to be kept, and could not be */
  async #putAway({ name, isKept }: SegmentInfo): Promise<boolean> {
    if (isKept) return this.quarantine.moveFile(name, 'damage in it could not be copied')
    try {
      await this.#options.files.unlink(join(this.#options.folder, name))
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error // Else somebody has removed it.
    }
    return true
  }
}
