import assert from 'node:assert/strict'
import { test } from 'node:test'
import { editDistance, nearestKey, showKey } from '../../../src/config/schema/spelling.ts'

test('the edit distance counts insertions, deletions, changes and swaps', () => {
  const check = (a: string, b: string, distance: number) => {
    assert.equal(editDistance(a, b), distance, `${a} ${b}`)
    assert.equal(editDistance(b, a), distance, `${b} ${a}`)
  }
  check('', '', 0)
  check('', 'abc', 3)
  check('name', 'name', 0)
  check('name', 'nane', 1)
  check('name', 'nmae', 1)
  check('name', 'names', 1)
  check('kitten', 'sitting', 3)
})

test('only a key that is near is suggested', () => {
  const check = (given: string, nearest: string | undefined) =>
    assert.equal(nearestKey(given, ['mtu', 'name', 'location', 'buffer-size-mb']), nearest, given)
  check('mut', 'mtu')
  check('Locaton', 'location')
  check('buffer_sise_mb', 'buffer-size-mb')
  check('gzip', undefined)
  check('x'.repeat(5000), undefined)
})

test('a key in a message stays on its line', () => {
  assert.equal(showKey('bind-addr'), 'bind-addr')
  assert.equal(showKey('a\nb'), '"a\\nb"')
  assert.equal(showKey('x'.repeat(500)).length, 82)
})
