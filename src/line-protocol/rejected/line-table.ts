/**
 * A table of where each line of a body begins and ends. It takes four bytes for each of millions of
 * lines, and is built in steps.
 *
 * Only for bodies that `scanLines` returned.
 */

import type { Steps } from '../../std/time-slicing.ts'
import { lineEndFinder } from '../lines/split.ts'
import type { Span } from '../scan/series-key.ts'

/** Lines in one step: one or a few milliseconds. */
const STEP_LINES = 1_000
/** Shorter lines make the table grow. */
const EXPECTED_LINE_BYTES = 32

export class LineTable {
  readonly body: Buffer
  readonly count: number
  /** The end of each line, its newline included. */
  readonly #ends: Uint32Array

  private constructor(body: Buffer, ends: Uint32Array, count: number) {
    this.body = body
    this.#ends = ends
    this.count = count
  }

  static *of(body: Buffer): Steps<LineTable> {
    const endOf = lineEndFinder(body)
    let ends = new Uint32Array(Math.ceil(body.length / EXPECTED_LINE_BYTES))
    let count = 0
    for (let start = 0; start < body.length; start = ends[count++] ?? body.length) {
      if (count === ends.length) ends = grown(ends)
      ends[count] = endOf(start)
      if (count % STEP_LINES === STEP_LINES - 1) yield
    }
    yield
    return new LineTable(body, ends, count)
  }

  span(index: number): Span {
    return { from: this.#ends[index - 1] ?? 0, end: this.#ends[index] ?? this.body.length }
  }

  /** Calls `look` with consecutive ranges of line numbers, one range in each step. */
  *inSteps(look: (from: number, end: number) => void): Steps<void> {
    for (let from = 0; from < this.count; from += STEP_LINES) {
      look(from, Math.min(from + STEP_LINES, this.count))
      yield
    }
  }
}

function grown(ends: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * ends.length)
  larger.set(ends)
  return larger
}
