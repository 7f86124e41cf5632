/**
 * Rewrites timestamps in nanoseconds for readers that take no other unit, such as `influx -import`.
 */

import { latin1 } from '../bytes.ts'
import { nsPer, type Precision } from '../precision.ts'
import { Edits } from '../scan/edits.ts'
import { endingTimestamp } from '../scan/timestamp.ts'
import { forEachLine } from './split.ts'

/**
 * @param lines accepted by `scanLines`, so each line has a timestamp
 * @param precision the unit of these timestamps
 * @returns the same lines in nanoseconds; the same buffer if `precision` is already `ns`
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
