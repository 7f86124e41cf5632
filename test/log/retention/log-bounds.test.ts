import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BoundedPlace, giveUpBelow, keptBytes } from '../../../src/log/retention/log-bounds.ts'

/** Ten of 100 bytes with ten numbers each, from 1 on. */
const SEGMENTS = Array.from({ length: 10 }, (_, index) => {
  return { firstSequence: index * 10 + 1, bytes: 100 }
})

function place(below: number, parts: Partial<BoundedPlace> = {}): BoundedPlace {
  return { below, boundBytes: 1e9, since: 0, isConfigured: true, isInSync: false, ...parts }
}

function check(places: readonly BoundedPlace[], maxBytes: number, wanted: readonly number[]) {
  assert.deepEqual(giveUpBelow({ segments: SEGMENTS, places, maxBytes }), wanted)
}

test('within all bounds nothing is given up', () => {
  check([place(5), place(101)], 1000, [0, 0])
})

test('the furthest behind gives way, by whole segments, until the log fits', () => {
  check([place(5), place(101)], 999, [11, 0])
  check([place(5), place(101)], 700, [31, 0])
  check([place(35), place(101)], 700, [61, 0])
  check([place(5), place(5), place(101)], 900, [11, 11, 0])
  check([place(5), place(35), place(101)], 900, [11, 0, 0])
})

test('an output over its own bound gives up, however much room there is', () => {
  check([place(5, { boundBytes: 400 }), place(101)], 1e9, [61, 0])
  check([place(61, { boundBytes: 400 }), place(101)], 1e9, [0, 0])
})

test('what no other output is through with is given up by nobody', () => {
  check([place(5)], 100, [0])
  check([place(5), place(5)], 100, [0, 0])
  check([place(5), place(31)], 100, [31, 0])
})

test('a part of a segment is given up by nobody: nothing would come of it', () => {
  check([place(5), place(28)], 100, [21, 0])
  check([place(5), place(10)], 100, [0, 0])
  check([place(21), place(28)], 100, [0, 0])
})

test('one that keeps pace gives up nothing, at the log’s bound or its own', () => {
  check([place(5, { isInSync: true }), place(101)], 100, [0, 0])
  check([place(5, { isInSync: true, boundBytes: 1 }), place(101)], 1e9, [0, 0])
  check([place(5, { isInSync: true }), place(35), place(101)], 100, [0, 0, 0])
  check([place(35, { isInSync: true }), place(5), place(101)], 100, [0, 91, 0])
})

test('what stands in the last segment is given up by nobody', () => {
  check([place(5), place(101)], 0, [91, 0])
  check([place(95), place(101)], 0, [0, 0])
})

test('one that came later has not what was there before it', () => {
  check([place(5), place(101, { since: 6 })], 900, [0, 0])
  check([place(5), place(101, { since: 5 })], 900, [11, 0])
  check([place(5), place(101, { since: 50 }), place(17)], 900, [11, 0, 0])
})

test('one that is not configured any more gives way, and nobody relies on it', () => {
  const removed = { isConfigured: false }
  check([place(101), place(5, removed)], 900, [0, 11])
  check([place(35), place(101), place(5, removed)], 900, [0, 0, 11])
  check([place(5), place(101), place(35, removed)], 900, [11, 0, 0])
  check([place(5), place(101, removed)], 900, [0, 0])
  check([place(5), place(5, removed)], 900, [0, 0])
  check([place(101), place(5, { ...removed, boundBytes: 400 })], 1e9, [0, 61])
  check([place(101, { since: 6 }), place(5, removed)], 900, [0, 0])
})

test('what is kept for an output are the segments from its place on', () => {
  assert.deepEqual(
    [1, 10, 11, 15, 91, 101].map((below) => keptBytes(SEGMENTS, below)),
    [1000, 1000, 900, 900, 100, 100],
  )
})
