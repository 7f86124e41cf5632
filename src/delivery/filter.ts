/**
 * The lines of a write that an output's `[[filter]]`s let through.
 *
 * Filters work as in veepee's relay, but line by line: a line passes when every filter that names
 * the output matches the line's measurement and at least one of its tag keys. Only line protocol is
 * filtered.
 */

import type { LineFilter } from '../config/config.ts'
import { measurementOf, tagKeysOf } from '../line-protocol/lines/names.ts'
import { forEachLine } from '../line-protocol/lines/split.ts'
import type { Entry } from '../log/entry.ts'
import { unpooledConcat } from '../std/unpooled.ts'
import { Delivery, type Slice } from './stream/batch.ts'

/** @returns `undefined` when no line passes */
export function filterEntry(entry: Entry, filters: readonly LineFilter[]): Slice | undefined {
  const { write } = entry
  if (filters.length === 0 || write.kind !== 'lines')
    return { delivery: new Delivery(entry, 0), write }
  const kept: Buffer[] = []
  forEachLine(write.body, (start, end) => {
    const line = write.body.subarray(start, end)
    if (filters.every((filter) => matches(line, filter))) kept.push(line)
  })
  if (kept.length === 0) return undefined
  const filteredLineCount = write.lineCount - kept.length
  const delivery = new Delivery(entry, filteredLineCount)
  if (filteredLineCount === 0) return { delivery, write }
  const keptBytes = kept.reduce((sum, { length }) => sum + length, 0)
  const body = unpooledConcat(kept, keptBytes)
  return { delivery, write: { ...write, body, lineCount: kept.length } }
}

function matches(line: Buffer, filter: LineFilter): boolean {
  const { measurementExpression, tagExpression } = filter
  if (measurementExpression !== undefined && !measurementExpression.test(measurementOf(line))) {
    return false
  }
  return tagExpression === undefined || tagKeysOf(line).some((key) => tagExpression.test(key))
}
