// Goal: dead letters are sent again and removed by whoever sits at the machine, and by nobody else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  answerDeadLetters,
  type DeadLetterHandlers,
  type DeadLetterRequest,
} from '../../src/admin/dead-letter-requests.ts'
import { type AdminOptions, openAdmin } from '../../src/admin/server.ts'
import { systemClock } from '../../src/std/clock.ts'
import { silentLogger } from '../support/disk-log-fixture.ts'
import { outputSnapshot, relaySnapshot, serviceSnapshot } from '../support/service-snapshot.ts'

const SNAPSHOT = serviceSnapshot({
  relays: [relaySnapshot({ name: 'r', outputs: [outputSnapshot({ name: 'a' })] })],
})

function rememberingHandlers(): DeadLetterHandlers & { readonly calls: unknown[] } {
  const calls: unknown[] = []
  return {
    calls,
    replay: async (...names) => {
      calls.push(['replay', ...names])
      return { writes: 2, lines: 5 }
    },
    purge: async (...args) => {
      calls.push(['purge', ...args])
      return { letters: 1, lines: 3 }
    },
  }
}

async function open(options: Partial<AdminOptions>) {
  const admin = await openAdmin({
    clock: systemClock,
    bindAddress: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    isConfigured: true,
    snapshot: () => SNAPSHOT,
    logger: silentLogger,
    ...options,
  })
  assert(admin !== undefined)
  const post = async (path: string, init: RequestInit = {}) => {
    const url = `http://127.0.0.1:${admin.address.port}${path}`
    const answer = await fetch(url, { method: 'POST', ...init })
    return { status: answer.status, body: JSON.parse(await answer.text()) }
  }
  return { post, [Symbol.asyncDispose]: () => admin[Symbol.asyncDispose]() }
}

test('replay and purge reach the handler with relay and output, and answer with its counts', async () => {
  const deadLetters = rememberingHandlers()
  await using admin = await open({ deadLetters })
  const replay = await admin.post('/dead-letters/replay?relay=r&output=a')
  assert.deepEqual(replay, { status: 200, body: { writes: 2, lines: 5 } })
  const purge = await admin.post('/dead-letters/purge?relay=r&output=a')
  assert.deepEqual(purge, { status: 200, body: { letters: 1, lines: 3 } })
  await admin.post('/dead-letters/purge?relay=r&output=a&before-ms=1700000000000')
  assert.deepEqual(deadLetters.calls, [
    ['replay', 'r', 'a'],
    ['purge', 'r', 'a', undefined],
    ['purge', 'r', 'a', 1_700_000_000_000],
  ])
})

test('only a POST does anything', async () => {
  const deadLetters = rememberingHandlers()
  await using admin = await open({ deadLetters })
  for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS']) {
    const { status } = await admin.post('/dead-letters/purge?relay=r&output=a', { method })
    assert.equal(status, 404, method)
  }
  assert.deepEqual(deadLetters.calls, [])
})

test('what is missing, unknown or malformed is said, and nothing is done', async () => {
  const deadLetters = rememberingHandlers()
  await using admin = await open({ deadLetters })
  const check = async (query: string, status: number, error: RegExp) => {
    const answer = await admin.post(`/dead-letters/purge${query}`)
    assert.equal(answer.status, status, query)
    assert.match(answer.body.error, error)
  }
  await check('', 400, /^name one relay and one output/)
  await check('?relay=r', 400, /^name one relay and one output/)
  await check('?relay=r&output=a&output=b', 400, /^name one relay and one output/)
  await check('?relay=x&output=a', 404, /^there is no relay "x"; there are: "r"$/)
  await check('?relay=r&output=b', 404, /^relay "r" has no output "b"; it has: "a"$/)
  for (const before of ['', 'x', '1.5', '1e99']) {
    await check(
      `?relay=r&output=a&before-ms=${before}`,
      400,
      /is not a whole number of milliseconds/,
    )
  }
  assert.deepEqual(deadLetters.calls, [])
})

test("a handler's problem is a 409 in its words; without a log-dir there is nothing to do", async () => {
  const problem = async () => ({ problem: 'the backlog is full' })
  await using admin = await open({ deadLetters: { replay: problem, purge: problem } })
  const full = { status: 409, body: { error: 'the backlog is full' } }
  assert.deepEqual(await admin.post('/dead-letters/replay?relay=r&output=a'), full)
  assert.deepEqual(await admin.post('/dead-letters/purge?relay=r&output=a'), full)

  await using bare = await open({})
  const { status, body } = await bare.post('/dead-letters/replay?relay=r&output=a')
  assert.equal(status, 409)
  assert.match(body.error, /no relay here has a log-dir/)

  const bug = async () => {
    throw new Error('not told')
  }
  await using broken = await open({ deadLetters: { replay: bug, purge: bug } })
  assert.equal((await broken.post('/dead-letters/replay?relay=r&output=a')).status, 500)
})

test('neither a browser nor another machine can change dead letters', async () => {
  const handlers = rememberingHandlers()
  await using admin = await open({ deadLetters: handlers })
  for (const headers of [{ origin: 'http://127.0.0.1:9097' }, { origin: 'null' }]) {
    const { status } = await admin.post('/dead-letters/purge?relay=r&output=a', { headers })
    assert.equal(status, 403)
  }
  const statusOf = async (addresses: Partial<DeadLetterRequest>) => {
    const query = { relay: 'r', output: 'a' }
    const from = { remoteAddress: undefined, localAddress: undefined, ...addresses }
    const request = { action: 'purge' as const, query, headers: {}, ...from }
    return (await answerDeadLetters(request, handlers, SNAPSHOT)).status
  }
  assert.equal(await statusOf({ headers: { 'sec-fetch-site': 'none' } }), 403)
  assert.equal(await statusOf({}), 403)
  assert.equal(await statusOf({ remoteAddress: '10.0.0.7', localAddress: '10.0.0.1' }), 403)
  assert.equal(await statusOf({ remoteAddress: '172.17.0.1', localAddress: '172.17.0.2' }), 403)
  assert.deepEqual(handlers.calls, [])
  // On this machine, by whichever of its addresses.
  assert.equal(await statusOf({ remoteAddress: '10.0.0.1', localAddress: '10.0.0.1' }), 200)
  for (const remoteAddress of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    assert.equal(await statusOf({ remoteAddress }), 200)
  }
})
