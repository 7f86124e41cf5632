/**
 * The records of a log that an output has done: all below a number, and ranges above it.
 *
 *     done ─────────────────┐below       ┌──┐     ┌────┐
 *     1 2 3 4 5 6 7 8 9 … 41 │ 42 (held) 43 44 45 (out) 46 47 …
 *
 * This is the whole content of a cursor. A waiting or held record leaves a gap, and the done
 * records behind the gap stay recorded; so after a restart the output sends only owed records.
 *
 * Cost: one range for each gap, so at most one range for each owed record.
 */

/** Sequence numbers, both ends included. */
export type SequenceRange = readonly [from: number, to: number]

export class DoneRanges {
  #below: number
  /** Ascending; adjacent neither to each other nor to `#below`. */
  readonly #ranges: [from: number, to: number][]
  #changes = 0

  constructor(below: number, ranges: readonly SequenceRange[] = []) {
    this.#below = below
    this.#ranges = []
    for (const [from, to] of ranges) this.addRange(from, to)
  }

  /** All records with a lower number are done. */
  get below(): number {
    return this.#below
  }

  get ranges(): readonly SequenceRange[] {
    return this.#ranges
  }

  /** Rises with every change; compare with an earlier value to detect a change. */
  get changes(): number {
    return this.#changes
  }

  has(sequence: number): boolean {
    if (sequence < this.#below) return true
    const range = this.#ranges[this.#lastFrom(sequence)]
    return range !== undefined && sequence <= range[1]
  }

  /** Count of the sequence numbers in [from, to) that are not done. */
  openCount(from: number, to: number): number {
    const start = Math.max(from, this.#below)
    let count = Math.max(0, to - start)
    for (let index = Math.max(0, this.#lastFrom(start)); index < this.#ranges.length; index++) {
      const [first, last] = this.#ranges[index] ?? [to, to]
      if (first >= to) break
      count -= Math.max(0, Math.min(last + 1, to) - Math.max(first, start))
    }
    return count
  }

  add(sequence: number): void {
    this.addRange(sequence, sequence)
  }

  addRange(from: number, to: number): void {
    if (to < this.#below) return
    this.#changes++
    // Nearly always, the oldest open record is done, or the next one behind a gap.
    if (from <= this.#below && this.#ranges.length === 0) this.#below = to + 1
    else this.#insert(Math.max(from, this.#below), to)
  }

  #insert(from: number, to: number): void {
    const ranges = this.#ranges
    let first = this.#lastFrom(from)
    const before = ranges[first]
    if (before === undefined || before[1] < from - 1) first++
    let end = first
    let joinedFrom = from
    let joinedTo = to
    for (let range = ranges[end]; range !== undefined && range[0] <= joinedTo + 1; ) {
      joinedFrom = Math.min(joinedFrom, range[0])
      joinedTo = Math.max(joinedTo, range[1])
      end++
      range = ranges[end]
    }
    if (joinedFrom > this.#below) ranges.splice(first, end - first, [joinedFrom, joinedTo])
    else {
      ranges.splice(first, end - first)
      this.#below = joinedTo + 1
    }
  }

  /** Index of the last range that begins at or below `sequence`; -1 = none. */
  #lastFrom(sequence: number): number {
    let low = 0
    let high = this.#ranges.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#ranges[middle]?.[0] ?? 0) <= sequence) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}
