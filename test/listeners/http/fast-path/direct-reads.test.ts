import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { DirectReads } from '../../../../src/listeners/http/fast-path/direct-reads.ts'

interface Pair {
  readonly client: Socket
  readonly reads: DirectReads | undefined
  readonly accepted: Socket
  readonly room: Buffer
  /** Resolves with all that was read, once it is so much. */
  readonly received: (bytes: number) => Promise<Buffer>
}

async function openPair(t: TestContext): Promise<Pair> {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const room = Buffer.alloc(4096)
  const chunks: Buffer[] = []
  let receivedBytes = 0
  let onMore = () => {}
  const accepting = Promise.withResolvers<Pick<Pair, 'accepted' | 'reads'>>()
  server.once('connection', (accepted) => {
    const onRead = (bytes: number, into: Buffer) => {
      assert.equal(into, room)
      chunks.push(Buffer.from(into.subarray(0, bytes)))
      receivedBytes += bytes
      onMore()
    }
    const reads = DirectReads.of(accepted, { room: () => room, onRead })
    accepted.resume()
    t.after(() => accepted.destroy())
    accepting.resolve({ accepted, reads })
  })
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.after(() => client.destroy())
  const { accepted, reads } = await accepting.promise
  const received = (bytes: number) =>
    new Promise<Buffer>((resolve) => {
      onMore = () => {
        if (receivedBytes >= bytes) resolve(Buffer.concat(chunks))
      }
      onMore()
    })
  return { client, accepted, reads, room, received }
}

test('on this Node an accepted connection is read into the room that it is given', async (t) => {
  const { client, accepted, reads, received } = await openPair(t)
  assert(reads !== undefined, 'node keeps its buffers elsewhere now')
  accepted.on('data', () => assert.fail('it came by a chunk of node'))
  const sent = randomBytes(300_000)
  client.write(sent)
  assert.deepEqual(await received(sent.length), sent)
})

test('nothing is read while it is paused, and its end is told', async (t) => {
  const { client, accepted, received } = await openPair(t)
  client.write('before')
  await received(6)
  accepted.pause()
  const sent = randomBytes(8_000_000)
  const written = new Promise<void>((resolve) => client.end(sent, () => resolve()))
  // More than what both kernels hold: it cannot leave before somebody reads.
  const first = await Promise.race([written.then(() => 'sent'), once(client, 'drain'), nextTurns()])
  assert.equal(first, 'paused')
  assert.equal((await received(6)).toString(), 'before')
  const ended = once(accepted, 'end')
  accepted.resume()
  assert.deepEqual((await received(6 + sent.length)).subarray(6), sent)
  await ended
})

test('once it is released it is read as any other connection', async (t) => {
  const { client, accepted, reads, received } = await openPair(t)
  client.write('own')
  assert.equal((await received(3)).toString(), 'own')
  accepted.pause()
  reads?.release()
  accepted.unshift(Buffer.from('back'))
  const sent = randomBytes(200_000)
  client.end(sent)
  const chunks: Buffer[] = []
  accepted.on('data', (chunk: Buffer) => chunks.push(chunk))
  accepted.resume()
  await once(accepted, 'end')
  assert.deepEqual(Buffer.concat(chunks), Buffer.concat([Buffer.from('back'), sent]))
})

async function nextTurns(): Promise<string> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  return 'paused'
}
