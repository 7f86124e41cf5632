/**
 * What an output that is too far behind has to give up, so that the log stays within its bounds.
 * Pure.
 *
 *     segments  [ 1 … 40 ][ 41 … 90 ][ 91 … 130 ]
 *     b owes from 12 on ─┘      a is through with all below 97
 *
 * Given up are whole segments of the oldest, and never what no other output is through with: a
 * record that nobody has is kept, and new writes are refused instead. So it is with what an output
 * owes that keeps pace with the others (in-sync.ts).
 */

export interface SegmentSize {
  readonly firstSequence: number
  readonly bytes: number
}

export interface BoundedPlace {
  /** It is through with all records below. */
  readonly below: number
  /** Records below it were never for this output: nobody else may rely on its having them. */
  readonly since: number
  /** Else it has its place only in case it comes back, and nobody else may rely on it. */
  readonly isConfigured: boolean
  /** How much may be kept for it. */
  readonly boundBytes: number
  /** It is merely a little behind: it gives up nothing. */
  readonly isInSync: boolean
}

export interface BoundsOptions {
  /** Oldest first. */
  readonly segments: readonly SegmentSize[]
  readonly places: readonly BoundedPlace[]
  /** Of all segments, above which the furthest behind has to give way. */
  readonly maxBytes: number
}

/** @returns for each output the number below which it gives up what it owes; 0 = nothing */
export function giveUpBelow({ segments, places, maxBytes }: BoundsOptions): readonly number[] {
  const totalBytes = segments.reduce((sum, { bytes }) => sum + bytes, 0)
  const furthest = Math.min(...places.map(({ below }) => below))
  return places.map(({ below, boundBytes, isInSync }, index) => {
    const limit = othersBelow(places, index)
    if (isInSync || limit <= below) return 0
    const excessBytes = Math.max(
      keptBytes(segments, below) - boundBytes,
      below === furthest ? totalBytes - maxBytes : 0,
    )
    if (excessBytes <= 0) return 0
    const wanted = endOf(segments, bytesBelow(segments, below) + excessBytes)
    // A part of a segment would be given up for nothing: the rest of it keeps it from going.
    const end = wanted <= limit ? wanted : startOf(segments, limit)
    return end > below ? end : 0
  })
}

/** The number that the furthest of those has reached that have what this output owes. */
export function othersBelow(
  places: readonly Pick<BoundedPlace, 'below' | 'since' | 'isConfigured'>[],
  index: number,
): number {
  const below = places[index]?.below ?? 0
  // One that came later does not have the oldest, which is what keeps the rest from going.
  const others = places.filter(({ since, isConfigured }, other) => {
    return other !== index && isConfigured && since <= below
  })
  return Math.max(0, ...others.map((other) => other.below))
}

/** Of the segments that are kept for an output that is through with all below the number. */
export function keptBytes(segments: readonly SegmentSize[], below: number): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0) - bytesBelow(segments, below)
}

/** Of the segments that lie wholly below the number. */
function bytesBelow(segments: readonly SegmentSize[], sequence: number): number {
  let bytes = 0
  for (const [index, segment] of segments.entries()) {
    const next = segments[index + 1]
    if (next === undefined || next.firstSequence > sequence) break
    bytes += segment.bytes
  }
  return bytes
}

/** Where the segment begins that a number is in, or that it is the end of. */
function startOf(segments: readonly SegmentSize[], sequence: number): number {
  return segments.findLast(({ firstSequence }) => firstSequence <= sequence)?.firstSequence ?? 0
}

/** The number at which so many bytes of the log are behind, in whole segments. */
function endOf(segments: readonly SegmentSize[], bytes: number): number {
  let passedBytes = 0
  for (const [index, segment] of segments.entries()) {
    passedBytes += segment.bytes
    const next = segments[index + 1]
    // The last one is being written: nothing is gained by giving up what stands in it.
    if (next === undefined) return segment.firstSequence
    if (passedBytes >= bytes) return next.firstSequence
  }
  return 0
}
