/** The SIMD tier alone, and the scanner with and without it, to be compared. */

import assert from 'node:assert/strict'
import { SimdLines } from '../../src/line-protocol/fast/simd-lines.ts'
import { simdModule } from '../../src/line-protocol/fast/simd-module.ts'
import type { Precision } from '../../src/line-protocol/precision.ts'
import { Edits } from '../../src/line-protocol/scan/edits.ts'
import { scanLines } from '../../src/line-protocol/scan/scan.ts'
import { plainTimestamps } from '../../src/line-protocol/scan/timestamp.ts'

const STAMP = '1700000000000000000'

/**
 * Asserts that a scan has the same result with and without the SIMD tier, for a body of any length.
 */
export function assertScannedAlike(body: Buffer, precision: Precision = 'ns'): void {
  assert(simdModule !== undefined)
  const received = Buffer.from(body)
  const { lines, ...said } = scanFrom(0, body, precision)
  const { lines: plainLines, ...plainSaid } = scanFrom(Number.POSITIVE_INFINITY, body, precision)
  // Compared as booleans: assert takes minutes to render all differences of large buffers.
  if (!lines.equals(plainLines)) assert.fail(excerptOf(lines, plainLines))
  assert.deepEqual(said, plainSaid)
  assert.ok(body.equals(received), 'a scan has written into the body')
}

function excerptOf(left: Buffer, right: Buffer): string {
  let at = 0
  while (at < left.length && left[at] === right[at]) at++
  const around = (bytes: Buffer) => bytes.toString('latin1', Math.max(at - 60, 0), at + 60)
  return `from byte ${at} on:\n${around(left)}\ninstead of\n${around(right)}`
}

/** The whole result of a scan that uses the SIMD tier for bodies from `simdMinBytes` on. */
function scanFrom(simdMinBytes: number, body: Buffer, precision: Precision) {
  let asked = 0
  const stamp = () => {
    asked++
    return STAMP
  }
  const options = { precision, stamp, unsignedIntegers: false }
  const scanned = scanLines(body, options, simdMinBytes)
  return { ...scanned, asked, isSameBuffer: scanned.lines === body }
}

/** The part of `bytes` that the tier accepts from `from` on. @param bytes end in a newline */
export function takeOrdinaryLines(
  bytes: Buffer,
  from: number,
  precision: Precision = 'ns',
): { end: number; lineCount: number; lines: Buffer } {
  assert(simdModule !== undefined)
  const body = from === 0 ? bytes : bytes.subarray(from)
  const edits = new Edits(body)
  const lanes = new SimdLines(body, {
    module: simdModule,
    edits,
    timestamps: plainTimestamps(precision),
    stamp: () => ` ${STAMP}`,
  })
  const end = lanes.take(0, Number.POSITIVE_INFINITY)
  return { end: from + end, lineCount: lanes.lineCount, lines: edits.apply() }
}
