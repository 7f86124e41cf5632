/**
 * The readable segments of a log, in the order of their first sequence numbers.
 *
 * A list in memory; it reads and writes no files. The last segment may be growing.
 */

import type { SegmentSize } from '../retention/log-bounds.ts'
import type { FoundHeader, SegmentHeader } from './segment-header.ts'

export interface SegmentInfo {
  /** File name in the log's folder. Do not derive numbers from it: the file may be renamed. */
  readonly name: string
  readonly header: SegmentHeader
  readonly found: Extract<FoundHeader, { kind: 'header' }>
  /** End of the bytes that may be read. */
  readonly end: () => number
  /** More records may be appended. */
  readonly isGrowing: () => boolean
  /** The file has damage that could not be copied: it must not be deleted. */
  isKept: boolean
  /** The segment was lost, and a rewritten segment for the same numbers is in the list instead. */
  isReplaced?: boolean
}

export class SegmentList {
  readonly #segments: SegmentInfo[]

  /** @param segments in the order of their first sequence numbers, which are distinct */
  constructor(segments: readonly SegmentInfo[]) {
    this.#segments = [...segments]
  }

  get last(): SegmentInfo | undefined {
    return this.#segments.at(-1)
  }

  /** Bytes on disk, without unused room. */
  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.end(), 0)
  }

  /** Oldest first. */
  sizes(): readonly SegmentSize[] {
    return this.#segments.map(({ header, end }) => {
      return { firstSequence: header.firstSequence, bytes: end() }
    })
  }

  /** Lowest sequence number that the log may hold; 0 when there is no segment. */
  get firstSequence(): number {
    return this.#segments[0]?.header.firstSequence ?? 0
  }

  /** Names of the outputs that the relay had when it began each segment, oldest segment first. */
  rosters(): readonly (readonly string[])[] {
    return this.#segments.map(({ header }) => header.roster)
  }

  add(segment: SegmentInfo): void {
    this.#segments.push(segment)
  }

  /** Puts a rewritten segment in the place of a lost one that has the same numbers. */
  replace(lost: SegmentInfo, by: SegmentInfo): void {
    const index = this.#segments.indexOf(lost)
    if (index >= 0) this.#segments[index] = by
    lost.isReplaced = true
  }

  all(): readonly SegmentInfo[] {
    return [...this.#segments]
  }

  has(segment: SegmentInfo): boolean {
    return this.#segments.includes(segment)
  }

  remove(segment: SegmentInfo): void {
    const index = this.#segments.indexOf(segment)
    if (index >= 0) this.#segments.splice(index, 1)
  }

  /** The segment to begin with when searching the first record that is not below `sequence`. */
  covering(sequence: number): SegmentInfo | undefined {
    const isAtOrBelow = ({ header }: SegmentInfo) => header.firstSequence <= sequence
    return this.#segments.findLast(isAtOrBelow) ?? this.#segments[0]
  }

  after(segment: SegmentInfo): SegmentInfo | undefined {
    const { firstSequence } = segment.header
    return this.#segments.find(({ header }) => header.firstSequence > firstSequence)
  }

  /**
   * The segments whose records are all below `sequence`, oldest first. Never the last segment: a
   * restart continues the sequence numbers from there.
   */
  below(sequence: number): readonly SegmentInfo[] {
    return this.#segments.filter((_, index) => {
      const next = this.#segments[index + 1]
      return next !== undefined && next.header.firstSequence <= sequence
    })
  }
}
