import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BoundedCursor, dropBelow, keptBytes } from '../../../src/log/retention/log-bounds.ts'

/** Ten of 100 bytes with ten numbers each, from 1 on. */
const SEGMENTS = Array.from({ length: 10 }, (_, index) => {
  return { firstSequence: index * 10 + 1, bytes: 100 }
})

function cursor(below: number, parts: Partial<BoundedCursor> = {}): BoundedCursor {
  return { below, boundBytes: 1e9, since: 0, isConfigured: true, keepsPace: false, ...parts }
}

function check(cursors: readonly BoundedCursor[], maxBytes: number, wanted: readonly number[]) {
  assert.deepEqual(dropBelow({ segments: SEGMENTS, cursors, maxBytes }), wanted)
}

test('within all bounds nothing is given up', () => {
  check([cursor(5), cursor(101)], 1000, [0, 0])
})

test('the furthest behind gives way, by whole segments, until the log fits', () => {
  check([cursor(5), cursor(101)], 999, [11, 0])
  check([cursor(5), cursor(101)], 700, [31, 0])
  check([cursor(35), cursor(101)], 700, [61, 0])
  check([cursor(5), cursor(5), cursor(101)], 900, [11, 11, 0])
  check([cursor(5), cursor(35), cursor(101)], 900, [11, 0, 0])
})

test('an output over its own bound gives up, however much room there is', () => {
  check([cursor(5, { boundBytes: 400 }), cursor(101)], 1e9, [61, 0])
  check([cursor(61, { boundBytes: 400 }), cursor(101)], 1e9, [0, 0])
})

test('what no other output is through with is given up by nobody', () => {
  check([cursor(5)], 100, [0])
  check([cursor(5), cursor(5)], 100, [0, 0])
  check([cursor(5), cursor(31)], 100, [31, 0])
})

test('a part of a segment is given up by nobody: nothing would come of it', () => {
  check([cursor(5), cursor(28)], 100, [21, 0])
  check([cursor(5), cursor(10)], 100, [0, 0])
  check([cursor(21), cursor(28)], 100, [0, 0])
})

test('one that keeps pace gives up nothing, at the log’s bound or its own', () => {
  check([cursor(5, { keepsPace: true }), cursor(101)], 100, [0, 0])
  check([cursor(5, { keepsPace: true, boundBytes: 1 }), cursor(101)], 1e9, [0, 0])
  check([cursor(5, { keepsPace: true }), cursor(35), cursor(101)], 100, [0, 0, 0])
  check([cursor(35, { keepsPace: true }), cursor(5), cursor(101)], 100, [0, 91, 0])
})

test('what stands in the last segment is given up by nobody', () => {
  check([cursor(5), cursor(101)], 0, [91, 0])
  check([cursor(95), cursor(101)], 0, [0, 0])
})

test('one that came later has not what was there before it', () => {
  check([cursor(5), cursor(101, { since: 6 })], 900, [0, 0])
  check([cursor(5), cursor(101, { since: 5 })], 900, [11, 0])
  check([cursor(5), cursor(101, { since: 50 }), cursor(17)], 900, [11, 0, 0])
})

test('one that is not configured any more gives way, and nobody relies on it', () => {
  const removed = { isConfigured: false }
  check([cursor(101), cursor(5, removed)], 900, [0, 11])
  check([cursor(35), cursor(101), cursor(5, removed)], 900, [0, 0, 11])
  check([cursor(5), cursor(101), cursor(35, removed)], 900, [11, 0, 0])
  check([cursor(5), cursor(101, removed)], 900, [0, 0])
  check([cursor(5), cursor(5, removed)], 900, [0, 0])
  check([cursor(101), cursor(5, { ...removed, boundBytes: 400 })], 1e9, [0, 61])
  check([cursor(101, { since: 6 }), cursor(5, removed)], 900, [0, 0])
})

test('what is kept for an output are the segments from its place on', () => {
  assert.deepEqual(
    [1, 10, 11, 15, 91, 101].map((below) => keptBytes(SEGMENTS, below)),
    [1000, 1000, 900, 900, 100, 100],
  )
})
