import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DoneRanges } from '../../../src/log/cursors/done-ranges.ts'

test('whatever the order in which records are done, it is known which are', () => {
  const range = fc.tuple(fc.nat(60), fc.nat(5)).map(([from, more]) => [from, from + more] as const)
  fc.assert(
    fc.property(fc.nat(20), fc.array(range, { maxLength: 40 }), (below, added) => {
      const done = new DoneRanges(below)
      const model = new Set(Array.from({ length: below }, (_, sequence) => sequence))
      for (const [from, to] of added) {
        const before = JSON.stringify([done.below, done.ranges])
        const { changes } = done
        done.addRange(from, to)
        const isSame = JSON.stringify([done.below, done.ranges]) === before
        assert(isSame || done.changes > changes, 'a change is not told')
        for (let sequence = from; sequence <= to; sequence++) model.add(sequence)
        for (let sequence = 0; sequence < 70; sequence++) {
          assert.equal(done.has(sequence), model.has(sequence), `${sequence}`)
        }
        assert.equal(model.has(done.below), false)
        let last = done.below
        for (const [start, end] of done.ranges) {
          assert(start > last && end >= start)
          last = end + 1
        }
      }
      for (const [from, to] of added) {
        const open = Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index)
        const count = open.filter((sequence) => !model.has(sequence)).length
        assert.equal(done.openCount(from, to), count, `from ${from} to ${to}`)
      }
      assert.equal(done.openCount(0, 100), 100 - model.size)
      const again = new DoneRanges(done.below, done.ranges)
      assert.deepEqual([again.below, again.ranges], [done.below, done.ranges])
    }),
  )
})

test('records that are done in order cost nothing', () => {
  const done = new DoneRanges(1)
  for (let sequence = 1; sequence <= 10_000; sequence++) done.add(sequence)
  assert.deepEqual([done.below, done.ranges], [10_001, []])
})
