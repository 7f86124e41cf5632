import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TwoGenerationCache } from '../../src/std/two-generation-cache.ts'

test('what is used stays, what is not is forgotten within two generations', () => {
  const kept = new TwoGenerationCache<number>(2)
  kept.set('used', 1)
  kept.set('unused', 2)
  kept.set('c', 3) // The first two are the older generation now.
  assert.equal(kept.get('used'), 1)
  kept.set('d', 4) // 'c' and 'used' are.
  assert.equal(kept.get('unused'), undefined)
  assert.equal(kept.get('used'), 1)
  assert.equal(kept.get('c'), 3)
})
