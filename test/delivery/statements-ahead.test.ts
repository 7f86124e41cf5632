/**
 * A statement that an output is owed reaches it although the statement is still unread on the disk,
 * behind more writes than a hold may take: none of these writes is refused.
 *
 * Method: an output that is down while its database is written to and then created, with a window
 * that is a small part of the backlog; in one process, and over restarts with and without a cursor.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { nodeFileSystem } from '../../src/log/file-system.ts'
import type { Relay } from '../../src/relay/relay.ts'
import { systemClock } from '../../src/std/clock.ts'
import { type DurableRelay, drained, openDurableRelay, Server } from '../support/durable-relay.ts'
import { FreshServer, statementOf } from '../support/fresh-server.ts'
import { outputOf, writeOf } from '../support/scripted-relay.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'

const WRITES = 220
/** Room for the windows of the tests and their streams, not for all writes. */
const MEMORY_BYTES = 80_000
/** A backlog that stays in memory: the output never falls behind. */
const ALL_IN_MEMORY = 1e6

function serversOf(): [Server, FreshServer] {
  const servers: [Server, FreshServer] = [new Server(), new FreshServer()]
  servers[1].isUp = false
  return servers
}

/** @returns the lines that were accepted */
async function write(
  relay: Relay,
  from: number,
  to: number,
  { database = 'db', receivedAtMs = systemClock.wallMs() } = {},
): Promise<string[]> {
  const lines: string[] = []
  for (let i = from; i < to; i++) {
    const each = { ...writeOf(`m v=${i} ${i}\n`, database), receivedAtMs }
    assert.equal((await relay.accept(each)).status, 204)
    lines.push(`m v=${i} ${i}`)
  }
  return lines
}

/** All that was written was stored once, in order, and the books of the output say so. */
async function assertAllStored(
  { relay, memory }: DurableRelay,
  b: FreshServer,
  lines: readonly string[],
): Promise<void> {
  const serve = b.verdict
  let mostBytes = 0
  b.verdict = (...sent) => {
    mostBytes = Math.max(mostBytes, memory.usedBytes)
    return serve(...sent)
  }
  b.isUp = true
  await drained(relay, ['a', 'b'])
  assert(mostBytes < MEMORY_BYTES, `${mostBytes} bytes of memory`)
  const { outcomeLines, acceptedLines, pendingWrites, pendingBytes, holds } = outputOf(relay, 'b')
  const { refused, dropped, delivered } = outcomeLines
  assert.deepEqual([refused, outcomeLines['dead-lettered'], dropped], [0, 0, 0])
  assert.deepEqual(b.stored, lines)
  assert.equal(delivered, acceptedLines)
  assert.deepEqual([pendingWrites, pendingBytes, holds], [0, 0, 0])
  assert.equal(memory.usedBytes, 0)
}

test('writes wait for a statement that was appended behind them while the output was behind', async (t) => {
  const servers = serversOf()
  const [, b] = servers
  const opened = await openDurableRelay(await temporaryFolder(t), servers, { letters: 'kept' })
  const lines = await write(opened.relay, 0, WRITES)
  assert((await opened.relay.accept(statementOf('db'))).status < 300)
  lines.push(...(await write(opened.relay, WRITES, WRITES + 20)))
  await assertAllStored(opened, b, lines)
  assert.deepEqual(b.statements, ['db'])
  await opened.relay[Symbol.asyncDispose]()
})

test('writes wait for a statement that was unloaded when the output fell behind', async (t) => {
  const servers = serversOf()
  const [, b] = servers
  const opened = await openDurableRelay(await temporaryFolder(t), servers, {
    windowBytes: 20_000,
    letters: 'kept',
  })
  const lines = await write(opened.relay, 0, 30)
  assert((await opened.relay.accept(statementOf('db'))).status < 300)
  lines.push(...(await write(opened.relay, 30, WRITES)))
  await assertAllStored(opened, b, lines)
  assert.deepEqual(b.statements, ['db'])
  await opened.relay[Symbol.asyncDispose]()
})

/** What the earlier process leaves behind. */
const EARLIER = [
  { name: 'that was behind', windowBytes: 2_000, hasCursor: true },
  { name: 'that had all of it in memory', windowBytes: ALL_IN_MEMORY, hasCursor: true },
  { name: 'that saved no cursor', windowBytes: 2_000, hasCursor: false },
  { name: 'though missing-db-grace is over', windowBytes: 2_000, hasCursor: false, age: 'old' },
] as const

for (const { name, windowBytes, hasCursor, ...rest } of EARLIER) {
  test(`writes wait for a statement of an earlier process ${name}`, async (t) => {
    const folder = await temporaryFolder(t)
    const servers = serversOf()
    const [, b] = servers
    const first = await openDurableRelay(folder, servers, { windowBytes })
    const received = 'age' in rest ? { receivedAtMs: 0 } : {}
    const lines = await write(first.relay, 0, WRITES, received)
    assert((await first.relay.accept(statementOf('db'))).status < 300)
    lines.push(...(await write(first.relay, WRITES, WRITES + 20, received)))
    await first.relay[Symbol.asyncDispose]()
    if (!hasCursor) await nodeFileSystem.unlink(join(folder, 'cursors', 'b.cursor'))

    const second = await openDurableRelay(folder, servers, { letters: 'kept' })
    await assertAllStored(second, b, lines)
    assert.deepEqual(b.statements, ['db'])
    await second.relay[Symbol.asyncDispose]()
    const third = await openDurableRelay(folder, servers, { letters: 'kept' })
    await assertAllStored(third, b, lines)
    assert.deepEqual(b.statements, ['db'], 'it is executed once')
    await third.relay[Symbol.asyncDispose]()
  })
}

test('writes wait for a statement further on in the log than the output has room for statements', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = serversOf()
  const [, b] = servers
  const first = await openDurableRelay(folder, servers)
  const lines: string[] = []
  for (let i = 0; i < 400; i++) {
    lines.push(`m v="${'x'.repeat(2_000)}" ${i}`)
    assert.equal((await first.relay.accept(writeOf(`${lines.at(-1)}\n`))).status, 204)
  }
  assert((await first.relay.accept(statementOf('db'))).status < 300)
  await first.relay[Symbol.asyncDispose]()
  await nodeFileSystem.unlink(join(folder, 'cursors', 'b.cursor'))

  const windowBytes = 600_000
  const { relay } = await openDurableRelay(folder, servers, { windowBytes, letters: 'kept' })
  for (let i = 0; i < 1_000; i++) {
    assert((await relay.accept(statementOf(`other ${i}`))).status < 300)
  }
  assert.equal((await relay.accept(statementOf('one too many'))).status, 503)
  const gate = Promise.withResolvers<void>()
  const serve = b.verdict
  b.verdict = async (payload, ...rest) => {
    if (payload.target.database.startsWith('other')) await gate.promise
    return await serve(payload, ...rest)
  }
  b.isUp = true
  const refused = () => outputOf(relay, 'b').outcomeLines['dead-lettered']
  const areHeld = () => outputOf(relay, 'b').heldWrites >= 200 || refused() > 0
  await until(areHeld, { what: 'the writes are on hold, more than a hold may take' })
  gate.resolve()
  await drained(relay, ['a', 'b'])
  assert.equal(refused(), 0)
  assert.deepEqual(b.stored, lines)
  await relay[Symbol.asyncDispose]()
})

test('without a statement in the log the bound of a hold applies, and the rest goes on', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = serversOf()
  const [, b] = servers
  const first = await openDurableRelay(folder, servers)
  await write(first.relay, 0, WRITES, { database: 'typo' })
  assert((await first.relay.accept(statementOf('db'))).status < 300)
  const lines = await write(first.relay, 0, 20)
  await first.relay[Symbol.asyncDispose]()
  await nodeFileSystem.unlink(join(folder, 'cursors', 'b.cursor'))

  const second = await openDurableRelay(folder, servers, { letters: 'kept' })
  b.isUp = true
  assert((await second.relay.accept(statementOf('other'))).status < 300)
  await drained(second.relay, ['a'])
  const isHeldOnly = () => {
    const { pendingWrites, formerLagWrites, heldWrites } = outputOf(second.relay, 'b')
    return formerLagWrites === 0 && pendingWrites === heldWrites
  }
  await until(isHeldOnly, { what: 'only what is on hold is pending' })
  const { outcomeLines, heldWrites } = outputOf(second.relay, 'b')
  assert(heldWrites > 0)
  assert.equal(outcomeLines['dead-lettered'], WRITES - heldWrites)
  assert.deepEqual(b.stored, lines)
  assert.deepEqual(b.statements.toSorted(), ['db', 'other'])
  await second.relay[Symbol.asyncDispose]()
})

interface Life {
  readonly windowBytes: number
  readonly hasCursor: boolean
  /** Counts of writes, each followed by a statement. */
  readonly runs: readonly number[]
}

const life: fc.Arbitrary<Life> = fc.record({
  windowBytes: fc.constantFrom(2_000, 10_000, ALL_IN_MEMORY),
  hasCursor: fc.boolean(),
  runs: fc.array(fc.nat(60), { minLength: 1, maxLength: 4 }),
})

test('wherever the statements stand: all is stored once and in order when the output is up', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 3 }), async (lives) => {
      await play(t, lives)
    }),
    { numRuns: 25 },
  )
})

/**
 * As after a kill before the cursor was saved. A cursor with statements stays: the log removes a
 * segment with a statement only once such a cursor is on the disk.
 */
async function forgetCursor(folder: string): Promise<void> {
  const path = join(folder, 'cursors', 'b.cursor')
  if (!(await readFile(path, 'utf8')).includes('"statements"')) await nodeFileSystem.unlink(path)
}

async function play(t: TestContext, lives: readonly Life[]): Promise<void> {
  const folder = await temporaryFolder(t)
  const servers = serversOf()
  const lines: string[] = []
  let statements = 0
  for (const { windowBytes, hasCursor, runs } of lives) {
    const { relay } = await openDurableRelay(folder, servers, { windowBytes })
    for (const count of runs) {
      lines.push(...(await write(relay, lines.length, lines.length + count)))
      await relay.accept(statementOf('db'))
      statements++
    }
    await relay[Symbol.asyncDispose]()
    if (!hasCursor) await forgetCursor(folder)
  }
  const last = await openDurableRelay(folder, servers, { letters: 'kept' })
  await assertAllStored(last, servers[1], lines)
  assert.equal(servers[1].statements.length, statements)
  await last.relay[Symbol.asyncDispose]()
}
