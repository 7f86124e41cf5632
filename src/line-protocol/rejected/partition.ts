/**
 * Finds the refused lines of a request from InfluxDB's error. Pure.
 *
 * If the number of lines that match the cause (cause.ts) equals the number of refused lines,
 * the matching lines are the refused ones. Otherwise the result is `undefined`, and the caller must
 * bisect by sending parts again. A wrong result would be worse than none: the relay would drop good
 * lines, and would send the refused ones again for ever.
 *
 * Only for lines that `scanLines` accepted: each line ends in a timestamp.
 *
 * Limits: an error names the first reason only. Lines that were refused for a second reason, or by
 * a second shard, make the counts differ.
 */

import type { Steps } from '../../std/time-slicing.ts'
import { byteAt, COMMA, isEscaped, latin1, NUL, QUOTE, SPACE, skipBlanks, TAB } from '../bytes.ts'
import { nameAt } from '../lines/names.ts'
import { eachField } from '../scan/fields.ts'
import { isBoolean } from '../scan/number.ts'
import type { Span } from '../scan/series-key.ts'
import { endingTimestamp } from '../scan/timestamp.ts'
import type { FieldType, RefusalCause } from './cause.ts'
import { LineTable } from './line-table.ts'
import { newestOfOldest } from './oldest-times.ts'

/** One body, partitioned into the lines that remain and the refused lines. */
export interface PartitionedBody {
  /** The original buffer if no line was refused. */
  readonly kept: Buffer
  readonly keptCount: number
  /** Concatenated; the original buffer if all lines were refused. */
  readonly refused: Buffer
  readonly refusedCount: number
}

/** @param number line number, counted from 0 over all bodies */
type LineTest = (body: Buffer, line: Span, number: number) => boolean

/** The refused lines of one body. */
interface Selection {
  /** For each line 1 if it was refused, otherwise 0. */
  readonly marks: Uint8Array
  readonly count: number
  readonly bytes: number
}

const NOTHING = Buffer.alloc(0)

/**
 * Partitions the lines into refused and other lines. Works in steps, because many lines take long.
 *
 * @param bodies in the order in which they were sent
 * @returns one result for each body; `undefined` unless exactly `refusedCount` lines match
 */
export function* partitionRefused(
  bodies: readonly Buffer[],
  cause: RefusalCause,
  refusedCount: number,
): Steps<readonly PartitionedBody[] | undefined> {
  const tables: LineTable[] = []
  for (const body of bodies) tables.push(yield* LineTable.of(body))
  const total = tables.reduce((sum, { count }) => sum + count, 0)
  const fits = refusedCount === total ? () => true : yield* lineTest(tables, cause, refusedCount)
  if (fits === undefined) return undefined
  const selections: Selection[] = []
  let number = 0
  for (const table of tables) {
    selections.push(yield* select(table, fits, number))
    number += table.count
  }
  if (selections.reduce((sum, { count }) => sum + count, 0) !== refusedCount) return undefined
  const partitioned: PartitionedBody[] = []
  for (const [index, table] of tables.entries()) {
    const selection = selections[index]
    if (selection !== undefined) partitioned.push(yield* partition(table, selection))
  }
  return partitioned
}

function* select(table: LineTable, fits: LineTest, firstNumber: number): Steps<Selection> {
  const { body } = table
  const marks = new Uint8Array(table.count)
  let count = 0
  let bytes = 0
  yield* table.inSteps((from, end) => {
    for (let index = from; index < end; index++) {
      const line = table.span(index)
      if (!fits(body, line, firstNumber + index)) continue
      marks[index] = 1
      count++
      bytes += line.end - line.from
    }
  })
  return { marks, count, bytes }
}

function* partition(table: LineTable, { marks, count, bytes }: Selection): Steps<PartitionedBody> {
  const { body } = table
  const counts = { keptCount: table.count - count, refusedCount: count }
  if (count === 0) return { kept: body, refused: NOTHING, ...counts }
  if (count === table.count) return { kept: NOTHING, refused: body, ...counts }
  const kept = Buffer.allocUnsafeSlow(body.length - bytes)
  const refused = Buffer.allocUnsafeSlow(bytes)
  let keptBytes = 0
  let refusedBytes = 0
  yield* table.inSteps((from, end) => {
    for (let index = from; index < end; index++) {
      const line = table.span(index)
      if (marks[index] === 1) refusedBytes += body.copy(refused, refusedBytes, line.from, line.end)
      else keptBytes += body.copy(kept, keptBytes, line.from, line.end)
    }
  })
  return { kept, refused, ...counts }
}

/** @returns `undefined` when no test can identify the lines */
function* lineTest(
  tables: readonly LineTable[],
  cause: RefusalCause,
  refusedCount: number,
): Steps<LineTest | undefined> {
  switch (cause.kind) {
    case 'field':
      return fieldTest(cause)
    case 'oldest': {
      const newest = yield* newestOfOldest(tables, timeOf, refusedCount)
      return newest === undefined ? undefined : (body, line) => timeOf(body, line) <= newest
    }
    case 'line-numbers': {
      const refused = new Set(cause.lines)
      return (_body, _line, number) => refused.has(number)
    }
    case 'unknown':
      return undefined
  }
}

function timeOf(body: Buffer, { from, end }: Span): bigint {
  const time = endingTimestamp(body, from, end)
  return BigInt(latin1(body, time.from, time.end))
}

function fieldTest(cause: Extract<RefusalCause, { kind: 'field' }>): LineTest {
  const measurement = new NameTest(cause.measurement)
  const field = new NameTest(cause.field)
  return (body, line) => {
    if (!measurement.mayStandIn(body) || !field.mayStandIn(body)) return false
    const from = skipBlanks(body, line.from, line.end)
    const measurementEnd = nameEnd(body, { from: from + 1, end: line.end }, COMMA)
    if (!measurement.fits(body, { from, end: measurementEnd })) return false
    const keyEnd = nameEnd(body, { from: measurementEnd, end: line.end }, SPACE)
    const fields = { from: skipBlanks(body, keyEnd, line.end), end: fieldsEnd(body, line) }
    for (const { key, value } of eachField(body, fields)) {
      if (field.fits(body, key) && typeOf(body, value) === cause.type) return true
    }
    return false
  }
}

/**
 * The end of a name in a well-formed line. Faster than `readKey`, which validates the line: many
 * lines are tested while clients wait.
 *
 * @param stop the byte, other than a space, that ends the name
 */
function nameEnd(bytes: Buffer, { from, end }: Span, stop: number): number {
  for (let i = from; i < end; i++) {
    const byte = byteAt(bytes, i)
    if ((byte === stop || byte === SPACE) && !isEscaped(bytes, i)) return i
  }
  return end
}

/**
 * The end of the fields, without the blanks before the timestamp. These blanks may belong to a
 * string in the last field; name and type of that field are the same without them.
 */
function fieldsEnd(body: Buffer, { from, end }: Span): number {
  let fieldsEnd = endingTimestamp(body, from, end).from
  while (isBlank(byteAt(body, fieldsEnd - 1))) fieldsEnd--
  return fieldsEnd
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB || byte === NUL
}

/** Compares a name without escapes with names that may have escapes. */
class NameTest {
  readonly #name: string
  /** The only spelling of a name in which nothing can be escaped; `undefined` for other names. */
  readonly #bytes: Buffer | undefined
  #lookedAt: Buffer | undefined
  #isSeen = false

  constructor(name: string) {
    this.#name = name
    this.#bytes = /[, "=]/.test(name) ? undefined : Buffer.from(name)
  }

  /** False only if the body certainly does not hold the name. Fast when repeated for one body. */
  mayStandIn(bytes: Buffer): boolean {
    if (this.#bytes === undefined) return true
    if (this.#lookedAt !== bytes) this.#isSeen = bytes.includes(this.#bytes)
    this.#lookedAt = bytes
    return this.#isSeen
  }

  fits(bytes: Buffer, span: Span): boolean {
    if (this.#bytes === undefined) return nameAt(bytes, span) === this.#name
    if (span.end - span.from !== this.#bytes.length) return false
    return this.#bytes.compare(bytes, span.from, span.end) === 0
  }
}

/** The type of a storable value, by the rules of InfluxDB's iterator (see `isStorable`). */
function typeOf(bytes: Buffer, { from, end }: Span): FieldType {
  if (byteAt(bytes, from) === QUOTE) return 'string'
  const text = latin1(bytes, from, end)
  if (isBoolean(text)) return 'boolean'
  if (text.endsWith('i')) return 'integer'
  return text.endsWith('u') ? 'unsigned' : 'float'
}
