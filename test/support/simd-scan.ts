/** The SIMD lane alone, and the scanner with and without it side by side. */

import assert from 'node:assert/strict'
import { SimdLines } from '../../src/line-protocol/fast/simd-lines.ts'
import { simdModule } from '../../src/line-protocol/fast/simd-module.ts'
import type { Precision } from '../../src/line-protocol/precision.ts'
import { Edits } from '../../src/line-protocol/scan/edits.ts'
import { scanLines } from '../../src/line-protocol/scan/scan.ts'
import { plainTimestamps } from '../../src/line-protocol/scan/timestamp.ts'

const STAMP = '1700000000000000000'

/** That the SIMD lane, used for a body of any length, makes no difference to what a scan says. */
export function assertScannedAlike(body: Buffer, precision: Precision = 'ns'): void {
  assert(simdModule !== undefined)
  const received = Buffer.from(body)
  const { lines, ...said } = scanFrom(0, body, precision)
  const { lines: plainLines, ...plainSaid } = scanFrom(Number.POSITIVE_INFINITY, body, precision)
  // Not as values: to tell all differences of large buffers takes assert minutes.
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

/** All that a scan says, with the SIMD lane for bodies from `simdMinBytes` on. */
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

/** What the lane takes of `bytes` from `from` on. @param bytes end in a newline */
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
