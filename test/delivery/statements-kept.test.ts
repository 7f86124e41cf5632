/**
 * A statement is never given up with a backlog: what follows it may stand only because of it.
 *
 * Method: an output that is down while far more is written than its bound holds, and that has no
 * database when it comes back; in memory, and with a log on disk whose segments go meanwhile.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drained, openDurableRelay, Server } from '../support/durable-relay.ts'
import { FreshServer, statementOf } from '../support/fresh-server.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { ScriptedDestination } from '../support/scripted-destination.ts'
import { openTestRelay, outputOf, writeOf } from '../support/scripted-relay.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'

const STATEMENTS_MAX = 1_000

test('in memory: what is given up at the bound is never a statement, and what follows it is stored', async () => {
  const clock = new ManualClock()
  const [a, b] = [new ScriptedDestination(), new FreshServer()]
  b.isUp = false
  const { relay } = await openTestRelay([a, b], { clock, output: { bufferBytes: 20_000 } })
  await relay.accept(statementOf('db'))
  for (let i = 0; i < 200; i++) {
    assert.equal((await relay.accept(writeOf(`m v=${i} ${i}\n`))).status, 204)
  }
  const { outcomeLines, pendingWrites } = outputOf(relay, 'b')
  assert(outcomeLines.dropped > 50, `${outcomeLines.dropped} lines were given up`)
  b.isUp = true
  await clock.advance(60_000)
  assert.deepEqual(b.statements, ['db'])
  const stored = b.stored.join('\n').split('\n')
  assert.equal(stored.length, pendingWrites - 1)
  assert.equal(stored.at(-1), 'm v=199 199')
  const after = outputOf(relay, 'b').outcomeLines
  assert.deepEqual([after.refused, after.dropped], [0, outcomeLines.dropped])
})

test('of statements an output is owed a bounded number; then they are answered 503', async () => {
  const clock = new ManualClock()
  const [a, b] = [new ScriptedDestination(), new FreshServer()]
  b.isUp = false
  const { relay } = await openTestRelay([a, b], { clock })
  for (let i = 0; i < STATEMENTS_MAX; i++) {
    assert((await relay.accept(statementOf(`db${i}`))).status < 300, `number ${i}`)
  }
  const refused = await relay.accept(statementOf('one-more'))
  assert.equal(refused.status, 503)
  assert.match(refused.error, /statement/)
  assert.equal((await relay.accept(writeOf('m v=1 1\n', 'db0'))).status, 204)
  b.isUp = true
  await clock.advance(60_000)
  assert.equal(b.statements.length, STATEMENTS_MAX)
  assert((await relay.accept(statementOf('one-more'))).status < 300)
})

test('writes wait for a statement that is still owed beyond what a hold may take', async () => {
  const clock = new ManualClock()
  const [a, b] = [new ScriptedDestination(), new FreshServer()]
  const { relay } = await openTestRelay([a, b], {
    clock,
    output: { bufferBytes: 100_000, batchMaxBytes: 1_000 },
  })
  b.isUp = false
  await clock.advance(10_000)
  const written: string[] = []
  for (let i = 0; i < 150; i++) {
    written.push(`m v=${i} ${i}`)
    await relay.accept(writeOf(`m v=${i} ${i}\n`))
  }
  // Half of the bound waits for the database already, and only then is it created.
  await relay.accept(statementOf('db'))
  b.isUp = true
  await clock.advance(60_000)
  assert.equal(outputOf(relay, 'b').outcomeLines.refused, 0)
  assert.deepEqual(b.stored.join('\n').split('\n'), written)
})

test('on disk: a statement outlives its segment, in memory and over restarts', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = [new Server(), new FreshServer()]
  const [, b] = servers as [Server, FreshServer]
  b.isUp = false
  const first = await openDurableRelay(folder, servers, { boundBytes: 9_000, letters: 'kept' })
  assert((await first.relay.accept(statementOf('db'))).status < 300)
  for (let i = 0; i < 300; i++) {
    assert.equal((await first.relay.accept(writeOf(`m v=1 ${i}\n`))).status, 204)
  }
  const dropped = () => outputOf(first.relay, 'b').outcomeLines.dropped
  await until(async () => dropped() > 100, { what: 'the oldest are given up' })
  assert.deepEqual(b.statements, [])
  await first.relay[Symbol.asyncDispose]()

  const second = await openDurableRelay(folder, servers, { boundBytes: 9_000, letters: 'kept' })
  b.isUp = true
  await drained(second.relay, ['a', 'b'])
  assert.deepEqual(b.statements, ['db'])
  const { outcomeLines } = outputOf(second.relay, 'b')
  assert.deepEqual(
    [outcomeLines.refused, outcomeLines['dead-lettered'], outcomeLines.dropped],
    [0, 0, 0],
  )
  assert.equal(b.stored.at(-1), 'm v=1 299')
  await second.relay[Symbol.asyncDispose]()

  const third = await openDurableRelay(folder, servers, { boundBytes: 9_000, letters: 'kept' })
  await drained(third.relay, ['a', 'b'])
  assert.deepEqual(b.statements, ['db'], 'it was carried out once')
  await third.relay[Symbol.asyncDispose]()
})

test('on disk: a statement whose segment has gone is carried out before what follows it', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = [new Server(), new FreshServer()]
  const [, b] = servers as [Server, FreshServer]
  b.isUp = false
  const opened = await openDurableRelay(folder, servers, { boundBytes: 9_000, letters: 'kept' })
  for (const database of ['db', 'other']) await opened.relay.accept(statementOf(database))
  for (let i = 0; i < 600; i++) {
    assert.equal((await opened.relay.accept(writeOf(`m v=1 ${i}\n`))).status, 204)
  }
  const dropped = () => outputOf(opened.relay, 'b').outcomeLines.dropped
  await until(async () => dropped() > 200, { what: 'the oldest are given up, more than once' })
  b.isUp = true
  await drained(opened.relay, ['a', 'b'])
  assert.deepEqual(b.statements.toSorted(), ['db', 'other'])
  const { outcomeLines } = outputOf(opened.relay, 'b')
  assert.deepEqual([outcomeLines.refused, outcomeLines['dead-lettered']], [0, 0])
  await opened.relay[Symbol.asyncDispose]()
})
