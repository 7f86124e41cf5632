import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OrdinaryLines } from '../../src/line-protocol/fast/ordinary-line.ts'
import { forEachLine } from '../../src/line-protocol/lines/split.ts'
import { lineEnd } from '../../src/line-protocol/scan/line-end.ts'
import { readPoint } from '../../src/line-protocol/scan/point.ts'
import { scanLines } from '../../src/line-protocol/scan/scan.ts'
import { isSettled } from '../../src/line-protocol/scan/self-contained-line.ts'
import { oddBody as body } from '../support/line-arbitraries.ts'
import { propertyRuns } from '../support/property-runs.ts'

const options = { precision: 'ns', unsignedIntegers: false } as const
const scan = (body: Buffer) => scanLines(body, { ...options, stamp: () => '1700000000000000000' })

test('what was let through is let through again, unchanged and in the same buffer', () => {
  fc.assert(
    fc.property(body, (bytes) => {
      const first = scan(bytes)
      const second = scanLines(first.lines, { ...options, stamp: () => assert.fail('not stamped') })
      assert.equal(second.lines, first.lines)
      assert.deepEqual([second.lineCount, second.refusedCount], [first.lineCount, 0])
    }),
    propertyRuns(30_000),
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
    propertyRuns(20_000),
  )
})

// The fast path may say "not ordinary" as it likes; a line it takes, the careful reader must take
// too, with the same end and the same timestamp.
test('the fast path takes no line that the careful reader would treat otherwise', () => {
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
    propertyRuns(100_000),
  )
})
