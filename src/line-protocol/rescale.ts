/**
 * Rewrites timestamps in nanoseconds, for readers that know no other unit: files for `influx
 * -import`.
 */

import { byteAt, isDigit, latin1, MINUS, NEWLINE, SPACE } from './bytes.ts'
import { Edits } from './edits.ts'
import { nsPer, type Precision } from './precision.ts'
import { forEachLine } from './split.ts'

/**
 * @param lines as `scanLines` let them through: each has a timestamp
 * @param precision of those timestamps
 * @returns the same lines in nanoseconds; the same buffer when they are already
 */
export function rescaleToNanoseconds(lines: Buffer, precision: Precision): Buffer {
  if (precision === 'ns') return lines
  const unit = nsPer(precision)
  const edits = new Edits(lines)
  forEachLine(lines, (start, lineEnd) => {
    const end = timestampEnd(lines, lineEnd)
    const from = timestampStart(lines, start, end)
    const time = BigInt(latin1(lines, from, end)) * unit
    edits.replace(from, end, Buffer.from(String(time), 'latin1'))
  })
  return edits.apply()
}

/** Only spaces may stand behind a timestamp. */
function timestampEnd(lines: Buffer, lineEnd: number): number {
  let end = lineEnd
  while (byteAt(lines, end - 1) === NEWLINE || byteAt(lines, end - 1) === SPACE) end--
  return end
}

function timestampStart(lines: Buffer, start: number, end: number): number {
  let from = end
  while (from > start && (isDigit(byteAt(lines, from - 1)) || byteAt(lines, from - 1) === MINUS)) {
    from--
  }
  return from
}
