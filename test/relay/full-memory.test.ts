/**
 * Full memory with a log on disk: what is on the disk as well makes room, and writes go on.
 *
 * Method: a budget that holds a few dozen writes, a window that would hold all of them, and a
 * server that hangs.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entryBytes } from '../../src/log/entry.ts'
import { type DurableRelay, drained, openDurableRelay, Server } from '../support/durable-relay.ts'
import { outputOf, writeOf } from '../support/scripted-relay.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'

const TINY = { memoryBytes: 90_000, windowBytes: 1e6 }

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => `m v=1 ${from + index}`)
}

/** Each is answered 204, and the budget is never exceeded. */
async function write({ relay, memory }: DurableRelay, from: number, to: number): Promise<void> {
  for (const body of numbers(from, to)) {
    assert.equal((await relay.accept(writeOf(`${body}\n`))).status, 204, body)
    assert(memory.usedBytes <= memory.limitBytes, `${memory.usedBytes} bytes used`)
  }
}

test('an output that hangs reads from the disk when memory is full; no write is refused', async (t) => {
  const servers = [new Server(), new Server()]
  const [a, b] = servers as [Server, Server]
  const opened = await openDurableRelay(await temporaryFolder(t), servers, TINY)
  const { relay, memory } = opened
  b.hold()
  await write(opened, 0, 500)
  assert.deepEqual(a.stored, numbers(0, 500), 'a client waited for something else than a')
  assert.equal(outputOf(relay, 'a').isInSync, true)
  assert.equal(outputOf(relay, 'b').pendingWrites, 500)
  b.release()
  await drained(relay, ['a', 'b'])
  assert.deepEqual(b.stored, numbers(0, 500))
  assert.equal(memory.usedBytes, 0)
  await write(opened, 500, 510)
  await drained(relay, ['a', 'b'])
  assert.deepEqual(b.stored, numbers(0, 510))
  await relay[Symbol.asyncDispose]()
})

test('however many outputs hang: what is on the disk is enough for a yes', async (t) => {
  const servers = [new Server(), new Server(), new Server()]
  const options = { ...TINY, acknowledgement: 'log' as const }
  const opened = await openDurableRelay(await temporaryFolder(t), servers, options)
  const { relay } = opened
  for (const server of servers) server.hold()
  await write(opened, 0, 300)
  for (const server of servers) server.release()
  await drained(relay, ['a', 'b', 'c'])
  for (const { stored } of servers) assert.deepEqual(stored, numbers(0, 300))
  await relay[Symbol.asyncDispose]()
})

test('what was taken and waits for its next attempt makes room as well, and keeps its order', async (t) => {
  const servers = [new Server(), new Server()]
  const [, b] = servers as [Server, Server]
  const opened = await openDurableRelay(await temporaryFolder(t), servers, TINY)
  b.isUp = false
  // One batch of each database is taken: together they are all of the memory.
  const bodies = Array.from({ length: 300 }, (_, index) => `m v=1 ${index}`)
  for (const [index, body] of bodies.entries()) {
    const { status } = await opened.relay.accept(writeOf(`${body}\n`, `db${index % 50}`))
    assert.equal(status, 204)
    assert(opened.memory.usedBytes <= opened.memory.limitBytes)
  }
  b.isUp = true
  await drained(opened.relay, ['a', 'b'])
  for (let database = 0; database < 50; database++) {
    const its = b.stored
      .map((body) => Number(body.split(' ')[2]))
      .filter((n) => n % 50 === database)
    assert.deepEqual(
      its,
      [0, 1, 2, 3, 4, 5].map((n) => n * 50 + database),
    )
  }
  await opened.relay[Symbol.asyncDispose]()
})

test('memory that others hold is not made by outputs: 503, until they give it back', async (t) => {
  const servers = [new Server(), new Server()]
  const [a, b] = servers as [Server, Server]
  const opened = await openDurableRelay(await temporaryFolder(t), servers, TINY)
  const { relay, memory } = opened
  b.hold()
  await write(opened, 0, 10)
  memory.take(memory.limitBytes)
  assert.equal((await relay.accept(writeOf('m v=1 999\n'))).status, 503)
  assert.equal(relay.snapshot().refusedWrites['memory-full'], 1)
  assert.equal(outputOf(relay, 'b').isInSync, true, 'it has given back in vain')
  b.release()
  await drained(relay, ['a', 'b'])
  memory.giveBack(memory.limitBytes)
  await write(opened, 10, 20)
  await drained(relay, ['a', 'b'])
  for (const { stored } of [a, b]) assert.deepEqual(stored, numbers(0, 20))
  await relay[Symbol.asyncDispose]()
})

test('an output that is behind goes on, however long others hold all of the memory', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = [new Server(), new Server()]
  const [, b] = servers as [Server, Server]
  b.isUp = false
  const first = await openDurableRelay(folder, servers, TINY)
  await write(first, 0, 50)
  await first.relay[Symbol.asyncDispose]()
  const { relay, memory } = await openDurableRelay(folder, servers, TINY)
  await until(() => outputOf(relay, 'b').pendingWrites > 0, { what: 'some of it is read' })
  memory.take(memory.limitBytes)
  b.isUp = true
  await drained(relay, ['a', 'b'])
  assert.deepEqual(b.stored, numbers(0, 50))
  assert.equal(memory.usedBytes, memory.limitBytes)
  await relay[Symbol.asyncDispose]()
})

test('an output whose requests fill its window goes on when they are through', async (t) => {
  const servers = [new Server(), new Server()]
  const [, b] = servers as [Server, Server]
  const bodies = ['m v=1 0', 'm v=1 1', 'm v=1 2']
  const windowBytes = 2 * entryBytes(writeOf(`${bodies[0]}\n`))
  const { relay } = await openDurableRelay(await temporaryFolder(t), servers, { windowBytes })
  b.hold()
  for (const [index, body] of bodies.entries()) {
    await relay.accept(writeOf(`${body}\n`, `db${index}`))
    if (index < 2) await b.attempts.atLeast(index + 1)
  }
  b.release()
  await drained(relay, ['a', 'b'])
  assert.deepEqual(b.stored, bodies)
  await relay[Symbol.asyncDispose]()
})
