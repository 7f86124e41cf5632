/**
 * The dead letters of one output: what it refused for good, on disk until somebody looks at it.
 *
 * A log of its own (log/segments/segment-log.ts) in `<log-dir>/dead/<output>/`, with one cursor,
 * below which letters are removed; the layout stands in folder.ts. So appending, its one sync for
 * all that wait, new files after a failure and recovery are the log's.
 *
 *     refused ──append──▶ [ d4 d5 d6 d7 ] ──replay──▶ the relay's log, for this output alone
 *                           ▲      │
 *            removed below ─┘      └──purge, or over the bound──▶ gone
 *
 * Promise: `append` says `kept` only once the letter is on the disk; then, and not before, the
 * output's cursor in the relay's log may pass the lines. After `failed` the letter may or may not
 * be there: appended again, it may be there twice. Damage costs the letters that it is in.
 *
 * Limits: `limitBytes` in all, above which the oldest file goes (counted, logged); exceeded by one
 * file at the most, the one that is written. FILE_BYTES a file, or one longer letter.
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
/** So that dropping the oldest file does not drop most of what is there. */
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
  /** Whether the log's folder is still ours. */
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
  /** None before the first letter, and while it is made anew. */
  #log: SegmentLog | undefined
  #opening: Promise<SegmentLog> | undefined
  #removedBelow: number
  /** Removals, one after the other; the first thing in it is the count. */
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

  /** To be called once, before anything else. Counting what is there goes on behind it. */
  async open(): Promise<void> {
    // Outputs that never refuse anything get no folder.
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

  /** Never rejects. Those that wait together go down with one sync. */
  async append(letter: DeadLetter): Promise<AppendLetterResult> {
    assert(!this.#isClosed, 'BUG: a letter for a closed store')
    try {
      let log = this.#log
      // Looked at again: it may be closed by the time that we are told of its opening.
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

  /** What was on the disk when it was called, oldest first. Rejects when a file cannot be read. */
  async *letters(): AsyncGenerator<StoredLetter> {
    const log = this.#log ?? (await this.#opening)
    if (log !== undefined) yield* this.#lettersBelow(log, log.syncedBelow)
  }

  /**
   * Removes all letters that are on the disk now, or those at the beginning that died before
   * `beforeMs`. Never rejects.
   */
  async purge(beforeMs: number | undefined): Promise<Removal> {
    try {
      const below = await this.#firstDeadSince(beforeMs)
      return await this.#enqueue(() => this.#remove(below, 'purged'))
    } catch (error) {
      return { failed: error }
    }
  }

  /** All letters with a smaller number are to be sent again: removes them. Never rejects. */
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

  /** Writes what waits. No append may follow. */
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

  /** All that are not removed and have a smaller number. */
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

  /** Runs it after all that came before. Never rejects. */
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

  /** Never rejects: what was removed before it is removed. */
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
    // The last file goes too, when there is nothing else in it: whoever purges wants it gone.
    if (log.nextSequence === below && !this.#isClosed) await this.#beginAnew(log)
    else await log.trimBelow(below)
    if (log === this.#log) await this.#noteOldest(log)
    return count
  }

  /** Deletes all files. Their numbers stay taken, by the cursor. */
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
    // From here to the end of it, letters wait for the new log.
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
      if (log.firstSequence < below) break // It cannot be deleted, which was said.
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

  /** Of the files with letters, oldest first. */
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
