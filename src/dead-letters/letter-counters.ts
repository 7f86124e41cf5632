/**
 * Counts the dead letters of one output, and the letters removed since its store was opened.
 *
 *     letters now = those of former runs + kept − dropped − replayed − purged − lost
 */

import type { StoredLetter } from './letter.ts'
import type { LetterCount } from './reader.ts'

/**
 * `dropped`: at the bound; `replayed`, `purged`: by an operator; `lost`: with files that somebody
 * removed.
 */
export type LetterRemoval = 'dropped' | 'replayed' | 'purged' | 'lost'

export interface DeadLettersSnapshot extends LetterCount {
  /** Letters and lines of former runs are still being counted. */
  readonly isCounting: boolean
  /** Age of the oldest letter, milliseconds; 0 when there is none. */
  readonly oldestAgeMs: number
  /** Size on disk; includes removed letters until their whole file is deleted. */
  readonly bytes: number
  readonly limitBytes: number
  /** Since opening. */
  readonly removed: Readonly<Record<LetterRemoval, LetterCount>>
  readonly damagedBytes: number
}

export class LetterCounters {
  isCounting = false
  #letters = 0
  #lines = 0
  /** When the oldest letter was refused, milliseconds since the Unix epoch. */
  #oldestAtMs: number | undefined
  readonly #removed = {
    dropped: none(),
    replayed: none(),
    purged: none(),
    lost: none(),
  }

  /** Counts a new letter, which is newer than all others. */
  keep(lineCount: number, deadAtMs: number): void {
    if (this.#letters === 0) this.#oldestAtMs = deadAtMs
    this.#letters++
    this.#lines += lineCount
  }

  /** Adds the count of former runs, whose letters are older than all that were kept since. */
  addFormer({ letters, lines }: LetterCount): void {
    this.#letters += letters
    this.#lines += lines
    this.isCounting = false
  }

  /** The letters that exist now. */
  get count(): LetterCount {
    return { letters: this.#letters, lines: this.#lines }
  }

  /**
   * After files were removed: the remaining letters were counted again.
   *
   * @param before the letters counted before the loss
   * @param now the letters that remain of them
   * @returns the lost letters
   */
  recount(before: LetterCount, now: LetterCount): LetterCount {
    this.isCounting = false
    const lost = {
      letters: Math.max(0, before.letters - now.letters),
      lines: Math.max(0, before.lines - now.lines),
    }
    this.remove('lost', lost)
    // `now` may be more than `before`: letters of former runs had not been counted yet.
    this.#letters += now.letters + lost.letters - before.letters
    this.#lines += now.lines + lost.lines - before.lines
    return lost
  }

  remove(why: LetterRemoval, { letters, lines }: LetterCount): void {
    this.#letters -= letters
    this.#lines -= lines
    this.#removed[why].letters += letters
    this.#removed[why].lines += lines
    if (this.#letters <= 0) this.#oldestAtMs = undefined
  }

  /** @param oldest `undefined` when no letter is on the disk */
  noteOldest(oldest: StoredLetter | undefined): void {
    if (oldest !== undefined) this.#oldestAtMs = oldest.deadAtMs
  }

  snapshot(nowMs: number): Omit<DeadLettersSnapshot, 'bytes' | 'limitBytes' | 'damagedBytes'> {
    const { dropped, replayed, purged, lost } = this.#removed
    return {
      letters: this.#letters,
      lines: this.#lines,
      isCounting: this.isCounting,
      // The wall clock may have been set back since the letter was kept.
      oldestAgeMs: this.#oldestAtMs === undefined ? 0 : Math.max(0, nowMs - this.#oldestAtMs),
      removed: {
        dropped: { ...dropped },
        replayed: { ...replayed },
        purged: { ...purged },
        lost: { ...lost },
      },
    }
  }
}

function none(): { letters: number; lines: number } {
  return { letters: 0, lines: 0 }
}
