import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DoneRanges } from '../../../src/log/cursors/done-ranges.ts'
import { lagOf } from '../../../src/log/retention/lag.ts'

/** Ten of 100 bytes with ten numbers each, from 1 on. */
const SEGMENTS = Array.from({ length: 10 }, (_, index) => {
  return { firstSequence: index * 10 + 1, bytes: 100 }
})

function formerLag(from: number, to: number, done = new DoneRanges(1)): [number, number] {
  const { writes, bytes } = lagOf({ segments: SEGMENTS, nextSequence: 101, done, from, to })
  return [writes, bytes]
}

test('what is unread is counted by number, and has its share of its segments', () => {
  assert.deepEqual(formerLag(1, 101), [100, 1000])
  assert.deepEqual(formerLag(0, 101), [100, 1000])
  assert.deepEqual(formerLag(41, 51), [10, 100])
  assert.deepEqual(formerLag(46, 53), [7, 70])
  assert.deepEqual(formerLag(50, 50), [0, 0])
  assert.deepEqual(formerLag(60, 50), [0, 0])
})

test('what is done is not unread', () => {
  assert.deepEqual(formerLag(1, 101, new DoneRanges(96)), [5, 50])
  const done = new DoneRanges(12, [
    [14, 53],
    [60, 99],
  ])
  assert.deepEqual(formerLag(1, 101, done), [2 + 6 + 1, 20 + 60 + 10])
  assert.deepEqual(formerLag(55, 101, done), [5 + 1, 50 + 10])
  assert.deepEqual(formerLag(1, 101, new DoneRanges(101)), [0, 0])
})

test('the parts of it are together the whole', () => {
  fc.assert(
    fc.property(fc.nat(101), fc.nat(101), fc.nat(101), fc.nat(50), (x, y, z, below) => {
      const [from = 0, middle = 0, to = 0] = [x, y, z].toSorted((a, b) => a - b)
      const done = new DoneRanges(below, [[60, 65]])
      const [writes, bytes] = formerLag(from, to, done)
      const [first, second] = [formerLag(from, middle, done), formerLag(middle, to, done)]
      assert.equal(writes, first[0] + second[0])
      assert(Math.abs(bytes - first[1] - second[1]) <= 2) // Rounded.
    }),
  )
})
