import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownConcat, ownCopy } from '../../src/std/own-memory.ts'

test('a small copy keeps nothing alive but itself', () => {
  const copy = ownCopy(Buffer.from('head body tail'), 5, 9)
  assert.equal(copy.toString(), 'body')
  assert.equal(copy.buffer.byteLength, 4)
  const whole = ownConcat([Buffer.from('bo'), Buffer.from('dy')], 4)
  assert.equal(whole.toString(), 'body')
  assert.equal(whole.buffer.byteLength, 4)
})
