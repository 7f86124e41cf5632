/**
 * Which lines of a request were refused, told from what InfluxDB says about it. Pure.
 *
 * After a partial write InfluxDB names one reason and a count, never the lines. Where exactly so
 * many lines fit the reason, they are the refused ones; anything else is no answer, and whoever
 * asks has to find out by sending parts again. Wrong lines must never be told: they would be taken
 * for refused, and others sent again for ever.
 *
 * Only for what `scanLines` let through: each line is accepted and ends in a timestamp.
 *
 * Limits: a text names the first reason only. Lines refused for a second one, or by a second shard,
 * make the count disagree.
 */

import type { Steps } from '../std/slices.ts'
import { byteAt, COMMA, isEscaped, latin1, NUL, QUOTE, SPACE, skipBlanks, TAB } from './bytes.ts'
import { eachField } from './fields.ts'
import type { Span } from './key.ts'
import { nameAt } from './line.ts'
import { isBoolean } from './number.ts'
import { forEachLine } from './split.ts'
import { endingTimestamp } from './timestamp.ts'

export type FieldType = 'float' | 'integer' | 'unsigned' | 'string' | 'boolean'

export type RefusalClue =
  /** Names as InfluxDB shows them, without escapes. */
  | {
      readonly kind: 'field'
      readonly measurement: string
      readonly field: string
      /** The type that was refused. */
      readonly type: FieldType
    }
  /** Lines beyond a retention policy: those with the smallest timestamps. */
  | { readonly kind: 'oldest' }
  /** Counted from 0 over all lines of the request. */
  | { readonly kind: 'line-numbers'; readonly lines: readonly number[] }
  | { readonly kind: 'unknown' }

/** What is left of one body, and which of its lines were refused. */
export interface SiftedBody {
  /** The very buffer that was given when nothing of it was refused. */
  readonly kept: Buffer
  readonly keptCount: number
  /** In order, each with its newline; views into the body, not copies. */
  readonly refused: readonly Buffer[]
}

/** Looked at in one step: a millisecond, or some. */
const STEP_LINES = 1_000
const UNKNOWN: RefusalClue = { kind: 'unknown' }

/** Behind other words, as in `failure writing points to database: partial write: field type …`. */
const CONFLICT_HEAD = /^(?:[\w ]+: )*field type conflict: input field "/
const CONFLICT_TAIL = /^(\w+), already exists as type \w+(?: dropped=\d+.*)?$/s
/** InfluxDB 1.x up to 1.8. */
const BEYOND_RETENTION = /^(?:[\w ]+: )*points beyond retention policy(?: dropped=\d+.*)?$/s
/** InfluxDB 1.12 and 2.7 name the oldest and the newest of what they dropped, and a bound each. */
const OUTSIDE_RETENTION = /^(?:[\w ]+: )*dropped \d+ points outside retention policy of duration /
const VIOLATION = ' dropped because it violates a '
const TOO_OLD =
  /^(?:Retention Policy|Write Window) Lower Bound at \S+ dropped=\d+(?: for database: .*)?$/s
/** InfluxDB 1.12 says behind the count where that was. */
const DROPPED = /^(.* dropped=)(\d+)(?= for database: |$)/s

/** @param text the error of a v1 or v2 answer */
export function refusalClue(text: string): RefusalClue {
  if (BEYOND_RETENTION.test(text) || isOutsideRetention(text)) return { kind: 'oldest' }
  const head = CONFLICT_HEAD.exec(text)?.[0]
  if (head === undefined) return UNKNOWN
  // Names stand there as they are, without escapes: one that holds a piece of the sentence around
  // it could be cut at the wrong place.
  const [field = '', afterField, ...more] = text.slice(head.length).split('" on measurement "')
  const [measurement = '', tail = '', ...evenMore] = (afterField ?? '').split('" is type ')
  const type = CONFLICT_TAIL.exec(tail)?.[1] ?? ''
  if (more.length > 0 || evenMore.length > 0 || !isFieldType(type)) return UNKNOWN
  return { kind: 'field', measurement, field, type }
}

/** When the newest of the dropped points, which is named last, is too old, all of them are. */
function isOutsideRetention(text: string): boolean {
  if (!OUTSIDE_RETENTION.test(text)) return false
  return TOO_OLD.test(text.slice(text.lastIndexOf(VIOLATION) + VIOLATION.length))
}

/** How many lines InfluxDB says it has dropped. @returns `undefined` when it does not say */
export function droppedCount(text: string): number | undefined {
  const count = Number(DROPPED.exec(text)?.[2] ?? 0)
  // A partial write for a line that does not parse says `dropped=0` whatever their number.
  return count > 0 ? count : undefined
}

/** InfluxDB's text with its `dropped=` count replaced: for one client of a merged request. */
export function withDropped(text: string, count: number): string {
  return text.replace(DROPPED, (_, before: string) => `${before}${count}`)
}

/**
 * Parts the lines that were refused from the others, some at each step: many lines take their
 * time. The largest single body, 25 MB of short lines, takes some 60 ms in its longest step.
 *
 * @param bodies as they were sent, one after the other
 * @returns per body; `undefined` when the lines that fit the clue are not exactly `refusedCount`
 */
export function* siftRefused(
  bodies: readonly Buffer[],
  clue: RefusalClue,
  refusedCount: number,
): Steps<readonly SiftedBody[] | undefined> {
  const lines: (readonly Line[])[] = []
  for (const body of bodies) {
    lines.push(linesOf(body))
    yield
  }
  const total = lines.reduce((sum, { length }) => sum + length, 0)
  const fits = refusedCount === total ? () => true : yield* lineTest(lines, clue, refusedCount)
  if (fits === undefined) return undefined
  const refused: Line[][] = []
  for (const each of lines) refused.push(yield* inSteps(each, (some) => some.filter(fits)))
  if (refused.reduce((sum, { length }) => sum + length, 0) !== refusedCount) return undefined
  const sifted: SiftedBody[] = []
  for (const [at, body] of bodies.entries()) {
    sifted.push(sift(body, lines[at]?.length ?? 0, refused[at] ?? []))
    yield
  }
  return sifted
}

function* inSteps<T>(
  lines: readonly Line[],
  step: (some: readonly Line[]) => readonly T[],
): Steps<T[]> {
  const all: T[] = []
  for (let at = 0; at < lines.length; at += STEP_LINES) {
    for (const each of step(lines.slice(at, at + STEP_LINES))) all.push(each)
    yield
  }
  return all
}

interface Line extends Span {
  readonly body: Buffer
}

type LineTest = (line: Line) => boolean

function linesOf(body: Buffer): readonly Line[] {
  const lines: Line[] = []
  forEachLine(body, (from, end) => lines.push({ body, from, end }))
  return lines
}

function sift(body: Buffer, lineCount: number, refused: readonly Span[]): SiftedBody {
  if (refused.length === 0) return { kept: body, keptCount: lineCount, refused: [] }
  const kept: Buffer[] = []
  let done = 0
  for (const { from, end } of refused) {
    if (from > done) kept.push(body.subarray(done, from))
    done = end
  }
  kept.push(body.subarray(done))
  return {
    kept: Buffer.concat(kept),
    keptCount: lineCount - refused.length,
    refused: refused.map(({ from, end }) => body.subarray(from, end)),
  }
}

/** @returns `undefined` when no test can tell */
function* lineTest(
  lines: readonly (readonly Line[])[],
  clue: RefusalClue,
  refusedCount: number,
): Steps<LineTest | undefined> {
  switch (clue.kind) {
    case 'field':
      return fieldTest(clue)
    case 'oldest':
      return yield* oldestTest(lines.flat(), refusedCount)
    case 'line-numbers': {
      const all = lines.flat()
      const refused = new Set(clue.lines.map((number) => all[number]))
      return (line) => refused.has(line)
    }
    case 'unknown':
      return undefined
  }
}

function* oldestTest(lines: readonly Line[], refusedCount: number): Steps<LineTest | undefined> {
  const times = yield* inSteps(lines, (some) => some.map(timeOf))
  const sorted = BigInt64Array.from(times).sort()
  const newestRefused = sorted[refusedCount - 1]
  const oldestKept = sorted[refusedCount]
  if (newestRefused === undefined || oldestKept === undefined) return undefined
  // Of several lines at the boundary nobody can tell which.
  if (newestRefused === oldestKept) return undefined
  return (line) => timeOf(line) <= newestRefused
}

function timeOf({ body, from, end }: Line): bigint {
  const time = endingTimestamp(body, from, end)
  return BigInt(latin1(body, time.from, time.end))
}

function fieldTest(clue: Extract<RefusalClue, { kind: 'field' }>): LineTest {
  const measurement = new NameTest(clue.measurement)
  const field = new NameTest(clue.field)
  return (line) => {
    const { body } = line
    if (!measurement.mayStandIn(body) || !field.mayStandIn(body)) return false
    const from = skipBlanks(body, line.from, line.end)
    const measurementEnd = nameEnd(body, { from: from + 1, end: line.end }, COMMA)
    if (!measurement.fits(body, { from, end: measurementEnd })) return false
    const keyEnd = nameEnd(body, { from: measurementEnd, end: line.end }, SPACE)
    const fields = { from: skipBlanks(body, keyEnd, line.end), end: fieldsEnd(line) }
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
function fieldsEnd({ body, from, end }: Line): number {
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

function isFieldType(text: string): text is FieldType {
  return ['float', 'integer', 'unsigned', 'string', 'boolean'].includes(text)
}
