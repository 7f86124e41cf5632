/**
 * A refusal is its own client's: it is found among what was merged, everybody else's lines are
 * stored, and nothing overtakes them.
 *
 * Method: destinations that do what InfluxDB 1.x does. Lines that say `bad` are refused; those of
 * shard 2 say so, and each shard answers for itself.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Payload, Verdict } from '../../src/destinations/destination.ts'
import type { RefusalCause } from '../../src/line-protocol/rejected/cause.ts'
import { Client } from '../../src/write/merge-penalty.ts'
import { refusedReply } from '../../src/write/reply.ts'
import { ManualClock, turns } from '../support/manual-clock.ts'
import { DELIVERED, REFUSED, ScriptedDestination } from '../support/scripted-destination.ts'
import { openTestRelay, outputOf, writeOf } from '../support/scripted-relay.ts'

const CAUSE: RefusalCause = { kind: 'field', measurement: 'm', field: 'bad', type: 'float' }
const TEXT =
  'partial write: field type conflict: input field "bad" on measurement "m" is type float, already exists as type integer'

function lines(payload: Payload): string[] {
  const text = payload.writes.map(({ body }) => String(body)).join('')
  return text.split('\n').filter((line) => line !== '')
}

/** Stores what is not bad; names the conflict, and counts the lines of the first shard with one. */
class Partial extends ScriptedDestination {
  readonly stored: string[] = []
  /** Lines of every attempt. */
  readonly sent: string[][] = []
  cause: RefusalCause = CAUSE

  override verdict = (payload: Payload): Verdict => {
    const sent = lines(payload)
    this.sent.push(sent)
    const refused = sent.filter((line) => line.includes('bad'))
    for (const line of sent) if (!line.includes('bad')) this.#store(line)
    if (refused.length === 0) return DELIVERED
    const inFirstShard = refused.filter((line) => line.includes('shard=1'))
    const refusedCount = inFirstShard.length || refused.length
    const reply = refusedReply(400, `${TEXT} dropped=${refusedCount}`)
    return { kind: 'partly', reply, refusedCount, cause: this.cause }
  }

  #store(line: string): void {
    if (!this.stored.includes(line)) this.stored.push(line)
  }
}

async function open(destination: ScriptedDestination) {
  const clock = new ManualClock()
  const { relay, memory } = await openTestRelay([destination], { clock })
  return { relay, memory, clock }
}

test('the refused lines are found by the words of the answer, and the rest is sent again, twice', async () => {
  const a = new Partial()
  const { relay } = await open(a)
  const replies = [
    relay.accept(writeOf('m,shard=1 v=1 1\nm,shard=1 bad=1 2\n')),
    relay.accept(writeOf('m,shard=1 v=2 3\n')),
    relay.accept(writeOf('m,shard=1 bad=1 4\nm,shard=1 bad=2 5\nm,shard=1 v=3 6\n')),
  ]
  await turns()
  const [first, second, third] = await Promise.all(replies)
  assert.deepEqual([first?.status, first?.error], [400, `${TEXT} dropped=1`])
  assert.equal(second?.status, 204)
  assert.deepEqual([third?.status, third?.error], [400, `${TEXT} dropped=2`])
  assert.deepEqual(
    a.sent.map(({ length }) => length),
    [6, 3, 3],
  )
  const { outcomeLines } = outputOf(relay, 'a')
  assert.deepEqual([outcomeLines.refused, outcomeLines.delivered], [3, 3])
})

test('what comes next waits until everything around the refused lines is stored', async () => {
  const a = new Partial()
  const { relay } = await open(a)
  const serve = a.verdict
  const rest = Promise.withResolvers<void>()
  a.verdict = (payload) => {
    const verdict = serve(payload)
    return a.sent.length === 2 ? (rest.promise.then(() => verdict) as never) : verdict
  }
  const bad = relay.accept(writeOf('m,shard=1 v=1 1\nm,shard=1 bad=1 2\n'))
  await turns()
  // Its client is told at once: the words were about its write.
  assert.equal((await bad).status, 400)
  const next = relay.accept(writeOf('m,shard=1 v=9 1\n'))
  await turns()
  assert.equal(a.sent.length, 2)
  rest.resolve()
  await turns()
  assert.equal((await next).status, 204)
  assert.deepEqual(a.sent[3], ['m,shard=1 v=9 1'])
})

test('an answer that names less than was refused is followed up until every line is explained', async () => {
  const a = new Partial()
  const { relay } = await open(a)
  // Two shards: the count is the first one's.
  const body = 'm,shard=1 v=1 1\nm,shard=1 bad=1 2\nm,shard=2 v=2 3\nm,shard=2 bad=1 4\n'
  const reply = relay.accept(writeOf(body))
  await turns()
  assert.deepEqual([(await reply).status, (await reply).error], [400, `${TEXT} dropped=1`])
  const { outcomeLines, pendingLines } = outputOf(relay, 'a')
  assert.deepEqual([outcomeLines.refused, outcomeLines.delivered, pendingLines], [2, 2, 0])
  assert.deepEqual(a.stored, ['m,shard=1 v=1 1', 'm,shard=2 v=2 3'])
})

test('whatever is merged and refused: every client has its own answer, the rest is stored in order', async () => {
  const line = fc.record({ isBad: fc.boolean(), shard: fc.constantFrom(1, 2) })
  const body = fc.array(line, { minLength: 1, maxLength: 5 })
  const cause = fc.constantFrom<RefusalCause>(CAUSE, { kind: 'unknown' })
  await fc.assert(
    fc.asyncProperty(
      fc.array(body, { minLength: 1, maxLength: 8 }),
      cause,
      async (bodies, which) => {
        const a = new Partial()
        a.cause = which
        const { relay, memory } = await open(a)
        let time = 0
        const texts = bodies.map((each) =>
          each.map(({ isBad, shard }) => `m,shard=${shard} ${isBad ? 'bad' : 'v'}=1 ${time++}\n`),
        )
        const replies = texts.map((text) => relay.accept(writeOf(text.join(''))))
        for (let i = 0; i < 10; i++) await turns()
        const statuses = (await Promise.all(replies)).map(({ status }) => status)
        const isBad = bodies.map((each) => each.some((one) => one.isBad))
        assert.deepEqual(
          statuses,
          isBad.map((bad) => (bad ? 400 : 204)),
        )
        const good = texts.flat().filter((text) => !text.includes('bad'))
        assert.deepEqual(
          a.stored,
          good.map((text) => text.trim()),
        )
        assert.equal(outputOf(relay, 'a').outcomeLines.refused, time - good.length)
        assert.equal(memory.usedBytes, 0)
      },
    ),
    { numRuns: 60 },
  )
})

test('a body that a database takes or leaves whole is taken apart down to its lines', async () => {
  const a = new ScriptedDestination()
  const stored: string[] = []
  a.verdict = (payload) => {
    const sent = lines(payload)
    if (sent.some((each) => each.includes('bad'))) {
      return { kind: 'split', downTo: 'line', reply: refusedReply(400, 'unable to parse') }
    }
    stored.push(...sent)
    return DELIVERED
  }
  const { relay } = await open(a)
  const replies = ['1\n2\nbad\n3\n', 'bad\n', '4\n'].map((body) => relay.accept(writeOf(body)))
  await turns()
  const [first, second, third] = await Promise.all(replies)
  assert.equal(first?.error, 'partial write: unable to parse dropped=1')
  assert.equal(second?.error, 'unable to parse')
  assert.equal(third?.status, 204)
  assert.deepEqual(stored, ['1', '2', '3', '4'])
})

test('a client whose write was refused is merged with nobody for a while', async () => {
  const a = new ScriptedDestination()
  const batches: string[] = []
  a.verdict = (payload) => {
    batches.push(lines(payload).join(' '))
    return lines(payload).includes('bad') ? REFUSED : DELIVERED
  }
  const { relay, clock } = await open(a)
  const [bad, good, other] = [new Client(), new Client(), new Client()]
  const round = async () => {
    batches.length = 0
    const writes = [good, bad, bad, good, other].map((client, i) => {
      return relay.accept(writeOf(`${i}\n`, 'db', client))
    })
    await turns()
    await Promise.all(writes)
    return batches
  }
  assert.deepEqual(await round(), ['0 1 2 3 4'])
  void relay.accept(writeOf('bad\n', 'db', bad))
  await turns()
  assert.deepEqual(await round(), ['0', '1 2', '3 4'])
  await clock.advance(11_000)
  assert.deepEqual(await round(), ['0 1 2 3 4'])
})

test('a page that stands in for a server refuses no line for good', async () => {
  const a = new ScriptedDestination()
  const reply = refusedReply(405, '<html>Down for maintenance</html>')
  const stored: string[] = []
  let isDown = true
  a.verdict = (payload) => {
    if (isDown) return { kind: 'refused', reply, isUnconfirmed: true }
    stored.push(...lines(payload))
    return DELIVERED
  }
  const { relay, clock } = await open(a)
  const replies = ['1\n', '2\n', '3\n'].map((body) => relay.accept(writeOf(body)))
  await clock.advance(600_000)
  for (const each of replies) assert.equal((await each).status, 503)
  isDown = false
  const next = relay.accept(writeOf('4\n'))
  await clock.advance(4_000)
  assert.equal((await next).status, 204)
  await clock.advance(60_000)
  assert.deepEqual([...new Set(stored)], ['1', '2', '3', '4'])
  assert.equal(outputOf(relay, 'a').outcomeLines.refused, 0)
})

test('a line that is refused in words of no database is given up once what follows is taken', async () => {
  const a = new ScriptedDestination()
  const reply = refusedReply(400, '<html>Bad Request</html>')
  a.verdict = (payload) => {
    if (lines(payload).includes('bad')) return { kind: 'refused', reply, isUnconfirmed: true }
    return DELIVERED
  }
  const { relay, clock } = await open(a)
  void relay.accept(writeOf('1\nbad\n'))
  await clock.advance(60_000)
  assert.equal(outputOf(relay, 'a').pendingLines, 2)
  const good = relay.accept(writeOf('2\n'))
  await clock.advance(4_000)
  assert.equal((await good).status, 204)
  assert.deepEqual(
    [outputOf(relay, 'a').outcomeLines.refused, outputOf(relay, 'a').pendingLines],
    [1, 0],
  )
})

test('a body that is no lines is tried again, counted, and then refused with the answer of the server', async () => {
  const a = new ScriptedDestination()
  const reply = refusedReply(404, '404 page not found')
  let isMended = false
  a.verdict = () => (isMended ? DELIVERED : { kind: 'refused', reply, isUnconfirmed: true })
  const { relay, clock } = await open(a)
  await using _ = relay
  const opaque = () => relay.accept({ ...writeOf('snappy\n'), kind: 'opaque', headers: {} })
  const refused = opaque()
  await clock.advance(3_000)
  assert.deepEqual(await refused, reply)
  const counts = () => {
    const { attempts, failedAttempts, outcomeLines } = outputOf(relay, 'a')
    return [attempts, failedAttempts, outcomeLines.refused]
  }
  assert.deepEqual(counts(), [3, 2, 1])

  // A first answer of this kind leaves the other clients of the database where they are.
  const [stored, behind] = [opaque(), relay.accept(writeOf('1\n'))]
  await clock.advance(0)
  isMended = true
  await clock.advance(3_000)
  assert.deepEqual([(await stored).status, (await behind).status], [204, 204])
  assert.deepEqual(counts(), [6, 3, 1])
})

test('own credentials refused: the whole output waits, tries now and then, and loses nothing', async () => {
  const clock = new ManualClock()
  const errors: string[] = []
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  let isMended = false
  const stored: string[] = []
  b.verdict = (payload) => {
    if (!isMended) return { kind: 'hold', scope: 'output', reply: refusedReply(401, 'no') }
    stored.push(...lines(payload))
    return DELIVERED
  }
  const logger = {
    debug() {},
    info() {},
    warn() {},
    error: (_: object, text: string) => errors.push(text),
  }
  const { relay } = await openTestRelay([a, b], { clock, logger })
  await using _ = relay
  for (let i = 0; i < 100; i++) {
    const reply = relay.accept(writeOf(`${i}\n`, `db${i % 3}`))
    await clock.advance(100)
    assert.equal((await reply).status, 204)
  }
  assert.equal(outputOf(relay, 'b').isUp, false)
  assert.match(errors[0] ?? '', /output "b": its own credentials are refused \(401 no\)/)
  assert(errors.length <= 2)
  assert(outputOf(relay, 'b').attempts < 40, `${outputOf(relay, 'b').attempts} attempts`)
  isMended = true
  await clock.advance(20_000)
  assert.equal(stored.length, 100)
  assert.equal(outputOf(relay, 'b').isUp, true)
})

test('own credentials refused at the only output: 503, and the first write after the mending is taken', async () => {
  const a = new ScriptedDestination()
  a.verdict = () => ({ kind: 'hold', scope: 'output', reply: refusedReply(403, 'no') })
  const { relay, clock } = await open(a)
  await using _ = relay
  for (let i = 0; i < 20; i++) {
    const reply = relay.accept(writeOf('1\n'))
    await clock.advance(1000)
    assert.equal((await reply).status, 503)
  }
  a.verdict = () => DELIVERED
  const statuses: number[] = []
  for (let i = 0; i < 20; i++) {
    const reply = relay.accept(writeOf('2\n'))
    await clock.advance(1000)
    statuses.push((await reply).status)
  }
  assert.equal(statuses.at(-1), 204)
})
