/**
 * States from which nothing would ever be tried again, or in which a write has two fates: each was
 * one, found by the property test of the whole relay (test/fuzz/relay.test.ts) or by reading.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Payload, Verdict } from '../../src/destinations/destination.ts'
import { type Reply, refusedReply } from '../../src/write/reply.ts'
import { NO_CREDENTIALS, type Write, writeTarget } from '../../src/write/write.ts'
import { ManualClock, turns } from '../support/manual-clock.ts'
import {
  BUSY,
  DECLINED,
  DELIVERED,
  MISSING,
  RESET,
  ScriptedDestination,
  UNREACHABLE,
} from '../support/scripted-destination.ts'
import { openTestRelay, outputOf, type Setup } from '../support/scripted-relay.ts'

const OWN_CREDENTIALS: Verdict = {
  kind: 'hold',
  scope: 'output',
  reply: refusedReply(401, 'scripted'),
}

function write(body: string, retentionPolicy = '', kind: Write['kind'] = 'lines'): Write {
  const target = writeTarget({
    database: 'db',
    retentionPolicy,
    precision: 'ns',
    credentials: NO_CREDENTIALS,
  })
  const lineCount = kind === 'lines' ? body.split('\n').length - 1 : 1
  const base = { target, body: Buffer.from(body), lineCount, receivedAtMs: 0 }
  return kind === 'opaque' ? { kind, headers: {}, ...base } : { kind, ...base }
}

function says(payload: Payload, word: string): boolean {
  return payload.writes.some(({ body }) => body.includes(word))
}

async function open(count: number, setup: Setup = {}) {
  const clock = new ManualClock()
  const destinations = Array.from({ length: count }, () => new ScriptedDestination())
  const { relay } = await openTestRelay(destinations, { clock, ...setup })
  const [a, b = new ScriptedDestination()] = destinations
  assert(a)
  const seconds = async (n: number) => {
    for (let i = 0; i < n; i++) await clock.advance(1000)
  }
  return { clock, relay, a, b, seconds }
}

/** What a client has been told by now, without any time going by. */
async function told(reply: Promise<Reply>): Promise<number> {
  return await Promise.race([reply.then(({ status }) => status), turns().then(() => 0)])
}

test('a line that the only server fails at keeps no other write out for ever', async () => {
  for (const failure of [BUSY, RESET]) {
    const { relay, clock, a } = await open(1)
    // A server that takes time, so that there is a pace to expect a wait from.
    a.verdict = async (payload) => {
      await new Promise<void>((resolve) => clock.startTimer(2, resolve))
      return says(payload, 'bad') ? failure : DELIVERED
    }
    const statusOf = async (body: string) => {
      const reply = relay.accept(write(body))
      await clock.advance(5000)
      return (await reply).status
    }
    assert.equal(await statusOf('good\n'), 204)
    assert.equal(await statusOf('bad\n'), 503)
    const statuses: number[] = []
    for (let i = 0; i < 40 && statuses.at(-1) !== 204; i++) statuses.push(await statusOf('good\n'))
    assert.equal(statuses.at(-1), 204)
    assert.equal(outputOf(relay, 'a').outcomeLines.refused, 1)
  }
})

test('what follows a poison candidate is tried at once', async () => {
  const { relay, a, seconds } = await open(2, { output: { delayMaxMs: 60_000 } })
  a.verdict = (payload) => (says(payload, 'bad') ? BUSY : DELIVERED)
  void relay.accept(write('bad\n'))
  await seconds(2000)
  void relay.accept(write('good\n'))
  await turns()
  assert.equal(outputOf(relay, 'a').pendingWrites, 0)
})

test('a large write with a line that every server ends at locks nobody out when they are up again', async () => {
  const { relay, clock, a, seconds } = await open(1, { output: { batchMaxBytes: 1000 } })
  a.verdict = (payload) => (says(payload, 'bad') ? RESET : DELIVERED)
  void relay.accept(write(`${'m 1\n'.repeat(500)}bad\n`))
  await seconds(60)
  a.verdict = () => UNREACHABLE
  await seconds(5)
  a.verdict = (payload) => (says(payload, 'bad') ? RESET : DELIVERED)
  let status = 0
  for (let i = 0; i < 40 && status !== 204; i++) {
    const reply = relay.accept(write('good\n'))
    await clock.advance(5000)
    status = (await reply).status
  }
  assert.equal(status, 204)
})

test('a statement that is accepted condemns no write', async () => {
  const { relay, a, seconds } = await open(2)
  a.verdict = (payload) => (payload.writes[0]?.kind === 'statement' ? DELIVERED : BUSY)
  void relay.accept(write('good\n'))
  await seconds(100)
  void relay.accept(write('CREATE DATABASE db', '', 'statement'))
  await seconds(100)
  a.verdict = () => DELIVERED
  await seconds(100)
  assert.equal(outputOf(relay, 'a').outcomeLines.refused, 0)
})

test('a statement is not put on hold with the writes of the database that it creates', async () => {
  const { relay, a, seconds } = await open(2)
  let hasDatabase = false
  a.verdict = (payload) => (payload.writes[0]?.kind === 'statement' ? DECLINED : BUSY)
  void relay.accept(write('good\n'))
  await seconds(60)
  void relay.accept(write('CREATE DATABASE db', '', 'statement'))
  await seconds(10)
  a.verdict = (payload) => {
    hasDatabase ||= payload.writes[0]?.kind === 'statement'
    return hasDatabase ? DELIVERED : MISSING
  }
  await seconds(100)
  assert.equal(outputOf(relay, 'a').pendingWrites, 0)
})

test('a hold goes on when its probe is rejected as poison', async () => {
  const { relay, clock, a } = await open(2)
  let isMissing = true
  a.verdict = (payload) => {
    if (payload.target.retentionPolicy === 'rp' && isMissing) return MISSING
    return says(payload, 'bad') ? RESET : DELIVERED
  }
  await relay.accept(write('bad\n', 'rp'))
  await relay.accept(write('good\n', 'rp'))
  await clock.advance(10)
  isMissing = false
  for (let i = 0; i < 30; i++) {
    await relay.accept(write('other\n'))
    await clock.advance(1000)
  }
  const { pendingWrites, holds, outcomeLines } = outputOf(relay, 'a')
  assert.deepEqual([pendingWrites, holds, outcomeLines.refused], [0, 0, 1])
})

test('a write is not missing everywhere while a part of it is out as a probe', async () => {
  const { relay, clock, a, b, seconds } = await open(2)
  // a takes it apart and misses its database for both halves; then it holds the first as a probe.
  a.verdict = (_, attempt) =>
    attempt === 1 ? { kind: 'split', downTo: 'line', reply: refusedReply(400, 'no') } : MISSING
  b.hold()
  b.verdict = () => MISSING
  void relay.accept(write('1\n2\n'))
  await turns()
  const stored: string[] = []
  const answer = Promise.withResolvers<void>()
  a.verdict = async (payload) => {
    await answer.promise
    stored.push(...payload.writes.map(({ body }) => String(body)))
    return DELIVERED
  }
  await clock.advance(1000)
  b.release()
  await turns()
  answer.resolve()
  await seconds(10)
  assert.deepEqual(stored, ['1\n', '2\n'])
  assert.equal(outputOf(relay, 'a').outcomeLines.refused, 0)
})

test('what is on hold does not keep an output behind', async () => {
  const output = { batchMaxBytes: 1000, bufferBytes: 100_000 }
  const { relay, a, b, seconds } = await open(2, { output })
  const serve = (payload: Payload) =>
    payload.target.retentionPolicy === 'rp' ? MISSING : DELIVERED
  a.verdict = serve
  for (let i = 0; i < 5; i++) await relay.accept(write(`m${'x'.repeat(300)} ${i}\n`, 'rp'))
  await turns()
  a.isUp = false
  a.verdict = () => UNREACHABLE
  await seconds(6)
  a.isUp = true
  a.verdict = serve
  await seconds(60)
  b.isUp = false
  b.verdict = () => UNREACHABLE
  await seconds(16)
  assert.equal(await told(relay.accept(write('m 9\n'))), 204)
})

test('one attempt each: an output whose own credentials are accepted again takes writes again', async () => {
  const { relay, a, seconds } = await open(1, { output: { bufferBytes: 0 } })
  a.verdict = () => OWN_CREDENTIALS
  assert.equal(await told(relay.accept(write('1\n'))), 503)
  a.verdict = () => DELIVERED
  await seconds(20)
  assert.equal(await told(relay.accept(write('2\n'))), 204)
})

test('one attempt each: a write is not given up to make room for itself', async () => {
  const output = { bufferBytes: 0, batchMaxBytes: 1000 }
  const { relay, a } = await open(1, { output })
  a.hold()
  void relay.accept(write(`${'x'.repeat(2000)}\n`))
  await turns()
  const second = relay.accept(write('2\n'))
  a.release()
  assert.equal(await told(second), 204)
  assert.equal(outputOf(relay, 'a').pendingBytes, 0)
})

test('a held write that another output finishes ends the wait of a shutdown', async () => {
  const { relay, a, b } = await open(2)
  a.verdict = b.verdict = () => MISSING
  b.hold()
  void relay.accept(write('1\n'))
  await turns()
  let isDrained = false
  void relay.drain(new AbortController().signal).then(() => {
    isDrained = true
  })
  await turns()
  b.release()
  await turns()
  assert(isDrained)
})

test('lines that were refused before the rest was lost are counted as refused', async () => {
  const { relay, a } = await open(1, { output: { bufferBytes: 0 } })
  a.verdict = (_, attempt) =>
    attempt > 1
      ? DECLINED
      : {
          kind: 'partly',
          reply: refusedReply(400, 'partial write: no dropped=1'),
          refusedCount: 1,
          cause: { kind: 'line-numbers', lines: [0] },
        }
  assert.equal(await told(relay.accept(write('bad\n2\n3\n'))), 400)
  await turns()
  const { refused, dropped, delivered } = outputOf(relay, 'a').outcomeLines
  assert.deepEqual([refused, dropped, delivered], [1, 2, 0])
})

test('a body in another format that is stored in part is not taken for lines', async () => {
  for (const refusedCount of [1, 2]) {
    const { relay, a } = await open(1)
    // As Prometheus sends it for `instance="ip-10-0-0-1"` beyond the retention policy.
    a.verdict = () => ({
      kind: 'partly',
      reply: refusedReply(400, `partial write: no dropped=${refusedCount}`),
      refusedCount,
      cause: { kind: 'oldest' },
    })
    const body = 'ip-10-0-0-1\njob\nnode 1-2\n'
    assert.equal(await told(relay.accept(write(body, '', 'opaque'))), 400)
    assert.deepEqual([a.attempts.items.length, outputOf(relay, 'a').outcomeLines.refused], [1, 1])
  }
})

test('an output that is far away is not taken for one that does not keep up', async () => {
  const { relay, clock, a } = await open(1, { relay: { ackTimeoutMs: 1000 } })
  a.verdict = async () => {
    await new Promise<void>((resolve) => clock.startTimer(150, resolve))
    return DELIVERED
  }
  const statuses = new Map<number, number>()
  for (let i = 0; i < 300; i++) {
    void relay.accept(write(`${i}\n`)).then(({ status }) => {
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    })
    await clock.advance(10)
  }
  await clock.advance(2000)
  assert.deepEqual([...statuses], [[204, 300]])
})

test('a hold whose oldest write makes the server fail keeps nothing else for ever', async () => {
  for (const failure of [BUSY, RESET]) {
    const { relay, a, seconds } = await open(2)
    a.verdict = () => MISSING
    await relay.accept(write('bad\n'))
    for (let i = 0; i < 3; i++) await relay.accept(write(`${i}\n`))
    await turns()
    a.verdict = (payload) => (says(payload, 'bad') ? failure : DELIVERED)
    await seconds(100)
    const { pendingWrites, holds, outcomeLines } = outputOf(relay, 'a')
    assert.deepEqual([pendingWrites, holds, outcomeLines.refused], [0, 0, 1])
  }
})

test('as many writes on hold as one likes are finished when the last output misses their database', async () => {
  const { relay, clock, a, b } = await open(2, {
    memoryBytes: 1e9,
    output: { bufferBytes: 400e6, batchMaxBytes: 4e6 },
  })
  a.verdict = () => MISSING
  b.verdict = () => UNREACHABLE
  b.isUp = false
  // More than a call takes arguments.
  for (let i = 0; i < 200_000; i++) relay.acceptUnanswered(write('m v=1 1\n'))
  await turns()
  assert.equal(outputOf(relay, 'a').heldWrites, 200_000)
  b.verdict = () => MISSING
  b.isUp = true
  await clock.advance(2000)
  assert.deepEqual([outputOf(relay, 'a').pendingWrites, outputOf(relay, 'b').pendingWrites], [0, 0])
})

test('an output on trial that resets the connection leaves no other database waiting', async () => {
  const { relay, clock, a, seconds } = await open(1)
  a.verdict = () => OWN_CREDENTIALS
  relay.acceptUnanswered(write('bad\n'))
  relay.acceptUnanswered({
    ...write('good\n'),
    target: { ...write('').target, database: 'x', key: 'x' },
  })
  await clock.advance(1)
  a.verdict = (payload) => (says(payload, 'bad') ? RESET : DELIVERED)
  await seconds(60)
  assert.deepEqual([outputOf(relay, 'a').pendingWrites, outputOf(relay, 'a').isUp], [1, true])
})
