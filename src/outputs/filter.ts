/**
 * The lines of a write that an output's `[[filter]]`s let through.
 *
 * As veepee's relay had it, but line by line: a line goes when every filter that names the output
 * matches it, on its measurement and on at least one of its tag keys. What is not line protocol is
 * never filtered.
 */

import type { LineFilter } from '../config/config.ts'
import { measurementOf, tagKeysOf } from '../line-protocol/line.ts'
import { forEachLine } from '../line-protocol/split.ts'
import type { Entry } from '../log/entry.ts'
import type { Taken } from './stream-drain.ts'

/** @returns `undefined` when no line is let through. */
export function filterEntry(entry: Entry, filters: readonly LineFilter[]): Taken | undefined {
  const { write } = entry
  if (filters.length === 0 || write.kind !== 'lines') return { entry, write, filteredLineCount: 0 }
  const kept: Buffer[] = []
  forEachLine(write.body, (start, end) => {
    const line = write.body.subarray(start, end)
    if (filters.every((filter) => matches(line, filter))) kept.push(line)
  })
  if (kept.length === 0) return undefined
  const filteredLineCount = write.lineCount - kept.length
  if (filteredLineCount === 0) return { entry, write, filteredLineCount }
  const body = Buffer.concat(kept)
  return { entry, write: { ...write, body, lineCount: kept.length }, filteredLineCount }
}

function matches(line: Buffer, filter: LineFilter): boolean {
  const { measurementExpression, tagExpression } = filter
  if (measurementExpression !== undefined && !measurementExpression.test(measurementOf(line))) {
    return false
  }
  return tagExpression === undefined || tagKeysOf(line).some((key) => tagExpression.test(key))
}
