import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeLossless, encodeLossless } from '../../src/line-protocol/lossless-text.ts'

test('bytes of any kind come back out of their text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (array) => {
      const bytes = Buffer.from(array)
      assert.deepEqual(encodeLossless(decodeLossless(bytes)), bytes)
    }),
  )
})

test('a text that is UTF-8 is what it says, and of other bytes each is a character', () => {
  assert.equal(decodeLossless(Buffer.from('köln 😀')), 'köln 😀')
  const text = decodeLossless(Buffer.from('a\xe4\xf0\x9f\x98b', 'latin1'))
  assert.equal(text, 'a\udce4\udcf0\udc9f\udc98b')
})
