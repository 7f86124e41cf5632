import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unpooledConcat, unpooledCopy } from '../../src/std/unpooled.ts'

test('a small copy keeps nothing alive but itself', () => {
  const copy = unpooledCopy(Buffer.from('head body tail'), 5, 9)
  assert.equal(copy.toString(), 'body')
  assert.equal(copy.buffer.byteLength, 4)
  const whole = unpooledConcat([Buffer.from('bo'), Buffer.from('dy')], 4)
  assert.equal(whole.toString(), 'body')
  assert.equal(whole.buffer.byteLength, 4)
})
