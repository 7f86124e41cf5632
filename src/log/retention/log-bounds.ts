/**
 * Decides which records an output with too much lag gives up, so that the log stays within its
 * bounds. Pure.
 *
 *     segments  [ 1 … 40 ][ 41 … 90 ][ 91 … 130 ]
 *     b is owed 12 … ────┘      a has done all below 97
 *
 * An output gives up its oldest records, in whole segments, and only records that another output
 * has done. A record that no output has done is kept; the log refuses new writes instead.
 */

export interface SegmentSize {
  readonly firstSequence: number
  readonly bytes: number
}

export interface BoundedCursor {
  /** The output has done all records with a lower number. */
  readonly below: number
  /** Records with a lower number were never for this output: do not count them as stored there. */
  readonly since: number
  /** False: the cursor is kept in case the output returns; do not count its records as stored. */
  readonly isConfigured: boolean
  /** Most bytes of the log that may be kept for this output. */
  readonly boundBytes: number
  /** The output keeps pace (keeping-pace.ts), so it gives up nothing. */
  readonly keepsPace: boolean
}

export interface BoundsOptions {
  /** Oldest first. */
  readonly segments: readonly SegmentSize[]
  readonly cursors: readonly BoundedCursor[]
  /** Bound on all segments; above it the output with the largest lag gives up records. */
  readonly maxBytes: number
}

/** @returns for each output the number below which it gives up its owed records; 0 = none */
export function dropBelow({ segments, cursors, maxBytes }: BoundsOptions): readonly number[] {
  const totalBytes = segments.reduce((sum, { bytes }) => sum + bytes, 0)
  const slowestBelow = Math.min(...cursors.map(({ below }) => below))
  return cursors.map(({ below, boundBytes, keepsPace }, index) => {
    const limit = leadingBelow(cursors, index)
    if (keepsPace || limit <= below) return 0
    const excessBytes = Math.max(
      keptBytes(segments, below) - boundBytes,
      below === slowestBelow ? totalBytes - maxBytes : 0,
    )
    if (excessBytes <= 0) return 0
    const wanted = endOf(segments, bytesBelow(segments, below) + excessBytes)
    // Giving up part of a segment frees nothing: its other owed records keep the whole segment.
    const end = wanted <= limit ? wanted : startOf(segments, limit)
    return end > below ? end : 0
  })
}

/** The position of the leading other output that has every record this output is owed. */
export function leadingBelow(
  cursors: readonly Pick<BoundedCursor, 'below' | 'since' | 'isConfigured'>[],
  index: number,
): number {
  const below = cursors[index]?.below ?? 0
  // An output added later never got the oldest owed records, and these keep the segments.
  const others = cursors.filter(({ since, isConfigured }, other) => {
    return other !== index && isConfigured && since <= below
  })
  return Math.max(0, ...others.map((other) => other.below))
}

/** Bytes of the segments kept for an output that has done all records below the number. */
export function keptBytes(segments: readonly SegmentSize[], below: number): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0) - bytesBelow(segments, below)
}

/** Bytes of the segments whose records are all below the number. */
function bytesBelow(segments: readonly SegmentSize[], sequence: number): number {
  let bytes = 0
  for (const [index, segment] of segments.entries()) {
    const next = segments[index + 1]
    if (next === undefined || next.firstSequence > sequence) break
    bytes += segment.bytes
  }
  return bytes
}

/** First number of the segment that contains the number or ends at it. */
function startOf(segments: readonly SegmentSize[], sequence: number): number {
  return segments.findLast(({ firstSequence }) => firstSequence <= sequence)?.firstSequence ?? 0
}

/** The number up to which `bytes` of the log can be trimmed, in whole segments. */
function endOf(segments: readonly SegmentSize[], bytes: number): number {
  let passedBytes = 0
  for (const [index, segment] of segments.entries()) {
    passedBytes += segment.bytes
    const next = segments[index + 1]
    // The last segment is active and cannot be trimmed, so giving up its records frees nothing.
    if (next === undefined) return segment.firstSequence
    if (passedBytes >= bytes) return next.firstSequence
  }
  return 0
}
