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
 * Removed files are rewritten like those of the log (letter-loss.ts); letters that can no longer be
 * read are counted and logged as lost.
 *
 * Limits: `limitBytes` in all; above it the oldest file is dropped (counted, logged). The bound is
 * exceeded by at most one file, the one being written. A file has at most FILE_BYTES, or one larger
 * letter.
 *
 * Only the owner of the log's folder may change anything here (log/lock/folder-lock.ts).
 */

import assert from 'node:assert/strict'
import { CursorFile } from '../log/cursors/cursor-file.ts'
import type { SegmentLog } from '../log/segments/segment-log.ts'
import type { Clock } from '../std/clock.ts'
import { errorCode } from '../std/errors.ts'
import { deadFolder } from './folder.ts'
import { type DeadLetter, letterContent, type StoredLetter } from './letter.ts'
import { type DeadLettersSnapshot, LetterCounters, type LetterRemoval } from './letter-counters.ts'
import { LetterLog, type LetterLogOptions } from './letter-log.ts'
import { LetterLoss } from './letter-loss.ts'
import { LetterMessages } from './letter-messages.ts'
import { countLetters, type LetterCount, lettersOf } from './reader.ts'

/** Error codes of an append whose folder or file is gone. */
const LOST = ['RELAY_LOG_LOST', 'ENOENT']

export interface DeadLettersOptions extends LetterLogOptions {
  /** The relay's `log-dir`. */
  readonly logFolder: string
  readonly clock: Clock
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
  readonly #cursor: CursorFile
  readonly #log: LetterLog
  #removedBelow: number
  /** Chain of removals, one after the other; it begins with the count of former letters. */
  #removing: Promise<unknown> = Promise.resolve()
  #isClosed = false
  readonly #counters = new LetterCounters()
  readonly #messages: LetterMessages
  readonly #loss: LetterLoss
  /** Set while files are checked or rewritten. */
  #mending: Promise<void> | undefined

  constructor(
    options: DeadLettersOptions,
    place: { readonly folder: string; readonly cursor: CursorFile; readonly removedBelow: number },
  ) {
    this.#options = options
    this.#cursor = place.cursor
    this.#removedBelow = place.removedBelow
    this.#messages = new LetterMessages(options)
    const { folder } = place
    this.#loss = new LetterLoss({ ...options, folder })
    this.#log = new LetterLog(options, {
      ...{ folder, loss: this.#loss, messages: this.#messages },
      removedBelow: () => this.#removedBelow,
    })
  }

  /** Call once, before anything else. The count of former letters goes on in the background. */
  async open(): Promise<void> {
    // Outputs that never refuse anything get no folder.
    if ((await this.#log.fileNames()).length === 0) return
    const log = await this.#log.open()
    this.#counters.isCounting = true
    const former = this.#countBelow(log, log.nextSequence)
    this.#removing = former
      .then(async (count) => {
        this.#counters.addFormer(count)
        await this.#noteOldest(log)
      })
      .catch(this.#messages.warn('cannot count them'))
  }

  /**
   * Never rejects. One sync serves all waiting appends. While the folder or a file is lost, appends
   * wait for the repair.
   */
  async append(letter: DeadLetter): Promise<AppendLetterResult> {
    assert(!this.#isClosed, 'BUG: a letter for a closed store')
    for (;;) {
      const result = await this.#tryAppend(letter)
      if (result === 'kept' || !LOST.includes(errorCode(result.failed))) return result
      this.#loss.note()
      if (!(await this.#loss.waits(letter.write.body.length))) return result
    }
  }

  /**
   * Checks that all files are in place, and starts the repair of missing ones after running
   * removals. Call whenever the log's folder was found ours and complete. Never rejects.
   *
   * @param isForced checks again even if the last check was a moment ago, and resolves when the
   *   repair has ended
   */
  async look(isForced = false): Promise<void> {
    if (isForced) await this.#mending
    const log = this.#log.current
    if (this.#mending !== undefined || this.#isClosed || this.#log.isOpening) return
    if (log === undefined) return this.#loss.noteComplete()
    const looking = this.#loss.look(log, isForced).catch(() => true)
    const mending = looking.then((isLost) => (isLost ? this.#startMending(log) : undefined))
    this.#mending = mending.finally(() => {
      this.#mending = undefined
    })
    await (isForced ? this.#mending : looking) // Neither rejects.
  }

  /**
   * The letters that were on the disk at the call, oldest first. Rejects when a file cannot be
   * read.
   */
  async *letters(): AsyncGenerator<StoredLetter> {
    const log = await this.#log.existing()
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
      ...this.#counters.snapshot(clock.wallMs()),
      bytes: this.#log.current?.bytes ?? 0,
      limitBytes,
      damagedBytes: this.#log.current?.quarantine.damagedBytes ?? 0,
    }
  }

  /** Writes all waiting letters. No append may follow. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#loss.close()
    await this.#removing
    const log = await this.#log.existing().catch(() => undefined)
    await log?.[Symbol.asyncDispose]()
  }

  async #tryAppend(letter: DeadLetter): Promise<AppendLetterResult> {
    try {
      const log = await this.#log.open()
      const appending = log.append(letterContent(letter))
      if (appending === undefined) return { failed: new Error('it is larger than a record may be') }
      const result = await appending.result
      if (result.kind === 'failed') return { failed: result.error }
      this.#counters.keep(letter.write.lineCount, letter.deadAtMs)
      if (this.#isOverBound(log)) this.#startDropping(log)
      return 'kept'
    } catch (error) {
      return { failed: error }
    }
  }

  async #startMending(log: SegmentLog): Promise<void> {
    const result = await this.#enqueue(() => this.#mend(log))
    if ('failed' in result) this.#messages.notMended(result.failed)
  }

  /** @returns the letters that could not be recovered */
  async #mend(log: SegmentLog): Promise<LetterCount> {
    const none = { letters: 0, lines: 0 }
    // If the folder is not ours, nothing is repaired now; the next check tries again.
    if (log !== this.#log.current || this.#isClosed || !(await this.#options.isOwner())) return none
    await this.#log.makeFolder()
    if (!(await this.#loss.mend(log, this.#removedBelow))) return none
    const former = this.#counters.count
    const below = log.nextSequence
    this.#loss.noteComplete()
    await this.#saveCursor(this.#removedBelow)
    const lost = this.#counters.recount(former, await this.#countBelow(log, below))
    await this.#noteOldest(log)
    this.#messages.mended(lost)
    return lost
  }

  async #saveCursor(doneBelow: number): Promise<void> {
    const { output } = this.#options
    const saved = await this.#cursor.save({ output, doneBelow, done: [], files: [] })
    if (saved.kind === 'failed') throw saved.error
  }

  /** All letters below `below` that are not removed. */
  #lettersBelow(log: SegmentLog, below: number): AsyncGenerator<StoredLetter> {
    return lettersOf(log, this.#removedBelow, below)
  }

  #countBelow(log: SegmentLog, below: number): Promise<LetterCount> {
    return countLetters(this.#lettersBelow(log, below))
  }

  async #firstDeadSince(beforeMs: number | undefined): Promise<number> {
    const log = await this.#log.existing()
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
        return this.#counters.noteOldest(letter)
      }
    } catch (error) {
      this.#messages.warn('cannot tell how old the oldest is')(error)
    }
  }

  async #remove(number: number, why: LetterRemoval): Promise<LetterCount> {
    const log = await this.#log.existing()
    const below = Math.min(number, log?.syncedBelow ?? 0)
    if (log === undefined || below <= this.#removedBelow) return { letters: 0, lines: 0 }
    const count = await this.#countBelow(log, below)
    await this.#saveCursor(below)
    this.#removedBelow = below
    this.#counters.remove(why, count)
    // A purge also deletes the last file if it holds nothing else.
    if (log.nextSequence === below && !this.#isClosed) await this.#log.recreate(log)
    else await log.trimBelow(below)
    if (log === this.#log.current) await this.#noteOldest(log)
    return count
  }

  #isOverBound(log: SegmentLog): boolean {
    return log.bytes > this.#options.limitBytes && log.sizes.length > 1
  }

  #startDropping(log: SegmentLog): void {
    this.#removing = this.#enqueue(() => this.#dropOldest(log)).then((removal) => {
      if ('failed' in removal) this.#messages.warn('cannot drop the oldest file')(removal.failed)
    })
  }

  async #dropOldest(log: SegmentLog): Promise<LetterCount> {
    const sum = { letters: 0, lines: 0 }
    while (log === this.#log.current && this.#isOverBound(log)) {
      const [, second = ''] = await this.#log.fileNames()
      const below = Number.parseInt(second, 16)
      const count = await this.#countBelow(log, below)
      await log.trimBelow(below)
      if (log.firstSequence < below) break // The file cannot be deleted; the log has reported it.
      this.#removedBelow = Math.max(this.#removedBelow, below)
      this.#counters.remove('dropped', count)
      sum.letters += count.letters
      sum.lines += count.lines
    }
    if (log === this.#log.current) await this.#noteOldest(log)
    if (sum.letters > 0) this.#messages.dropped(sum)
    return sum
  }
}
