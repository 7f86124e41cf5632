/**
 * Finds the newest of the `count` oldest timestamps of many lines, in steps: to sort all timestamps
 * at once would block the event loop.
 */

import type { Steps } from '../../std/time-slicing.ts'
import type { Span } from '../scan/series-key.ts'
import type { LineTable } from './line-table.ts'

/** Timestamps that are sorted in one step: a few milliseconds. */
const RUN_TIMES = 32_768

/**
 * The newest of the `count` oldest times.
 *
 * @returns `undefined` when there are no more than `count` times, or when the next time is equal:
 *   then several lines share the boundary, and the server may have dropped any of them
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

/** @param isEnough monotonic: true from some time on, and true for the latest time */
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

/** The number of times at or before `time`. */
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
