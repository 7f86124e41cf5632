/**
 * Splits scanned lines, for datagrams, filters, and bisecting.
 *
 * Only for lines that `scanLines` accepted: their meaning does not depend on neighbouring lines.
 */

import { BACKSLASH, NEWLINE, QUOTE } from '../bytes.ts'
import { settledLineEnd } from '../scan/line-end.ts'

/**
 * Visits each line from front to back.
 *
 * @param visit called with the range `[start, end)` of each line, its newline included
 */
export function forEachLine(lines: Buffer, visit: (start: number, end: number) => void): void {
  const endOf = lineEndFinder(lines)
  let start = 0
  while (start < lines.length) {
    const end = endOf(start)
    visit(start, end)
    start = end
  }
}

/** @returns a function from the start of a line to its end, the newline included */
export function lineEndFinder(lines: Buffer): (start: number) => number {
  // Without quotes and backslashes every newline ends a line, and a native search is faster.
  const isPlain = lines.indexOf(QUOTE) === -1 && lines.indexOf(BACKSLASH) === -1
  return (start) => {
    const newlineAt = isPlain
      ? lines.indexOf(NEWLINE, start)
      : settledLineEnd(lines, start, lines.length)
    return newlineAt === -1 ? lines.length : Math.min(newlineAt + 1, lines.length)
  }
}

export interface Lines {
  readonly body: Buffer
  readonly lineCount: number
}

/** The first half of the lines, and the rest. @param lineCount lines in `lines`, at least 2 */
export function halveLines(lines: Buffer, lineCount: number): readonly [Lines, Lines] {
  const firstCount = lineCount >> 1
  let seen = 0
  let middle = 0
  forEachLine(lines, (_start, end) => {
    seen++
    if (seen === firstCount) middle = end
  })
  const first = { body: lines.subarray(0, middle), lineCount: firstCount }
  return [first, { body: lines.subarray(middle), lineCount: lineCount - firstCount }]
}
