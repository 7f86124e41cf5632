/**
 * Which lines of a request were refused, told from what InfluxDB says about it. Pure.
 *
 * Where exactly so many lines fit the reason (refusal-clue.ts) as were refused, they are the ones;
 * anything else is no answer, and whoever asks has to find out by sending parts again. Wrong lines
 * must never be told: they would be taken for refused, and others sent again for ever.
 *
 * Only for what `scanLines` let through: each line is accepted and ends in a timestamp.
 *
 * Limits: a text names the first reason only. Lines refused for a second one, or by a second shard,
 * make the count disagree.
 */

import type { Steps } from '../../std/slices.ts'
import { byteAt, COMMA, isEscaped, latin1, NUL, QUOTE, SPACE, skipBlanks, TAB } from '../bytes.ts'
import { nameAt } from '../lines/names.ts'
import { eachField } from '../scan/fields.ts'
import { isBoolean } from '../scan/number.ts'
import type { Span } from '../scan/series-key.ts'
import { endingTimestamp } from '../scan/timestamp.ts'
import { LineTable } from './line-table.ts'
import { newestOfOldest } from './oldest-times.ts'
import type { FieldType, RefusalClue } from './refusal-clue.ts'

/** What is left of one body, and which of its lines were refused. */
export interface SiftedBody {
  /** The very buffer that was given when nothing of it was refused. */
  readonly kept: Buffer
  readonly keptCount: number
  /** One after the other; the very buffer that was given when all of it was refused. */
  readonly refused: Buffer
  readonly refusedCount: number
}

/** @param number of the line, counted from 0 over all bodies */
type LineTest = (body: Buffer, line: Span, number: number) => boolean

/** The refused lines of one body. */
interface Selection {
  /** By line: 1, or 0. */
  readonly marks: Uint8Array
  readonly count: number
  readonly bytes: number
}

const NOTHING = Buffer.alloc(0)

/**
 * Parts the lines that were refused from the others, some at each step: many lines take their
 * time.
 *
 * @param bodies as they were sent, one after the other
 * @returns per body; `undefined` when the lines that fit the clue are not exactly `refusedCount`
 */
export function* siftRefused(
  bodies: readonly Buffer[],
  clue: RefusalClue,
  refusedCount: number,
): Steps<readonly SiftedBody[] | undefined> {
  const tables: LineTable[] = []
  for (const body of bodies) tables.push(yield* LineTable.of(body))
  const total = tables.reduce((sum, { count }) => sum + count, 0)
  const fits = refusedCount === total ? () => true : yield* lineTest(tables, clue, refusedCount)
  if (fits === undefined) return undefined
  const selections: Selection[] = []
  let number = 0
  for (const table of tables) {
    selections.push(yield* select(table, fits, number))
    number += table.count
  }
  if (selections.reduce((sum, { count }) => sum + count, 0) !== refusedCount) return undefined
  const sifted: SiftedBody[] = []
  for (const [index, table] of tables.entries()) {
    const selection = selections[index]
    if (selection !== undefined) sifted.push(yield* sift(table, selection))
  }
  return sifted
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

function* sift(table: LineTable, { marks, count, bytes }: Selection): Steps<SiftedBody> {
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

/** @returns `undefined` when no test can tell */
function* lineTest(
  tables: readonly LineTable[],
  clue: RefusalClue,
  refusedCount: number,
): Steps<LineTest | undefined> {
  switch (clue.kind) {
    case 'field':
      return fieldTest(clue)
    case 'oldest': {
      const newest = yield* newestOfOldest(tables, timeOf, refusedCount)
      return newest === undefined ? undefined : (body, line) => timeOf(body, line) <= newest
    }
    case 'line-numbers': {
      const refused = new Set(clue.lines)
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

function fieldTest(clue: Extract<RefusalClue, { kind: 'field' }>): LineTest {
  const measurement = new NameTest(clue.measurement)
  const field = new NameTest(clue.field)
  return (body, line) => {
    if (!measurement.mayStandIn(body) || !field.mayStandIn(body)) return false
    const from = skipBlanks(body, line.from, line.end)
    const measurementEnd = nameEnd(body, { from: from + 1, end: line.end }, COMMA)
    if (!measurement.fits(body, { from, end: measurementEnd })) return false
    const keyEnd = nameEnd(body, { from: measurementEnd, end: line.end }, SPACE)
    const fields = { from: skipBlanks(body, keyEnd, line.end), end: fieldsEnd(body, line) }
    for (const { key, value } of eachField(body, fields)) {
      if (field.fits(body, key) && typeOf(body, value) === clue.type) return true
    }
    return false
  }
}

/**
 * Where a name ends in a line that is known to be well-formed, which `readKey` does not take for
 * granted: many lines are looked at while clients wait.
 *
 * @param stop what ends the name beside a space
 */
function nameEnd(bytes: Buffer, { from, end }: Span, stop: number): number {
  for (let i = from; i < end; i++) {
    const byte = byteAt(bytes, i)
    if ((byte === stop || byte === SPACE) && !isEscaped(bytes, i)) return i
  }
  return end
}

/**
 * Blanks before the timestamp may belong to the last value when it is a string; its name and its
 * type are the same without them.
 */
function fieldsEnd(body: Buffer, { from, end }: Span): number {
  let fieldsEnd = endingTimestamp(body, from, end).from
  while (isBlank(byteAt(body, fieldsEnd - 1))) fieldsEnd--
  return fieldsEnd
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB || byte === NUL
}

/** A name without escapes, looked for where it may stand with them. */
class NameTest {
  readonly #name: string
  /** The only form of a name in which nothing can be escaped; `undefined` for others. */
  readonly #bytes: Buffer | undefined
  #lookedAt: Buffer | undefined
  #isSeen = false

  constructor(name: string) {
    this.#name = name
    this.#bytes = /[, "=]/.test(name) ? undefined : Buffer.from(name)
  }

  /** False only when it certainly does not; quick for one body again and again. */
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

/** The type of a value that InfluxDB can store, decided as its iterator does: see `isStorable`. */
function typeOf(bytes: Buffer, { from, end }: Span): FieldType {
  if (byteAt(bytes, from) === QUOTE) return 'string'
  const text = latin1(bytes, from, end)
  if (isBoolean(text)) return 'boolean'
  if (text.endsWith('i')) return 'integer'
  return text.endsWith('u') ? 'unsigned' : 'float'
}
