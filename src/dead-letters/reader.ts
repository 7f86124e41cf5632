/** Reads the letters of an open segment log in order, counts them, and renders the count. */

import type { SegmentLog } from '../log/segments/segment-log.ts'
import { renderCount } from '../std/units.ts'
import { decodeLetter, type StoredLetter } from './letter.ts'

export interface LetterCount {
  readonly letters: number
  readonly lines: number
}

/** The letters with numbers in [from, below). Rejects when a file cannot be read. */
export async function* lettersOf(
  log: SegmentLog,
  from: number,
  below: number,
): AsyncGenerator<StoredLetter> {
  await using reader = log.openReader(from)
  for (;;) {
    const records = await reader.read()
    if (records.length === 0) return
    for (const record of records) {
      if (record.sequence >= below) return
      const letter = decodeLetter(record)
      if (letter !== undefined) yield letter
    }
  }
}

export async function countLetters(letters: AsyncIterable<StoredLetter>): Promise<LetterCount> {
  let count = 0
  let lines = 0
  for await (const { write } of letters) {
    count++
    lines += write.lineCount
  }
  return { letters: count, lines }
}

export function renderLetters({ letters, lines }: LetterCount): string {
  return `${renderCount(letters, 'letter')} with ${renderCount(lines, 'line')}`
}
