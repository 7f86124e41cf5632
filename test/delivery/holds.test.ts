/**
 * A database that is missing at one output only: its writes wait there, and nothing else does.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Payload, Verdict } from '../../src/destinations/destination.ts'
import type { Relay } from '../../src/relay/relay.ts'
import { refusedReply } from '../../src/write/reply.ts'
import { writeTarget } from '../../src/write/write.ts'
import { ManualClock, turns } from '../support/manual-clock.ts'
import {
  DECLINED,
  DELIVERED,
  MISSING,
  REFUSED,
  ScriptedDestination,
  UNREACHABLE,
} from '../support/scripted-destination.ts'
import { openTestRelay, outputOf, writeOf } from '../support/scripted-relay.ts'

/** A destination without some databases; keeps what it has stored. */
class Server extends ScriptedDestination {
  readonly missing = new Set<string>()
  readonly stored: string[] = []
  override verdict = (payload: Payload): Verdict => {
    const { database, retentionPolicy } = payload.target
    const isStatement = payload.writes[0]?.kind === 'statement'
    if (isStatement) this.missing.clear()
    else if (this.missing.has(database) || this.missing.has(retentionPolicy)) return MISSING
    for (const { body } of payload.writes) this.stored.push(String(body))
    return DELIVERED
  }
}

async function openServers(options: { missingDbGraceMs?: number; bufferBytes?: number } = {}) {
  const clock = new ManualClock()
  const [a, b] = [new Server(), new Server()]
  const { relay, memory } = await openTestRelay([a, b], { clock, output: options })
  return { a, b, relay, memory, clock }
}

async function statusOf(relay: Relay, body: string, database?: string): Promise<number> {
  const reply = relay.accept(writeOf(body, database))
  await turns()
  return (await reply).status
}

function createDatabase() {
  const { target } = writeOf('')
  const body = Buffer.from('CREATE DATABASE "db"')
  return { kind: 'statement', target, body, lineCount: 1, receivedAtMs: 0 } as const
}

test('what another output stores waits where the database is missing, and goes in order once it is there', async () => {
  const { a, b, relay, memory, clock } = await openServers()
  b.missing.add('db')
  for (const body of ['1\n', '2\n', '3\n']) assert.equal(await statusOf(relay, body), 204)
  assert.equal(await statusOf(relay, 'other\n', 'other'), 204)
  assert.deepEqual(b.stored, ['other\n'])
  assert.equal(outputOf(relay, 'b').heldWrites, 3)
  b.missing.clear()
  await clock.advance(10_000)
  assert.deepEqual(b.stored, ['other\n', '1\n', '2\n', '3\n'])
  assert.deepEqual(a.stored, ['1\n', '2\n', '3\n', 'other\n'])
  assert.equal(outputOf(relay, 'b').holds, 0)
  assert.equal(memory.usedBytes, 0)
})

test('CREATE DATABASE passes what is on hold, and releases it at once', async () => {
  const { b, relay } = await openServers()
  b.missing.add('db')
  for (const body of ['1\n', '2\n']) assert.equal(await statusOf(relay, body), 204)
  const created = relay.accept(createDatabase())
  await turns()
  assert.equal((await created).status, 204)
  assert.deepEqual(b.stored, ['CREATE DATABASE "db"', '1\n', '2\n'])
})

test('what every output refuses for want of a database is the client’s answer, and finished', async () => {
  const { a, b, relay, memory } = await openServers()
  for (const server of [a, b]) server.missing.add('typo')
  for (let i = 0; i < 50; i++) assert.equal(await statusOf(relay, `${i}\n`, 'typo'), 404)
  for (const name of ['a', 'b']) {
    const { outcomeLines, holds, pendingLines } = outputOf(relay, name)
    assert.deepEqual([outcomeLines.refused, holds, pendingLines], [50, 0, 0])
  }
  assert.equal(memory.usedBytes, 0)
})

test('a hold is one retention policy’s: the others of its database go on', async () => {
  const { b, relay } = await openServers()
  b.missing.add('gone')
  const { target } = writeOf('')
  const gone = writeTarget({ ...target, retentionPolicy: 'gone' })
  const replies = [
    relay.accept({ ...writeOf('1\n'), target: gone }),
    relay.accept(writeOf('2\n')),
    relay.accept({ ...writeOf('3\n'), target: gone }),
    relay.accept(writeOf('4\n')),
  ]
  await turns()
  for (const reply of replies) assert.equal((await reply).status, 204)
  assert.deepEqual(b.stored, ['2\n', '4\n'])
  b.missing.clear()
})

test('while the other output is down a refusal is the answer at once, and the write waits for its word', async () => {
  for (const isMissingThere of [true, false]) {
    const { a, b, relay, memory, clock } = await openServers()
    const serve = a.verdict
    a.isUp = false
    a.verdict = () => UNREACHABLE
    b.missing.add('db')
    const first = relay.accept(writeOf('0\n'))
    await turns()
    await first
    assert.equal(await statusOf(relay, '1\n'), 404)
    assert.equal(outputOf(relay, 'b').pendingLines > 0, true)
    if (isMissingThere) a.missing.add('db')
    a.isUp = true
    a.verdict = serve
    await clock.advance(2000)
    if (isMissingThere) {
      assert.equal(outputOf(relay, 'b').pendingLines, 0)
      assert.equal(memory.usedBytes, 0)
    } else {
      assert(outputOf(relay, 'b').heldWrites > 0)
      b.missing.clear()
      await clock.advance(10_000)
      assert.deepEqual(b.stored, a.stored)
    }
  }
})

test('missing-db-grace over: the write is refused here, and the operator can see it', async () => {
  const { b, relay, memory, clock } = await openServers({ missingDbGraceMs: 60_000 })
  b.missing.add('db')
  assert.equal(await statusOf(relay, '1\n'), 204)
  await clock.advance(30_000)
  assert.equal(await statusOf(relay, '2\n'), 204)
  await clock.advance(45_000)
  assert.equal(outputOf(relay, 'b').outcomeLines.refused, 1)
  assert.equal(outputOf(relay, 'b').heldWrites, 1)
  await clock.advance(60_000)
  assert.equal(outputOf(relay, 'b').holds, 0)
  assert.equal(memory.usedBytes, 0)
})

test('while CREATE DATABASE is pending, missing-db-grace refuses nothing; after it, it does', async () => {
  for (const last of [DELIVERED, REFUSED]) {
    const { b, relay, clock } = await openServers({ missingDbGraceMs: 10_000 })
    b.missing.add('db')
    const serve = b.verdict
    let answer: Verdict = DECLINED
    b.verdict = (payload) => {
      if (payload.writes[0]?.kind !== 'statement') return serve(payload)
      return answer === DELIVERED ? serve(payload) : answer
    }
    for (const body of ['1\n', '2\n', '3\n']) assert.equal(await statusOf(relay, body), 204)
    // The next probe, which refuses what is over its grace, comes after the grace.
    await clock.advance(9_999)
    void relay.accept(createDatabase())
    await clock.advance(60_000)
    assert.equal(outputOf(relay, 'b').pendingWrites, 4)
    answer = last
    await clock.advance(60_000)
    const { pendingWrites, outcomeLines } = outputOf(relay, 'b')
    assert.equal(pendingWrites, 0)
    assert.equal(b.stored.includes('1\n'), last === DELIVERED)
    assert.equal(outcomeLines.refused, last === DELIVERED ? 0 : 4)
  }
})

test('writes on hold take a quarter of the bound; the oldest beyond it are refused', async () => {
  const { b, relay } = await openServers({ bufferBytes: 40_000 })
  b.missing.add('db')
  for (let i = 0; i < 100; i++) assert.equal(await statusOf(relay, `${i}\n`), 204)
  const { heldBytes, heldWrites, outcomeLines } = outputOf(relay, 'b')
  assert(heldBytes <= 10_000, `${heldBytes}`)
  assert.equal(outcomeLines.refused + heldWrites, 100)
  assert.equal(outcomeLines.dropped, 0)
  b.missing.clear()
})

test('a probe that meets trouble keeps its place before what is on hold', async () => {
  const { b, relay, clock } = await openServers()
  const serve = b.verdict
  b.missing.add('db')
  for (const body of ['1\n', '2\n', '3\n']) assert.equal(await statusOf(relay, body), 204)
  let attempts = 0
  b.missing.clear()
  b.verdict = (payload) => (attempts++ < 3 ? DECLINED : serve(payload))
  await clock.advance(10_000)
  assert.equal(await statusOf(relay, '4\n'), 204)
  await clock.advance(10_000)
  assert.deepEqual(b.stored, ['1\n', '2\n', '3\n', '4\n'])
})

test('a write on hold that nobody has begun is withdrawn with the others', async () => {
  const { a, b, relay, memory, clock } = await openServers()
  b.missing.add('db')
  assert.equal(await statusOf(relay, '1\n'), 204)
  a.hold()
  const begun = relay.accept(writeOf('2\n'))
  await turns()
  const waiting = relay.accept(writeOf('3\n'))
  await clock.advance(4000)
  assert.equal((await begun).status, 503)
  assert.equal((await waiting).status, 503)
  assert.equal(outputOf(relay, 'b').outcomeLines.withdrawn, 1)
  a.release()
  b.missing.clear()
  await clock.advance(10_000)
  assert.deepEqual(b.stored, ['1\n', '2\n'])
  assert.equal(memory.usedBytes, 0)
})

test('at the end of the process what is on hold is dropped, and counted so', async () => {
  const { b, relay, memory } = await openServers()
  b.missing.add('db')
  assert.equal(await statusOf(relay, '1\n'), 204)
  await relay[Symbol.asyncDispose]()
  assert.equal(outputOf(relay, 'b').droppedLines.shutdown, 1)
  assert.equal(memory.usedBytes, 0)
})

test('no rights of the output’s own user to one database: 503, and the other databases go on', async () => {
  const clock = new ManualClock()
  const a = new Server()
  const serve = a.verdict
  const reply = refusedReply(403, '"relay" user is not authorized to write to database "db"')
  a.verdict = (payload) =>
    payload.target.database === 'db' ? { kind: 'hold', scope: 'rights', reply } : serve(payload)
  const { relay, memory } = await openTestRelay([a], { clock })
  for (let i = 0; i < 20; i++) {
    assert.equal(await statusOf(relay, `${i}\n`), 503)
    assert.equal(await statusOf(relay, `other ${i}\n`, 'other'), 204)
  }
  a.verdict = serve
  await clock.advance(10_000)
  assert.equal(await statusOf(relay, 'then\n'), 204)
  assert.equal(memory.usedBytes, 0)
})

test('the default retention policy and autogen are one storage, also after a hold', async () => {
  const { b, relay, clock } = await openServers()
  b.missing.add('db')
  const { target } = writeOf('')
  const autogen = writeTarget({ ...target, retentionPolicy: 'autogen' })
  for (const [body, to] of [
    ['1\n', target],
    ['2\n', autogen],
    ['3\n', target],
    ['4\n', autogen],
  ] as const) {
    const reply = relay.accept({ ...writeOf(body), target: to })
    await clock.advance(60)
    assert.equal((await reply).status, 204)
  }
  b.missing.clear()
  await clock.advance(20_000)
  assert.deepEqual(b.stored, ['1\n', '2\n', '3\n', '4\n'])
})
