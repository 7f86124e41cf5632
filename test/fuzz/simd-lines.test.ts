/**
 * The SIMD tier against the scanner without it.
 *
 * Goal: with the tier, not a byte of any answer is another. Method: scan each body with it, however
 * short, and without, and compare all that comes out.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OrdinaryLines } from '../../src/line-protocol/fast/ordinary-line.ts'
import { PRECISIONS, type Precision } from '../../src/line-protocol/precision.ts'
import { LineScan, scanLines } from '../../src/line-protocol/scan/scan.ts'
import { oddBody, ordinaryBody } from '../support/line-arbitraries.ts'
import { propertyRuns } from '../support/property-runs.ts'
import { assertScannedAlike, takeOrdinaryLines } from '../support/simd-scan.ts'

const precision = fc.constantFrom(...PRECISIONS)

test('what clients send is scanned alike with the SIMD tier and without', () => {
  fc.assert(fc.property(ordinaryBody, precision, assertScannedAlike), propertyRuns(3_000))
})

test('odd lines are scanned alike with the SIMD tier and without', () => {
  fc.assert(fc.property(oddBody, precision, assertScannedAlike), propertyRuns(15_000))
})

// Lines of all lengths push the cuts between windows, and what stands beside them, everywhere.
test('bodies of several windows are scanned alike with the SIMD tier and without', () => {
  const filler = fc.nat(400).map((size) => `${'m'.repeat(size + 1)} v=1 1\n`)
  const window = fc.array(filler, { minLength: 90, maxLength: 120 }).map((lines) => lines.join(''))
  const body = fc
    .tuple(window, ordinaryBody, window, ordinaryBody, oddBody)
    .map(([first, one, second, two, three]) =>
      Buffer.concat([Buffer.from(first), one, Buffer.from(`\n${second}`), two, three]),
    )
  fc.assert(fc.property(body, precision, assertScannedAlike), propertyRuns(1_000))
})

// The lane may leave a line as it likes; a line that it takes, the plain fast path must take too.
test('the SIMD tier takes no line that the fast path does not', () => {
  const check = (received: Buffer, unit: Precision) => {
    const bytes = Buffer.concat([received, Buffer.from('\n')])
    const ordinary = new OrdinaryLines(bytes, unit)
    for (let from = 0; from < bytes.length; from = bytes.indexOf('\n', from) + 1) {
      let at = from
      const { end, lineCount } = takeOrdinaryLines(bytes, from, unit)
      for (let i = 0; i < lineCount; i++) {
        const next = ordinary.read(at)
        assert.notEqual(next, 0, `line at ${at}`)
        at = Math.abs(next)
      }
      assert.equal(at, end)
    }
  }
  fc.assert(fc.property(fc.oneof(ordinaryBody, oddBody), precision, check), propertyRuns(20_000))
})

// The module has one window and one stamp: a scan that is left off must not find another's.
test('scans that take turns come to what each of them comes to alone', () => {
  const options = (stamp: string) =>
    ({ precision: 'ns', unsignedIntegers: false, stamp: () => stamp }) as const
  const anyBody = fc.oneof(ordinaryBody, oddBody)
  const pieces = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 })
  const check = (bodies: Buffer[], sizes: number[]) => {
    const scans = bodies.map((body, index) => new LineScan(body, options(`170000000${index}`), 0))
    const open = new Set(scans)
    for (let turn = 0; open.size > 0; turn++) {
      for (const scan of open) if (scan.read(sizes[turn % sizes.length] ?? 1)) open.delete(scan)
    }
    for (const [index, body] of bodies.entries()) {
      const alone = scanLines(body, options(`170000000${index}`), Number.POSITIVE_INFINITY)
      const { lines, ...rest } = scans[index]?.result() ?? alone
      assert.equal(lines.toString('latin1'), alone.lines.toString('latin1'))
      assert.deepEqual({ ...rest, lines: alone.lines }, alone)
    }
  }
  const bodies = fc.array(anyBody, { minLength: 2, maxLength: 3 })
  fc.assert(fc.property(bodies, pieces, check), propertyRuns(4_000))
})
