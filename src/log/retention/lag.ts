/**
 * The lag of an output: the records that the output has not done, estimated without reading the
 * log. Pure.
 *
 *     segments  [ 1 … 40 ][ 41 … 90 ][ 91 … 130 ]
 *                    ├───── lag ──────┤
 *
 * `writes` counts the sequence numbers that are not done, including numbers without a record.
 * `bytes` assumes that all numbers of a segment have the same size. Both are exact when nothing is
 * left to read: then they are 0.
 */

import type { DoneRanges } from '../cursors/done-ranges.ts'
import type { SegmentSize } from './log-bounds.ts'

export interface Lag {
  readonly writes: number
  readonly bytes: number
}

export interface LagOptions {
  /** Oldest first. */
  readonly segments: readonly SegmentSize[]
  /** The records that the output has done. */
  readonly done: DoneRanges
  /** First sequence number that the output may not have read. */
  readonly from: number
  /** End of the range, exclusive. */
  readonly to: number
  /** Above all sequence numbers of the last segment. */
  readonly nextSequence: number
}

export function lagOf({ segments, done, from, to, nextSequence }: LagOptions): Lag {
  const writes = done.openCount(from, to)
  let bytes = 0
  for (const [index, segment] of segments.entries()) {
    const { firstSequence } = segment
    const end = segments[index + 1]?.firstSequence ?? nextSequence
    if (end <= from || firstSequence >= to || writes === 0) continue
    const open = done.openCount(Math.max(from, firstSequence), Math.min(to, end))
    bytes += segment.bytes * (open / (end - firstSequence))
  }
  return { writes, bytes: Math.round(bytes) }
}
