/**
 * How many dead letters of an output there are, and what has become of the others since it was
 * opened.
 *
 *     letters now = those of former runs + kept − dropped − replayed − purged
 */

import type { StoredLetter } from './letter.ts'
import type { LetterCount } from './reader.ts'

/** At the bound, or by an operator: sent again, or deleted. */
export type LetterRemoval = 'dropped' | 'replayed' | 'purged'

export interface DeadLettersSnapshot extends LetterCount {
  /** Letters and lines of former runs are still being counted. */
  readonly isCounting: boolean
  /** Age of the oldest, milliseconds; 0 when there is none. */
  readonly oldestAgeMs: number
  /** On disk; removed letters take some until their file is through. */
  readonly bytes: number
  readonly limitBytes: number
  /** Since opening. */
  readonly removed: Readonly<Record<LetterRemoval, LetterCount>>
  readonly damagedBytes: number
}

export class LetterBooks {
  isCounting = false
  #letters = 0
  #lines = 0
  /** When the oldest died, milliseconds since the Unix epoch. */
  #oldestAtMs: number | undefined
  readonly #removed = { dropped: none(), replayed: none(), purged: none() }

  /** One more, behind all that are there. */
  keep(lineCount: number, deadAtMs: number): void {
    if (this.#letters === 0) this.#oldestAtMs = deadAtMs
    this.#letters++
    this.#lines += lineCount
  }

  /** Those of former runs, which came before any that was kept since. */
  addFormer({ letters, lines }: LetterCount): void {
    this.#letters += letters
    this.#lines += lines
    this.isCounting = false
  }

  remove(why: LetterRemoval, { letters, lines }: LetterCount): void {
    this.#letters -= letters
    this.#lines -= lines
    this.#removed[why].letters += letters
    this.#removed[why].lines += lines
    if (this.#letters <= 0) this.#oldestAtMs = undefined
  }

  /** @param oldest `undefined`: none is on the disk */
  noteOldest(oldest: StoredLetter | undefined): void {
    if (oldest !== undefined) this.#oldestAtMs = oldest.deadAtMs
  }

  snapshot(nowMs: number): Omit<DeadLettersSnapshot, 'bytes' | 'limitBytes' | 'damagedBytes'> {
    const { dropped, replayed, purged } = this.#removed
    return {
      letters: this.#letters,
      lines: this.#lines,
      isCounting: this.isCounting,
      // The clock may have been set back since.
      oldestAgeMs: this.#oldestAtMs === undefined ? 0 : Math.max(0, nowMs - this.#oldestAtMs),
      removed: { dropped: { ...dropped }, replayed: { ...replayed }, purged: { ...purged } },
    }
  }
}

function none(): { letters: number; lines: number } {
  return { letters: 0, lines: 0 }
}
