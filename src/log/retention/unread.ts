/**
 * How much of the log an output has not read yet, without reading it. Pure.
 *
 *     segments  [ 1 … 40 ][ 41 … 90 ][ 91 … 130 ]
 *                    ├──── unread ────┤
 *
 * Writes are counted by number: those that are not done, whether or not there is a record of each.
 * A segment's bytes are shared out evenly among its numbers. Both are exact again where nothing is
 * left to be read: then they are 0.
 */

import type { DoneRanges } from '../cursors/done-ranges.ts'
import type { SegmentSize } from './log-bounds.ts'

export interface Unread {
  readonly writes: number
  readonly bytes: number
}

export interface UnreadOptions {
  /** Oldest first. */
  readonly segments: readonly SegmentSize[]
  /** What the output is through with. */
  readonly done: DoneRanges
  /** Number of the first that it may not have read. */
  readonly from: number
  /** The one behind the last. */
  readonly to: number
  /** Above all numbers of the last segment. */
  readonly nextSequence: number
}

export function unreadOf({ segments, done, from, to, nextSequence }: UnreadOptions): Unread {
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
