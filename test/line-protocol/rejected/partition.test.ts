import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  droppedCount,
  type FieldType,
  type RefusalCause,
  refusalCause,
  withDropped,
} from '../../../src/line-protocol/rejected/cause.ts'
import { partitionRefused } from '../../../src/line-protocol/rejected/partition.ts'
import { atOnce } from '../../support/steps.ts'

const CONFLICT = 'field type conflict: input field "v" on measurement "m" is type float, already '
const UNKNOWN: RefusalCause = { kind: 'unknown' }
const OLDEST: RefusalCause = { kind: 'oldest' }

function field(measurement: string, name: string, type: FieldType): RefusalCause {
  return { kind: 'field', measurement, field: name, type }
}

test('a text of InfluxDB tells which lines it means', () => {
  const check = (text: string, expected: RefusalCause) =>
    assert.deepEqual(refusalCause(text), expected, text)
  const expected = field('m', 'v', 'float')
  check(`${CONFLICT}exists as type integer`, expected)
  check(`partial write: ${CONFLICT}exists as type integer dropped=2`, expected)
  const v2 = 'failure writing points to database: partial write: '
  check(`${v2}${CONFLICT}exists as type string dropped=1`, expected)
  const where = ' dropped=1 for database: d for retention policy: r'
  check(`partial write: ${CONFLICT}exists as type string${where}`, expected)
  const named = (measurement: string, name: string) =>
    `partial write: field type conflict: input field "${name}" on measurement "${measurement}" is type integer, already exists as type float dropped=1`
  check(named('a "b", c=d\\e', 'f" g\nh'), field('a "b", c=d\\e', 'f" g\nh', 'integer'))
  check(named('', ''), field('', '', 'integer'))
  // A name that could end in two places.
  check(named('m" on measurement "n', 'v'), UNKNOWN)
  check(named('m', 'v" on measurement "w'), UNKNOWN)
  check(named('m" is type float, already exists as type integer', 'v'), UNKNOWN)
  check(`${CONFLICT}exists as type`, UNKNOWN)
  check(CONFLICT.replace('float', 'decimal'), UNKNOWN)

  check('points beyond retention policy', OLDEST)
  check('partial write: points beyond retention policy dropped=3', OLDEST)
  check(`${v2}points beyond retention policy${where}`, OLDEST)
  const outside = (newest: string) =>
    `partial write: dropped 4 points outside retention policy of duration 24h0m0s - oldest point m,a=b at 1970-01-01T00:00:01Z dropped because it violates a Retention Policy Lower Bound at 2025-05-20T19:06:17Z, newest point m at 1970-01-01T00:00:02Z dropped because it violates a ${newest} at 2025-05-20T19:06:17Z dropped=4`
  check(outside('Retention Policy Lower Bound'), OLDEST)
  check(`${outside('Write Window Lower Bound')} for database: d for retention policy: r`, OLDEST)
  check(outside('Write Window Upper Bound'), UNKNOWN)

  check('', UNKNOWN)
  check("partial write: unable to parse 'm v=': missing field value dropped=0", UNKNOWN)
  check("unable to parse 'points beyond retention policy': missing fields", UNKNOWN)
  check('partial write: max-series-per-database limit exceeded: (1000000) dropped=4929', UNKNOWN)
})

// Were the time square in their number, this would take the better part of an hour.
test('a text of many quotes is read in time linear in its length', () => {
  const MANY = 300_000
  const quotes = '" on measurement "" is type '.repeat(MANY)
  assert.deepEqual(refusalCause(`field type conflict: input field "${quotes}`), UNKNOWN)
  const points = ' newest point '.repeat(MANY)
  const outside = `dropped 1 points outside retention policy of duration ${points}`
  assert.deepEqual(refusalCause(outside), UNKNOWN)
  assert.match(withDropped(`x${' dropped='.repeat(MANY)}`, 1), /^x dropped=/)
})

test('the count in a text is read and replaced', () => {
  const check = (text: string, count: number | undefined, expected: string) => {
    assert.equal(droppedCount(text), count, text)
    assert.equal(withDropped(text, 7), expected)
  }
  check('partial write: x dropped=12', 12, 'partial write: x dropped=7')
  check('partial write: x dropped=0', undefined, 'partial write: x dropped=7')
  const where = ' for database: d for retention policy: r'
  check(`partial write: x dropped=1${where}`, 1, `partial write: x dropped=7${where}`)
  check('field "a dropped=3" b dropped=4', 4, 'field "a dropped=3" b dropped=7')
  check('field "a dropped=3" b', undefined, 'field "a dropped=3" b')
  check('timeout', undefined, 'timeout')
})

/** What is left of each body, and what of it was refused. */
type Parts = readonly (readonly [kept: string, keptCount: number, ...refused: string[]])[]

function check(texts: string[], cause: RefusalCause, count: number, expected: Parts | undefined) {
  const bodies = texts.map((text) => Buffer.from(text))
  const partitioned = atOnce(partitionRefused(bodies, cause, count))
  const parts = partitioned?.map(({ kept, keptCount, refused, refusedCount }) => {
    return [kept.toString(), keptCount, refused.toString(), refusedCount]
  })
  const expectedParts = expected?.map(([kept, keptCount, ...refused]) => {
    return [kept, keptCount, refused.join(''), refused.length]
  })
  assert.deepEqual(parts, expectedParts)
  for (const [index, { kept, refusedCount }] of (partitioned ?? []).entries()) {
    if (refusedCount === 0) assert.equal(kept, bodies[index])
  }
}

test('lines with a field of the type that was refused', () => {
  const bodies = ['m v=1 1\nm v=2i 2\n', 'm v=3i 3\n', 'n v=4 4\nm,t=a x=t,v=5 5\nm w=6 6\n']
  const parts: Parts = [
    ['m v=2i 2\n', 1, 'm v=1 1\n'],
    ['m v=3i 3\n', 1],
    ['n v=4 4\nm w=6 6\n', 2, 'm,t=a x=t,v=5 5\n'],
  ]
  check(bodies, field('m', 'v', 'float'), 2, parts)
  check(bodies, field('m', 'v', 'float'), 1, undefined)
  check(bodies, field('m', 'v', 'float'), 3, undefined)
  check(bodies, field('m', 'v', 'boolean'), 1, undefined)
  check(['m v="1" 1\nm v="a\nb" 2\n'], field('m', 'v', 'string'), 2, [
    ['', 0, 'm v="1" 1\n', 'm v="a\nb" 2\n'],
  ])
  const types: readonly [string, FieldType][] = [
    ['1', 'float'],
    ['-.5e3', 'float'],
    ['1i', 'integer'],
    ['1u', 'unsigned'],
    ['t', 'boolean'],
    ['FALSE', 'boolean'],
    ['"1i"', 'string'],
  ]
  for (const [value, type] of types) {
    const line = `m,a=b w=1,v=${value} 1\n`
    check([`${line}m x=1 1\n`], field('m', 'v', type), 1, [['m x=1 1\n', 1, line]])
  }
})

test('names are compared without their escapes', () => {
  const line = 'a\\ b\\,c=d,t\\ =x f\\ \\=\\,"=1 5\n'
  check([`${line}m v=1 1\n`], field('a b,c=d', 'f =,"', 'float'), 1, [['m v=1 1\n', 1, line]])
  check([`${line}m v=1 1\n`], field('a b,c=d', 'f', 'float'), 1, undefined)
  const slashes = 'm\\\\x f\\\\y=1 5\n'
  check([`${slashes}m v=1 1\n`], field('m\\\\x', 'f\\\\y', 'float'), 1, [['m v=1 1\n', 1, slashes]])
  check(['mm v=1 1\nm vv=1 2\nm v=1 3\n'], field('m', 'v', 'float'), 1, [
    ['mm v=1 1\nm vv=1 2\n', 2, 'm v=1 3\n'],
  ])
})

test('the oldest lines, when it is clear which they are', () => {
  const bodies = ['m v=1 30\nm v=2 -5\n', 'm v=3 10 \nm v=4 10\nm v=5 20\n']
  check(bodies, OLDEST, 1, [
    ['m v=1 30\n', 1, 'm v=2 -5\n'],
    [bodies[1] ?? '', 3],
  ])
  check(bodies, OLDEST, 2, undefined)
  check(bodies, OLDEST, 3, [
    ['m v=1 30\n', 1, 'm v=2 -5\n'],
    ['m v=5 20\n', 1, 'm v=3 10 \n', 'm v=4 10\n'],
  ])
  check(bodies, OLDEST, 0, undefined)
  check(bodies, OLDEST, 6, undefined)
  const close = ['m v=1 9223372036854775806\nm v=2 9223372036854775805\n']
  check(close, OLDEST, 1, [['m v=1 9223372036854775806\n', 1, 'm v=2 9223372036854775805\n']])
})

test('lines by their numbers over all bodies', () => {
  const bodies = ['a v=1 1\nb v=1 1\n', '', 'c v=1 1\nd v="x\ny" 1\n']
  const numbers = (...lines: number[]): RefusalCause => ({ kind: 'line-numbers', lines })
  check(bodies, numbers(3, 0), 2, [
    ['b v=1 1\n', 1, 'a v=1 1\n'],
    ['', 0],
    ['c v=1 1\n', 1, 'd v="x\ny" 1\n'],
  ])
  check(bodies, numbers(3, 0, 0), 2, [
    ['b v=1 1\n', 1, 'a v=1 1\n'],
    ['', 0],
    ['c v=1 1\n', 1, 'd v="x\ny" 1\n'],
  ])
  check(bodies, numbers(3, 0), 1, undefined)
  check(bodies, numbers(4), 1, undefined)
  check(bodies, numbers(-1), 1, undefined)
})

test('when all lines were refused no cause is needed', () => {
  const all: Parts = [
    ['', 0, 'a v=1 1\n'],
    ['', 0, 'b v=1 1\n', 'c v=1 1\n'],
  ]
  for (const cause of [UNKNOWN, OLDEST, field('m', 'v', 'float')]) {
    check(['a v=1 1\n', 'b v=1 1\nc v=1 1\n'], cause, 3, all)
  }
  check(['a v=1 1\nb v=1 1\n'], UNKNOWN, 1, undefined)
  check([], UNKNOWN, 1, undefined)
  check([], UNKNOWN, 0, [])
})

test('many lines are looked at some at each step, whatever tells the refused ones', () => {
  const body = Buffer.from(
    Array.from({ length: 20_000 }, (_, time) => `m v=${time % 2 === 0 ? 1 : '2i'} ${time}\n`).join(
      '',
    ),
  )
  const cases: [RefusalCause, number][] = [
    [field('m', 'v', 'integer'), 10_000],
    [OLDEST, 5_000],
    [{ kind: 'line-numbers', lines: [7] }, 1],
    [UNKNOWN, 20_000],
  ]
  for (const [cause, refusedCount] of cases) {
    const partitioning = partitionRefused([body], cause, refusedCount)
    let steps = 0
    let last = partitioning.next()
    for (; !last.done; last = partitioning.next()) steps++
    assert.equal(last.value?.[0]?.refusedCount, refusedCount)
    assert(steps >= 40, `${cause.kind}: ${steps} steps`)
  }
})
