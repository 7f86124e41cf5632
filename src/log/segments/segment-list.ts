/**
 * The segments of a log that hold readable records, in the order of their first sequence numbers.
 *
 * A list in memory; what is on the disk is others' business. The last one may be growing.
 */

import type { SegmentSize } from '../retention/log-bounds.ts'
import type { FoundHeader, SegmentHeader } from './segment-header.ts'

export interface SegmentInfo {
  /** Of its file in the log's folder. Says nothing: somebody may have renamed it. */
  readonly name: string
  readonly header: SegmentHeader
  readonly found: Extract<FoundHeader, { kind: 'header' }>
  /** Bytes that may be read. */
  readonly end: () => number
  /** More records may come. */
  readonly isGrowing: () => boolean
  /** Damage that could not be copied: the file must not be deleted. */
  isKept: boolean
  /** It was lost, and another of the same numbers stands in its place. */
  isReplaced?: boolean
}

export class SegmentList {
  readonly #segments: SegmentInfo[]

  /** @param segments in the order of their first sequence numbers, no two with the same */
  constructor(segments: readonly SegmentInfo[]) {
    this.#segments = [...segments]
  }

  get last(): SegmentInfo | undefined {
    return this.#segments.at(-1)
  }

  /** Bytes on disk, unused room apart. */
  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.end(), 0)
  }

  /** Oldest first. */
  sizes(): readonly SegmentSize[] {
    return this.#segments.map(({ header, end }) => {
      return { firstSequence: header.firstSequence, bytes: end() }
    })
  }

  /** Sequence number below which there is nothing; 0 when there is nothing at all. */
  get firstSequence(): number {
    return this.#segments[0]?.header.firstSequence ?? 0
  }

  /** Names of the outputs that the relay had when each segment was begun, oldest first. */
  rosters(): readonly (readonly string[])[] {
    return this.#segments.map(({ header }) => header.roster)
  }

  add(segment: SegmentInfo): void {
    this.#segments.push(segment)
  }

  /** In the place of one that was lost, with the same numbers. */
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

  /** Where to look for the first record that is not below `sequence`. */
  covering(sequence: number): SegmentInfo | undefined {
    const isAtOrBelow = ({ header }: SegmentInfo) => header.firstSequence <= sequence
    return this.#segments.findLast(isAtOrBelow) ?? this.#segments[0]
  }

  after(segment: SegmentInfo): SegmentInfo | undefined {
    const { firstSequence } = segment.header
    return this.#segments.find(({ header }) => header.firstSequence > firstSequence)
  }

  /**
   * All whose records are below `sequence`, oldest first. Never the last: its name is what keeps
   * sequence numbers from beginning anew.
   */
  below(sequence: number): readonly SegmentInfo[] {
    return this.#segments.filter((_, index) => {
      const next = this.#segments[index + 1]
      return next !== undefined && next.header.firstSequence <= sequence
    })
  }
}
