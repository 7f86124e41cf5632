// Which lines were refused is told by a reader that is quick; here by one that never reads: lines
// are made from points that are known.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { FieldType, RefusalCause } from '../../src/line-protocol/rejected/cause.ts'
import { partitionRefused } from '../../src/line-protocol/rejected/partition.ts'
import { scanLines } from '../../src/line-protocol/scan/scan.ts'
import { propertyRuns } from '../support/property-runs.ts'
import { atOnce } from '../support/steps.ts'

interface KnownField {
  readonly name: string
  readonly type: FieldType
}

interface KnownLine {
  readonly text: string
  readonly measurement: string
  readonly fields: readonly KnownField[]
  readonly time: number
}

const NAMES = ['m', 'v', 'mm', 'a b', 'c,d', 'e=f', 'q"r', 'x\\\\y', 'é', 'm v', 'v=1', '#']
const VALUES: readonly (readonly [string, FieldType])[] = [
  ...(['1', '-2.5e3', '.5'] as const).map((text) => [text, 'float'] as const),
  ...(['1i', '-9i'] as const).map((text) => [text, 'integer'] as const),
  ...(['t', 'False', 'TRUE'] as const).map((text) => [text, 'boolean'] as const),
  ...['""', '"s"', '"a b"', '"a,v=1i"', '"\\""', '"\\\\"', '"a\nm v=1 5"', '"i"'].map(
    (text) => [text, 'string'] as const,
  ),
  ['7u', 'unsigned'],
]

const name = fc.constantFrom(...NAMES)
const withEscapes = (text: string, escaped: RegExp) => text.replace(escaped, '\\$&')
const field = fc.tuple(name, fc.constantFrom(...VALUES)).map(([key, [value, type]]) => {
  return { text: `${withEscapes(key, /[, =]/g)}=${value}`, name: key, type }
})
const line = fc
  .record({
    // Only these two need it; the others may have it.
    measurement: fc.tuple(name, fc.constantFrom(/[, ]/g, /[, =]/g, /[, ="]/g)),
    tag: fc.option(fc.tuple(name, name)),
    fields: fc.array(field, { minLength: 1, maxLength: 3 }),
    gap: fc.constantFrom(' ', '  ', ' \t ', ' \0'),
    time: fc.integer({ min: -3, max: 3 }),
    end: fc.constantFrom('\n', ' \n'),
  })
  .filter(({ measurement: [text] }) => !text.startsWith('#'))
  .map(({ measurement: [text, escaped], tag, fields, gap, time, end }): KnownLine => {
    const tags = tag === null ? '' : `,${tag.map((part) => withEscapes(part, /[, =]/g)).join('=')}`
    const values = fields.map((each) => each.text).join()
    const key = `${withEscapes(text, escaped)}${tags}`
    return { text: `${key} ${values}${gap}${time}${end}`, measurement: text, fields, time }
  })
const bodies = fc.array(fc.array(line, { maxLength: 5 }), { maxLength: 3 })

/** @returns `undefined` when nobody can tell */
function refusedBy(
  cause: RefusalCause,
  all: readonly KnownLine[],
  count: number,
): readonly KnownLine[] | undefined {
  if (count === all.length) return all
  switch (cause.kind) {
    case 'field':
      return all.filter(({ measurement, fields }) => {
        const hasField = fields.some(
          (each) => each.name === cause.field && each.type === cause.type,
        )
        return measurement === cause.measurement && hasField
      })
    case 'oldest': {
      const byAge = [...all].sort((one, two) => one.time - two.time)
      const [newestRefused, oldestKept] = [byAge[count - 1], byAge[count]]
      if (newestRefused === undefined || oldestKept === undefined) return undefined
      return newestRefused.time < oldestKept.time ? byAge.slice(0, count) : undefined
    }
    case 'line-numbers':
      return all.filter((_, index) => cause.lines.includes(index))
    case 'unknown':
      return undefined
  }
}

function checkPartition(
  known: readonly (readonly KnownLine[])[],
  cause: RefusalCause,
  count: number,
) {
  const given = known.map((lines) => Buffer.from(textOf(lines)))
  const refused = refusedBy(cause, known.flat(), count)
  const partitioned = atOnce(partitionRefused(given, cause, count))
  if (refused?.length !== count) return assert.equal(partitioned, undefined)
  assert(partitioned !== undefined)
  for (const [index, { kept, keptCount, refused: gone, refusedCount }] of partitioned.entries()) {
    const lines = known[index] ?? []
    const rest: KnownLine[] = lines.filter((each) => !refused.includes(each))
    assert.equal(kept.toString(), textOf(rest))
    assert.equal(keptCount, rest.length)
    assert.equal(gone.toString(), textOf(lines.filter((each) => refused.includes(each))))
    assert.equal(refusedCount, lines.length - rest.length)
    if (refusedCount === 0) assert.equal(kept, given[index])
  }
  assert.equal(partitioned.length, known.length)
}

function textOf(lines: readonly KnownLine[]): string {
  return lines.map(({ text }) => text).join('')
}

test('the lines of these tests are lines, and none is changed by the scanner', () => {
  const options = { precision: 'ns', unsignedIntegers: true } as const
  fc.assert(
    fc.property(line, ({ text }) => {
      const body = Buffer.from(text)
      const scanned = scanLines(body, { ...options, stamp: () => assert.fail('not stamped') })
      assert.equal(scanned.errors, '')
      assert.equal(scanned.lines.toString(), text)
    }),
    propertyRuns(8_000),
  )
})

test('exactly the lines are told that have the field with the type', () => {
  const types = ['float', 'integer', 'unsigned', 'string', 'boolean'] as const
  const cause = fc.record({
    kind: fc.constant('field' as const),
    measurement: name,
    field: name,
    type: fc.constantFrom(...types),
  })
  const property = fc.property(bodies, cause, fc.nat(3), fc.nat(), (known, random, off, at) => {
    const all = known.flat()
    const { measurement, fields } = all[at % Math.max(all.length, 1)] ?? {}
    const first = fields?.[0]
    // Mostly of a line that is there.
    const aimed =
      off === 3 || measurement === undefined || first === undefined
        ? random
        : { ...random, measurement, field: first.name, type: first.type }
    const count = refusedBy(aimed, all, -1)?.length ?? 0
    checkPartition(known, aimed, count + (off === 1 ? 1 : 0))
  })
  fc.assert(property, propertyRuns(12_000))
})

test('exactly the oldest lines are told, or none', () => {
  fc.assert(
    fc.property(bodies, fc.nat(8), (known, count) =>
      checkPartition(known, { kind: 'oldest' }, count),
    ),
    propertyRuns(12_000),
  )
})

test('exactly the numbered lines are told', () => {
  fc.assert(
    fc.property(bodies, fc.array(fc.nat(9)), fc.nat(9), (known, lines, count) => {
      const size = known.flat().length
      const present = new Set(lines.filter((number) => number < size)).size
      checkPartition(known, { kind: 'line-numbers', lines }, present)
      checkPartition(known, { kind: 'line-numbers', lines }, count)
    }),
    propertyRuns(12_000),
  )
})
