/**
 * Where, among the times of many lines, the oldest so many end, found some at a time: sorting all
 * of them at once would stop everything else.
 */

import type { Steps } from '../../std/slices.ts'
import type { Span } from '../scan/series-key.ts'
import type { LineTable } from './line-table.ts'

/** Sorted in one step: some milliseconds. */
const RUN_TIMES = 32_768

/**
 * The newest among the oldest `count` times.
 *
 * @returns `undefined` when there are not more than `count`, or when the one after it is the same:
 *   of several lines at the boundary nobody can tell which
 */
export function* newestOfOldest(
  tables: readonly LineTable[],
  timeOf: (body: Buffer, line: Span) => bigint,
  count: number,
): Steps<bigint | undefined> {
  const runs = yield* sortedRuns(tables, timeOf)
  if (count < 1 || count >= runs.reduce((sum, { length }) => sum + length, 0)) return undefined
  const newest = smallest((time) => countUpTo(runs, time) >= count)
  return countUpTo(runs, newest) === count ? newest : undefined
}

function* sortedRuns(
  tables: readonly LineTable[],
  timeOf: (body: Buffer, line: Span) => bigint,
): Steps<readonly BigInt64Array[]> {
  const runs: BigInt64Array[] = []
  let times: bigint[] = []
  const endRun = () => {
    runs.push(BigInt64Array.from(times).sort())
    times = []
  }
  for (const table of tables) {
    yield* table.inSteps((from, end) => {
      for (let index = from; index < end; index++) times.push(timeOf(table.body, table.span(index)))
      if (times.length >= RUN_TIMES) endRun()
    })
  }
  endRun()
  return runs
}

/** @param isEnough true from some time on, for the latest one at least */
function smallest(isEnough: (time: bigint) => boolean): bigint {
  let low = -(2n ** 63n)
  let high = 2n ** 63n - 1n
  while (low < high) {
    const middle = (low + high) >> 1n
    if (isEnough(middle)) high = middle
    else low = middle + 1n
  }
  return low
}

/** How many times are not after that one. */
function countUpTo(runs: readonly BigInt64Array[], time: bigint): number {
  let count = 0
  for (const run of runs) {
    let low = 0
    let high = run.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((run[middle] ?? time) <= time) low = middle + 1
      else high = middle
    }
    count += low
  }
  return count
}
