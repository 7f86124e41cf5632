/**
 * The listener's life: opening, its bounds on connections and silence, and closing.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { healthOf } from '../../../src/listeners/http/health.ts'
import { HTTP_LIMITS } from '../../../src/listeners/http/limits.ts'
import { TokenBucket } from '../../../src/listeners/http/rate-limit.ts'
import { RequestIds } from '../../../src/listeners/http/request/request-id.ts'
import { systemClock } from '../../../src/std/clock.ts'
import { type Reply, STORED } from '../../../src/write/reply.ts'
import { openTestListener, TEST_CONFIG } from '../../support/http-fixture.ts'
import { openRawConnection, type RawConnection } from '../../support/raw-http.ts'
import { until, withinLimit } from '../../support/wait.ts'

const WRITE = 'POST /write?db=a HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nm v=1 1'
/** What is begun within it may have been begun too late, on a busy machine: see `oneOf`. */
const SHORT_MS = 150

/**
 * Tries until one gets through before the time that it is about is over.
 *
 * @param attempt throws when the connection was closed first
 */
async function oneOf(attempt: () => Promise<void>, what: string): Promise<void> {
  await until(() => attempt().then(() => true), { what })
}

test('an address that is taken or that is not ours is an error that names it', async () => {
  await using http = await openTestListener()
  const { host, port } = http.listener.address
  const check = async (host: string, port: number, code: string) => {
    const bindAddress = { kind: 'tcp', host, port } as const
    const message = new RegExp(`"test" cannot listen on ${host}:${port}: `)
    await assert.rejects(openTestListener({ config: { bindAddress } }), { code, message })
  }
  await check(host, port, 'RELAY_ADDRESS_IN_USE')
  await check('192.0.2.1', 0, 'RELAY_ADDRESS_UNUSABLE')
  await check('no-such-host.invalid', 0, 'RELAY_ADDRESS_UNUSABLE')
})

test('without a host it listens on every address', async () => {
  await using http = await openTestListener({
    config: { bindAddress: { kind: 'tcp', host: '', port: 0 } },
  })
  assert.equal((await http.write('db=a')).status, 204)
})

test('a connection is kept for the next request', async () => {
  await using http = await openTestListener()
  await using connection = await openRawConnection(http.url)
  for (let index = 0; index < 3; index++) {
    await connection.send(WRITE)
    const { status, headers } = await connection.response()
    assert.equal(status, 204)
    assert.notEqual(headers['connection'], 'close')
  }
  assert.equal(http.listener.snapshot().counters.acceptedConnections, 1)
})

test('connections beyond the limit are closed at once, and the others go on', async () => {
  await using http = await openTestListener({ config: { maxConnections: 2 } })
  await using first = await openRawConnection(http.url)
  await using second = await openRawConnection(http.url)
  for (const connection of [first, second]) {
    await connection.send(WRITE)
    assert.equal((await connection.response()).status, 204)
  }
  const refused = await openRawConnection(http.url)
  await refused.closed
  await first.send(WRITE)
  assert.equal((await first.response()).status, 204)
  assert.equal(http.listener.snapshot().connections, 2)
  assert.equal(http.listener.snapshot().counters.refusedConnections, 1)
})

test('requests in flight beyond the limit are answered 503, or wait when they are pipelined', async () => {
  const decision = Promise.withResolvers<Reply>()
  await using http = await openTestListener({
    accept: () => decision.promise,
    limits: { inFlightMaxRequests: 3 },
  })
  await using connection = await openRawConnection(http.url)
  await connection.send(WRITE.repeat(5))
  await http.writes.atLeast(3)
  assert.equal((await http.write('db=a')).status, 503)
  decision.resolve(STORED)
  const statuses: number[] = []
  for (let index = 0; index < 5; index++) statuses.push((await connection.response()).status)
  assert.deepEqual(statuses.slice(0, 3), [204, 204, 204])
  const isFast = TEST_CONFIG.fastPath
  // Behind one that is refused nothing is read before that is told: there is room again by then.
  assert.deepEqual(statuses.slice(3), isFast ? [204, 204] : [503, 204])
  assert.equal(http.listener.snapshot().requestsInFlight, 0)
})

test('a client that is slow with its headers, or with a request in all, is told 408', async () => {
  const limits = { timeoutCheckMs: 20, headersTimeoutMs: SHORT_MS, requestTimeoutMs: 2 * SHORT_MS }
  await using http = await openTestListener({ limits })
  await using slowHeaders = await openRawConnection(http.url)
  await slowHeaders.send('POST /write?db=a HTTP/1.1\r\nHost: x\r\n')
  assert.equal((await slowHeaders.response()).status, 408)
  await using slowBody = await openRawConnection(http.url)
  await slowBody.send('POST /write?db=a HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nm v=1')
  assert.equal((await slowBody.response()).status, 408)
  await slowBody.closed
  assert.equal(http.writes.items.length, 0)
  assert.equal(http.writeBytes, 0)
})

test('a connection that falls silent is closed, within a body and between requests', async () => {
  await using http = await openTestListener({
    limits: { idleTimeoutMs: SHORT_MS, keepAliveTimeoutMs: SHORT_MS },
  })
  await using inBody = await openRawConnection(http.url)
  await inBody.send('POST /write?db=a HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nm v=1')
  await withinLimit(inBody.closed, { what: 'the silent connection is closed' })
  const restAfterAnswer = async () => {
    await using between = await openRawConnection(http.url)
    await between.send(WRITE)
    assert.equal((await between.response()).status, 204)
    await withinLimit(between.closed, { what: 'the idle connection is closed' })
  }
  await oneOf(restAfterAnswer, 'a connection is answered, and closed when it is idle')
})

test('a client is never cut off while it is we who keep it waiting', async () => {
  const decision = Promise.withResolvers<Reply>()
  await using http = await openTestListener({
    accept: () => decision.promise,
    limits: { idleTimeoutMs: SHORT_MS },
  })
  let kept: RawConnection | undefined
  const beginInTime = async () => {
    kept = await openRawConnection(http.url)
    await kept.send(WRITE)
    await Promise.race([http.writes.atLeast(1), kept.closed.then(() => assert.fail('too late'))])
  }
  await oneOf(beginInTime, 'a write has begun')
  await using connection = kept ?? assert.fail()
  // Another connection's silence, begun later, is over: so is this one's.
  await using silent = await openRawConnection(http.url)
  await silent.send('POST')
  await silent.closed
  decision.resolve(STORED)
  assert.equal((await connection.response()).status, 204)
})

test('headers beyond the limit are a 431', async () => {
  await using http = await openTestListener()
  await using connection = await openRawConnection(http.url)
  const padding = `X: ${'y'.repeat(HTTP_LIMITS.headersMaxBytes)}`
  await connection.send(`POST /write?db=a HTTP/1.1\r\nHost: x\r\n${padding}\r\n\r\n`)
  assert.equal((await connection.response()).status, 431)
})

test('closing answers what is in flight with Connection: close, and ends idle connections', async () => {
  const decision = Promise.withResolvers<Reply>()
  const http = await openTestListener({ accept: () => decision.promise })
  await using idle = await openRawConnection(http.url)
  await idle.send('GET /ping HTTP/1.1\r\nHost: x\r\n\r\n')
  assert.equal((await idle.response()).status, 204)
  await using waiting = await openRawConnection(http.url)
  await waiting.send(WRITE)
  await using receiving = await openRawConnection(http.url)
  await receiving.send('POST /write?db=a HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nm v=')
  await http.writes.next()
  await http.write('', '') // Answered after what was sent before it has been read.

  const closing = http.listener[Symbol.asyncDispose]()
  await idle.closed
  await assert.rejects(openRawConnection(http.url), { code: 'ECONNREFUSED' })
  await receiving.send('2 2')
  decision.resolve(STORED)
  for (const connection of [waiting, receiving]) {
    const { status, headers } = await connection.response()
    assert.equal(status, 204)
    assert.equal(headers['connection'], 'close')
  }
  await closing
  await http.listener.closed
  await http.listener[Symbol.asyncDispose]() // Twice is allowed.
  assert.equal(http.listener.snapshot().connections, 0)
})

test('a connection whose request has begun when closing starts gets one more answer', async () => {
  await using http = await openTestListener({ accept: () => STORED })
  await using connection = await openRawConnection(http.url)
  await connection.send(`${WRITE}POST /write?db=a HTTP/1.1\r\nHost: x\r\n`)
  assert.equal((await connection.response()).status, 204)
  const closing = http.listener.close(new AbortController().signal)
  await connection.send('Content-Length: 7\r\n\r\nm v=2 2')
  const { status, headers } = await connection.response()
  assert.equal(status, 204)
  assert.equal(headers['connection'], 'close')
  await connection.closed
  await closing
})

test('closing waits no longer than its deadline', async () => {
  const http = await openTestListener({
    accept: () => new Promise<Reply>(() => {}),
    limits: { closeTimeoutMs: SHORT_MS },
  })
  await using connection = await openRawConnection(http.url)
  await connection.send(WRITE)
  await http.writes.next()
  await withinLimit(http.listener[Symbol.asyncDispose](), { what: 'the listener is closed' })
  await connection.closed

  const other = await openTestListener({ accept: () => new Promise<Reply>(() => {}) })
  await using another = await openRawConnection(other.url)
  await another.send(WRITE)
  await other.writes.next()
  await withinLimit(other.listener.close(AbortSignal.abort()), { what: 'it is closed at once' })
  await another.closed
})

test('a failure of ours ends the listener, so that the program does not go on without it', async () => {
  await using http = await openTestListener({ accept: () => Promise.reject(new Error('BUG: x')) })
  await using connection = await openRawConnection(http.url)
  await connection.send(WRITE)
  await assert.rejects(http.listener.closed, /BUG: x/)
  await http.listener.close(AbortSignal.abort())
})

test('a relay takes writes while one of its outputs is up, and its log takes them', () => {
  const up = { name: 'a', isUp: true, isInSync: true, downCause: '' }
  const down = { name: 'b', isUp: false, isInSync: false, downCause: 'x' }
  const fault = (...outputs: (typeof up)[]) => healthOf({ outputs, disk: undefined }).fault
  assert.equal(fault(up, down), '')
  assert.equal(fault(down), 'no output is up')
  assert.equal(fault(), 'no output is up')
  const stored = (isFailing: boolean) => healthOf({ outputs: [up], disk: { isFailing } }).fault
  assert.equal(stored(false), '')
  assert.equal(stored(true), 'its log on disk cannot be written')
})

test('a token bucket lets a burst through and refills at its rate, not above its size', () => {
  let nowMs = 0
  const clock = { ...systemClock, monotonicMs: () => nowMs }
  const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, clock)
  const takeAll = () => {
    let count = 0
    while (bucket.tryTake()) count++
    return count
  }
  assert.equal(takeAll(), 3)
  nowMs += 99
  assert.equal(takeAll(), 0)
  nowMs += 101
  assert.equal(takeAll(), 2)
  nowMs += 60_000
  assert.equal(takeAll(), 3)
})

test('request ids are time UUIDs, all different, whose time is now', () => {
  let nowMs = 1_763_690_000_000
  const ids = new RequestIds({ ...systemClock, wallMs: () => nowMs })
  const seen = new Set<string>()
  for (let index = 0; index < 20_000; index++) {
    if (index % 10_000 === 0) nowMs++
    seen.add(ids.next())
  }
  assert.equal(seen.size, 20_000)
  const [low = '', middle = '', high = ''] = ids.next().split('-')
  const ticks = BigInt(`0x${high.slice(1)}${middle}${low}`)
  assert.equal(ticks / 10_000n - 12_219_292_800_000n, BigInt(nowMs))
})
