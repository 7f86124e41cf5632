import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SequenceMap } from '../../src/std/sequence-map.ts'

/** Numbers rise by the first; then the second, as a share, of what is there goes. */
const steps = fc.array(
  fc.record({ rise: fc.integer({ min: 1, max: 40 }), gone: fc.double({ min: 0, max: 1 }) }),
  { maxLength: 300 },
)

test('things are found by their numbers as in a Map, however long some of them stay', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 2 ** 33 }), (moves, first) => {
      const model = new Map<number, string>()
      const numbered = new SequenceMap<string>()
      let number = first
      for (const { rise, gone } of moves) {
        number += rise
        model.set(number, `thing ${number}`)
        numbered.set(number, `thing ${number}`)
        const victim = [...model.keys()][Math.floor(gone * 2 * model.size)]
        if (victim !== undefined) {
          model.delete(victim)
          numbered.delete(victim)
        }
        assert.equal(numbered.size, model.size)
        assert.equal(numbered.get(number - 1), model.get(number - 1))
      }
      for (const [key, thing] of model) assert.equal(numbered.get(key), thing)
      assert.deepEqual(numbered.inOrder(), [...model.values()])
    }),
  )
})

test('tens of thousands at once are found, whichever goes first', () => {
  const numbered = new SequenceMap<number>()
  for (let number = 0; number < 50_000; number++) numbered.set(number, -number)
  assert.equal(numbered.size, 50_000)
  for (let number = 0; number < 50_000; number++) assert.equal(numbered.get(number), -number)
  for (let number = 49_999; number >= 0; number -= 2) numbered.delete(number)
  assert.equal(numbered.size, 25_000)
  assert.equal(numbered.get(49_999), undefined)
  assert.equal(numbered.get(49_998), -49_998)
  assert.deepEqual(numbered.inOrder().slice(0, 3), [-0, -2, -4])
})
