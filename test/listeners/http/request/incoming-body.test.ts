import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { IncomingBody } from '../../../../src/listeners/http/request/incoming-body.ts'

const MEGABYTE = 1024 * 1024

test('a body is what came, whether it was copied or read to its place', () => {
  const sent = randomBytes(5 * MEGABYTE + 3)
  const body = new IncomingBody(sent.length)
  let readCount = 0
  for (let turn = 0; body.missingBytes > 0; turn++) {
    const { bytes } = body
    const room = body.room()
    const more = Math.min(room?.length ?? body.missingBytes, 1 + turn * 7001)
    if (room === undefined) {
      body.append(sent, bytes, bytes + more)
      continue
    }
    body.advance(sent.copy(room, 0, bytes, bytes + more))
    readCount++
  }
  assert(readCount > 10, `only ${readCount} reads to where it stays`)
  assert.deepEqual(body.whole(), sent)
})

test('a body that is only announced takes four times what has come of it', () => {
  const body = new IncomingBody(20 * MEGABYTE)
  assert.equal(body.room(), undefined)
  body.append(Buffer.from('m'), 0, 1)
  assert.equal(body.room(), undefined)
  body.append(Buffer.alloc(MEGABYTE), 0, MEGABYTE)
  const room = body.room() ?? assert.fail('there is room now')
  assert.equal(room.buffer.byteLength, 4 * (MEGABYTE + 1))
  body.advance(room.length)
  assert.equal(body.room(), undefined)
})
