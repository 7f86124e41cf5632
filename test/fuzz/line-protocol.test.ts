import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { lineEnd } from '../../src/line-protocol/line-end.ts'
import { OrdinaryLines } from '../../src/line-protocol/ordinary-line.ts'
import { readPoint } from '../../src/line-protocol/point.ts'
import { scanLines } from '../../src/line-protocol/scan.ts'
import { isSettled } from '../../src/line-protocol/settle.ts'
import { forEachLine } from '../../src/line-protocol/split.ts'

const BUDGET_MS = Number(process.env['FUZZ_MS'] ?? 1_500)
const budget = {
  numRuns: 1_000_000,
  interruptAfterTimeLimit: BUDGET_MS,
  markInterruptAsFailure: false,
}

const options = { precision: 'ns', unsignedIntegers: false } as const
const scan = (body: Buffer) => scanLines(body, { ...options, stamp: () => '1700000000000000000' })

// Pieces that the scanners disagree about, in an order that is often nearly a line.
const name = fc.constantFrom(
  'm',
  'a',
  'b',
  'x y',
  'a\\ b',
  '\\,',
  '\\=',
  '"',
  '\\\\',
  'é',
  '\xff',
  '\\"',
  '#',
  'a#!~',
  '#!~#',
)
const value = fc.constantFrom(
  ...['1', '1i', '-1.5e3', 't', 'False', '"s"', '"a b"', '"a,b=c"', '"\\""', '"\\\\"', '"a\nb"'],
  ...['""', '"', '"="', '"=\\"', '\\', '1e400', '12345678901234567890123456', 'nan', '\r', '"a"b'],
)
const time = fc.constantFrom(
  '',
  ' ',
  ' 1',
  ' -5',
  '  7 ',
  ' 1600000000000000000',
  ' 1x',
  ' \t',
  '\\',
)
const pair = fc.tuple(name, value).map(([key, text]) => `${key}=${text}`)
const tag = fc.tuple(name, name).map(([key, text]) => `,${key}=${text}`)
const line = fc
  .tuple(
    name,
    fc.array(tag, { maxLength: 3 }),
    fc.array(pair, { minLength: 1, maxLength: 3 }),
    time,
  )
  .map(
    ([measurement, tags, fields, end]) => `${measurement}${tags.join('')} ${fields.join()}${end}`,
  )
const odd = fc.string({ unit: fc.constantFrom(...'\\"\n ,=#\t\0\r1amé'), maxLength: 12 })
const body = fc
  .array(fc.oneof({ weight: 5, arbitrary: line }, { weight: 1, arbitrary: odd }), { maxLength: 4 })
  .chain((lines) => fc.tuple(fc.constant(lines.join('\n')), fc.nat(), odd, fc.nat(6)))
  .map(([text, at, piece, kind]) => {
    const i = text.length === 0 ? 0 : at % text.length
    if (kind === 0) return text.slice(0, i) + piece + text.slice(i)
    if (kind === 1) return text.slice(0, i) + text.slice(i + 1)
    return kind < 4 ? `${text}\n` : text
  })
  .map((text) => Buffer.from(text, 'latin1'))

test('what was let through is let through again, unchanged and in the same buffer', () => {
  fc.assert(
    fc.property(body, (bytes) => {
      const first = scan(bytes)
      const second = scanLines(first.lines, { ...options, stamp: () => assert.fail('not stamped') })
      assert.equal(second.lines, first.lines)
      assert.deepEqual([second.lineCount, second.refusedCount], [first.lineCount, 0])
    }),
    budget,
  )
})

test('bodies joined after scanning have the lines that they had alone', () => {
  const linesOf = (bytes: Buffer) => {
    const lines: string[] = []
    forEachLine(bytes, (start, end) => lines.push(bytes.toString('latin1', start, end)))
    return lines
  }
  fc.assert(
    fc.property(body, body, (one, two) => {
      const [left, right] = [scan(one), scan(two)]
      const joined = Buffer.concat([left.lines, right.lines])
      assert.equal(scan(joined).lines, joined)
      assert.deepEqual(linesOf(joined), [...linesOf(left.lines), ...linesOf(right.lines)])
      assert.equal(linesOf(joined).length, left.lineCount + right.lineCount)
    }),
    budget,
  )
})

// The fast lane may say "not ordinary" as it likes; a line it takes, the careful reader must take
// too, with the same end and the same timestamp.
test('the fast lane takes no line that the careful reader would treat otherwise', () => {
  fc.assert(
    fc.property(body, (received) => {
      const bytes = Buffer.concat([received, Buffer.from('\n')])
      const ordinary = new OrdinaryLines(bytes, 'ns')
      for (let from = 0; from < bytes.length; ) {
        const newlineAt = lineEnd(bytes, from, bytes.length)
        const next = ordinary.read(from)
        if (next !== 0) {
          assert.equal(Math.abs(next), newlineAt + 1)
          assert.ok(isSettled(bytes, from, newlineAt + 1))
          const point = readPoint(bytes, { from, end: newlineAt }, options)
          assert.ok(typeof point !== 'string' && 'key' in point, String(point))
          assert.equal(next > 0, point.timestamp.from < point.timestamp.end)
        }
        from = newlineAt + 1
      }
    }),
    budget,
  )
})
