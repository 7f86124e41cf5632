/**
 * Rewrites timestamps in nanoseconds, for readers that know no other unit: files for `influx
 * -import`.
 */

import { latin1 } from '../bytes.ts'
import { nsPer, type Precision } from '../precision.ts'
import { Edits } from '../scan/edits.ts'
import { endingTimestamp } from '../scan/timestamp.ts'
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
    const { from, end } = endingTimestamp(lines, start, lineEnd)
    const time = BigInt(latin1(lines, from, end)) * unit
    edits.replace(from, end, Buffer.from(String(time), 'latin1'))
  })
  return edits.apply()
}
