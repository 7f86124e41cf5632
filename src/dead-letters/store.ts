/**
 * Dead letters of one output: lines that it refused for good, on disk until an operator decides.
 *
 * The store is a segment log (log/segments/segment-log.ts) in `<log-dir>/dead/<output>/`. Its one
 * cursor marks the letters below it as removed; folder.ts shows the layout. The segment log does
 * the appends, one sync for all that wait, the new file after a failure, and the recovery.
 *
 *     refused ──append──▶ [ d4 d5 d6 d7 ] ──replay──▶ the relay's log, for this output alone
 *                           ▲      │
 *            removed below ─┘      └──purge, or over the bound──▶ gone
 *
 * Promise: `append` resolves with `kept` only once the letter is on the disk. Only then may the
 * output's cursor in the relay's log pass the lines. After `failed` the letter may or may not be on
 * the disk: a second append may store the letter twice. Damage loses only the letters it hits.
 *
 * Limits: `limitBytes` in all; above it the oldest file is dropped (counted, logged). The bound is
 * exceeded by at most one file, the one being written. A file has at most FILE_BYTES, or one larger
 * letter.
 *
 * Only the owner of the log's folder may change anything here (log/lock/folder-lock.ts).
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { CursorFile } from '../log/cursors/cursor-file.ts'
import type { FileSystem } from '../log/file-system.ts'
import { openSegmentLog, type SegmentLog } from '../log/segments/segment-log.ts'
import { isSegmentName } from '../log/segments/segment-names.ts'
import type { Clock } from '../std/clock.ts'
import { errorCode, errorText } from '../std/errors.ts'
import { type Logger, withPrefix } from '../std/logger.ts'
import { LogThrottle, renderRepeats } from '../std/throttle.ts'
import { renderBytes, renderCount } from '../std/units.ts'
import { deadFolder } from './folder.ts'
import { type DeadLetter, letterContent, type StoredLetter } from './letter.ts'
import { type DeadLettersSnapshot, LetterBooks, type LetterRemoval } from './letter-books.ts'
import { countLetters, type LetterCount, lettersOf } from './reader.ts'

const FILE_BYTES = 16 * 1024 * 1024
/** Several files, so that dropping the oldest file does not drop most of the letters. */
const FILES_IN_BOUND = 8
const FILE_BYTES_MIN = 64 * 1024
const REPEAT_INTERVAL_MS = 60_000

export interface DeadLettersOptions {
  readonly files: FileSystem
  /** The relay's `log-dir`. */
  readonly logFolder: string
  readonly output: string
  readonly limitBytes: number
  readonly clock: Clock
  readonly logger: Logger
  readonly randomBytes: (count: number) => Buffer
  /** Whether this process still owns the log's folder. */
  readonly isOwner: () => Promise<boolean>
  /** Small in tests, so that they reach rotation. */
  readonly fileBytes?: number
}

export type AppendLetterResult = 'kept' | { readonly failed: unknown }
export type Removal = LetterCount | { readonly failed: unknown }

/** Rejects with RELAY_LOG_NEWER, or the system's error when the folder cannot be used. */
export async function openDeadLetters(options: DeadLettersOptions): Promise<DeadLetters> {
  const { files, logFolder, output, isOwner, logger } = options
  const folder = deadFolder(logFolder, output)
  const cursor = new CursorFile({ files, folder, output, isOwner })
  const loaded = await cursor.load()
  if (loaded.kind === 'unreadable') {
    const text = `output "${output}": dead letters: ${loaded.why}; removed ones may come back`
    logger.warn({ output, folder }, text)
  }
  const removedBelow = loaded.kind === 'loaded' ? loaded.cursor.doneBelow : 0
  const dead = new DeadLetters(options, { folder, cursor, removedBelow })
  await dead.open()
  return dead
}

export class DeadLetters implements AsyncDisposable {
  readonly #options: DeadLettersOptions
  readonly #folder: string
  readonly #cursor: CursorFile
  /** `undefined` before the first letter, and while `#beginAnew` replaces the log. */
  #log: SegmentLog | undefined
  #opening: Promise<SegmentLog> | undefined
  #removedBelow: number
  /** Chain of removals, one after the other; it begins with the count of former letters. */
  #removing: Promise<unknown> = Promise.resolve()
  #isClosed = false
  readonly #books = new LetterBooks()
  readonly #dropThrottle: LogThrottle

  constructor(
    options: DeadLettersOptions,
    place: { readonly folder: string; readonly cursor: CursorFile; readonly removedBelow: number },
  ) {
    this.#options = options
    this.#folder = place.folder
    this.#cursor = place.cursor
    this.#removedBelow = place.removedBelow
    this.#dropThrottle = new LogThrottle(options.clock, REPEAT_INTERVAL_MS)
  }

  /** Call once, before anything else. The count of former letters goes on in the background. */
  async open(): Promise<void> {
    // An output that never refuses a line gets no folder.
    if ((await this.#fileNames()).length === 0) return
    const log = await this.#openLog()
    this.#books.isCounting = true
    const former = this.#countBelow(log, log.nextSequence)
    this.#removing = former
      .then(async (count) => {
        this.#books.addFormer(count)
        await this.#noteOldest(log)
      })
      .catch(this.#warn('cannot count them'))
  }

  /** Never rejects. Letters that wait together share one sync. */
  async append(letter: DeadLetter): Promise<AppendLetterResult> {
    assert(!this.#isClosed, 'BUG: a letter for a closed store')
    try {
      let log = this.#log
      // Checked after the await: the opened log may have been replaced by then.
      while (log === undefined || log !== this.#log) log = await this.#openLog()
      const appending = log.append(letterContent(letter))
      if (appending === undefined) return { failed: new Error('it is larger than a record may be') }
      const result = await appending.result
      if (result.kind === 'failed') return { failed: result.error }
      this.#books.keep(letter.write.lineCount, letter.deadAtMs)
      if (this.#isOverBound(log)) this.#startDropping(log)
      return 'kept'
    } catch (error) {
      return { failed: error }
    }
  }

  /** All letters on the disk at the time of the call, oldest first. Rejects on a read error. */
  async *letters(): AsyncGenerator<StoredLetter> {
    const log = this.#log ?? (await this.#opening)
    if (log !== undefined) yield* this.#lettersBelow(log, log.syncedBelow)
  }

  /**
   * Removes all letters that are on the disk now; with `beforeMs`, only the oldest ones, up to the
   * first that was refused at that time or later. Never rejects.
   */
  async purge(beforeMs: number | undefined): Promise<Removal> {
    try {
      const below = await this.#firstDeadSince(beforeMs)
      return await this.#enqueue(() => this.#remove(below, 'purged'))
    } catch (error) {
      return { failed: error }
    }
  }

  /** Removes all letters below `number`, which were replayed. Never rejects. */
  removeBelow(number: number): Promise<Removal> {
    return this.#enqueue(() => this.#remove(number, 'replayed'))
  }

  snapshot(): DeadLettersSnapshot {
    const { clock, limitBytes } = this.#options
    return {
      ...this.#books.snapshot(clock.wallMs()),
      bytes: this.#log?.bytes ?? 0,
      limitBytes,
      damagedBytes: this.#log?.quarantine.damagedBytes ?? 0,
    }
  }

  /** Writes all waiting letters. No append may follow. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    await this.#removing
    const log = this.#log ?? (await this.#opening?.catch(() => undefined))
    await log?.[Symbol.asyncDispose]()
  }

  #openLog(): Promise<SegmentLog> {
    const { files, output, logger, randomBytes, isOwner, limitBytes, fileBytes } = this.#options
    const sharedBytes = Math.max(FILE_BYTES_MIN, Math.floor(limitBytes / FILES_IN_BOUND))
    const segmentBytes = fileBytes ?? Math.min(FILE_BYTES, sharedBytes)
    const open = async () => {
      try {
        this.#log = await openSegmentLog({
          ...{ files, randomBytes, isOwner, folder: this.#folder, roster: [output], segmentBytes },
          logger: withPrefix(logger, `output "${output}": dead letters: `),
          sequenceAtLeast: Math.max(1, this.#removedBelow),
        })
        return this.#log
      } finally {
        this.#opening = undefined
      }
    }
    if (this.#log !== undefined) return Promise.resolve(this.#log)
    this.#opening ??= open()
    return this.#opening
  }

  /** All letters below `below` that are not removed. */
  #lettersBelow(log: SegmentLog, below: number): AsyncGenerator<StoredLetter> {
    return lettersOf(log, this.#removedBelow, below)
  }

  #countBelow(log: SegmentLog, below: number): Promise<LetterCount> {
    return countLetters(this.#lettersBelow(log, below))
  }

  async #firstDeadSince(beforeMs: number | undefined): Promise<number> {
    const log = this.#log ?? (await this.#opening)
    if (log === undefined) return 0
    const below = log.syncedBelow
    if (beforeMs === undefined) return below
    for await (const { number, deadAtMs } of this.#lettersBelow(log, below)) {
      if (deadAtMs >= beforeMs) return number
    }
    return below
  }

  /** Runs `remove` after all earlier removals. Never rejects. */
  #enqueue(remove: () => Promise<LetterCount>): Promise<Removal> {
    const removal = this.#removing.then(async () => {
      try {
        return await remove()
      } catch (error) {
        return { failed: error }
      }
    })
    this.#removing = removal
    return removal
  }

  /** Never rejects: a read error here must not make the removal before it look failed. */
  async #noteOldest(log: SegmentLog): Promise<void> {
    try {
      for await (const letter of this.#lettersBelow(log, log.syncedBelow)) {
        return this.#books.noteOldest(letter)
      }
    } catch (error) {
      this.#warn('cannot tell how old the oldest is')(error)
    }
  }

  async #remove(number: number, why: LetterRemoval): Promise<LetterCount> {
    const log = this.#log ?? (await this.#opening)
    const below = Math.min(number, log?.syncedBelow ?? 0)
    if (log === undefined || below <= this.#removedBelow) return { letters: 0, lines: 0 }
    const count = await this.#countBelow(log, below)
    const { output } = this.#options
    const cursor = { output, doneBelow: below, done: [], files: [] }
    const saved = await this.#cursor.save(cursor)
    if (saved.kind === 'failed') throw saved.error
    this.#removedBelow = below
    this.#books.remove(why, count)
    // When no letter is left the last file goes too: an operator who purges wants the data gone.
    if (log.nextSequence === below && !this.#isClosed) await this.#beginAnew(log)
    else await log.trimBelow(below)
    if (log === this.#log) await this.#noteOldest(log)
    return count
  }

  /** Deletes all files. The cursor makes sure that their numbers are not used again. */
  async #beginAnew(log: SegmentLog): Promise<void> {
    const { files } = this.#options
    const anew = async () => {
      try {
        await log[Symbol.asyncDispose]()
        for (const name of await this.#fileNames()) await files.unlink(join(this.#folder, name))
        await files.syncFolder(this.#folder)
      } catch (error) {
        this.#warn('cannot delete a file')(error)
      }
      this.#opening = undefined
      return await this.#openLog()
    }
    // Until `anew` is done, new letters wait for the new log.
    this.#log = undefined
    this.#opening = anew()
    await this.#opening.catch(this.#warn('cannot begin a new file'))
  }

  #isOverBound(log: SegmentLog): boolean {
    return log.bytes > this.#options.limitBytes && log.sizes.length > 1
  }

  #startDropping(log: SegmentLog): void {
    this.#removing = this.#enqueue(() => this.#dropOldest(log)).then((removal) => {
      if ('failed' in removal) this.#warn('cannot drop the oldest')(removal.failed)
    })
  }

  async #dropOldest(log: SegmentLog): Promise<LetterCount> {
    const sum = { letters: 0, lines: 0 }
    while (log === this.#log && this.#isOverBound(log)) {
      const [, second = ''] = await this.#fileNames()
      const below = Number.parseInt(second, 16)
      const count = await this.#countBelow(log, below)
      await log.trimBelow(below)
      if (log.firstSequence < below) break // The file cannot be deleted; the log has reported it.
      this.#removedBelow = Math.max(this.#removedBelow, below)
      this.#books.remove('dropped', count)
      sum.letters += count.letters
      sum.lines += count.lines
    }
    if (log === this.#log) await this.#noteOldest(log)
    if (sum.letters > 0) this.#tellDropped(sum)
    return sum
  }

  #tellDropped({ letters, lines }: LetterCount): void {
    const suppressed = this.#dropThrottle.hit()
    if (suppressed === undefined) return
    const { output, logger, limitBytes } = this.#options
    const bound = `dead letters: the bound of ${renderBytes(limitBytes)} is reached`
    const dropped = `${renderCount(letters, 'letter')} with ${renderCount(lines, 'line')}`
    logger.error(
      { output, letters, lines, limitBytes },
      `output "${output}": ${bound}: dropped the oldest ${dropped}; replay or purge what is left` +
        renderRepeats(suppressed),
    )
  }

  /** Names of the files with letters, oldest first. */
  async #fileNames(): Promise<readonly string[]> {
    try {
      const entries = await this.#options.files.list(this.#folder)
      return entries.map(({ name }) => name).filter(isSegmentName)
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return []
      throw error
    }
  }

  #warn(what: string): (error: unknown) => void {
    const { output, logger } = this.#options
    return (error) => {
      logger.warn({ output }, `output "${output}": dead letters: ${what}: ${errorText(error)}`)
    }
  }
}
