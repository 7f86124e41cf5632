import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { copyOf, IncomingBody } from '../../../src/listeners/fast-lane/incoming-body.ts'

const MEGABYTE = 1024 * 1024

test('a body is what came, however it came', () => {
  const sent = randomBytes(5 * MEGABYTE + 3)
  const body = new IncomingBody(sent.length)
  let at = 0
  for (let turn = 0; body.missingBytes > 0; turn++) {
    const bytes = Math.min(body.missingBytes, 1 + turn * 70_001)
    if (turn % 2 === 0) body.append(sent, at, at + bytes)
    else {
      const read = sent.copy(body.room(), 0, at, at + bytes)
      body.advance(read)
      at += read
      continue
    }
    at += bytes
  }
  assert.deepEqual(body.whole(), sent)
})

test('a body that is only announced takes no more than a megabyte', () => {
  const body = new IncomingBody(20 * MEGABYTE)
  body.append(Buffer.from('m'), 0, 1)
  assert(body.room().length < MEGABYTE)
  body.advance(body.room().length)
  assert(body.room().length <= MEGABYTE)
  assert.throws(() => body.whole(), /BUG/)
})

test('a small body keeps nothing alive but itself', () => {
  const copy = copyOf(Buffer.from('head body tail'), 5, 9)
  assert.equal(copy.toString(), 'body')
  assert.equal(copy.buffer.byteLength, 4)
})
