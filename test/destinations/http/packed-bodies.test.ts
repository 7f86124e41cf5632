import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { packBodies } from '../../../src/destinations/http/packed-bodies.ts'
import type { LinesWrite, Write } from '../../../src/write/write.ts'
import { writeOf } from '../../support/scripted-relay.ts'

function packedWrite(text: string): LinesWrite {
  const write = writeOf(text)
  assert(write.kind === 'lines')
  return { ...write, packed: { of: write.body, bytes: gzipSync(write.body) } }
}

function bytesOf(write: LinesWrite): Buffer | undefined {
  return write.packed?.bytes
}

test('what the client has packed goes on as it came, and the rest in between as one', async () => {
  const first = packedWrite('m v=1 1\n')
  const last = packedWrite('m v=4 4\n')
  const writes: Write[] = [first, writeOf('m v=2 2\n'), writeOf('m v=3 3\n'), last]
  const members = await packBodies(writes, true)
  assert.equal(members.length, 3)
  assert.equal(members[0], bytesOf(first))
  assert.equal(members[2], bytesOf(last))
  assert.equal(
    gunzipSync(Buffer.concat(members)).toString(),
    'm v=1 1\nm v=2 2\nm v=3 3\nm v=4 4\n',
  )
})

test('where members may not be joined there is one, the client’s own if it is alone', async () => {
  const write = packedWrite('m v=1 1\n')
  assert.deepEqual(await packBodies([write], false), [bytesOf(write)])
  const [member, ...others] = await packBodies([write, packedWrite('m v=2 2\n')], false)
  assert(member !== undefined && others.length === 0)
  assert.equal(gunzipSync(member).toString(), 'm v=1 1\nm v=2 2\n')
})

test('a write that is sent without some of its lines is packed anew', async () => {
  const whole = packedWrite('m v=1 1\nm v=2 2\n')
  const half = { ...whole, body: whole.body.subarray(8), lineCount: 1 }
  const members = await packBodies([half], true)
  assert.equal(gunzipSync(Buffer.concat(members)).toString(), 'm v=2 2\n')
})
