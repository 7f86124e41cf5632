import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Batch, Verdict } from '../../../src/outputs/destination.ts'
import { type Answer, judge } from '../../../src/outputs/http/verdict.ts'
import { NO_CREDENTIALS, type Write, writeTarget } from '../../../src/write/write.ts'

const NOW_MS = Date.UTC(2026, 10, 21)
const TARGET = writeTarget({
  database: 'db',
  retentionPolicy: '',
  precision: 'ns',
  credentials: NO_CREDENTIALS,
})

function write(lineCount = 1): Write {
  return {
    kind: 'lines',
    target: TARGET,
    body: Buffer.from('m v=1 1\n'),
    lineCount,
    receivedAtMs: 0,
  }
}

function batchOf(...writes: Write[]): Batch {
  return { target: TARGET, writes, bytes: 8 * writes.length }
}

const ALONE = batchOf(write(3))
const MERGED = batchOf(write(), write())
const STATEMENT = batchOf({ ...write(), kind: 'statement', body: Buffer.from('CREATE DATABASE x') })

function answer(status: number, error = '', headers: Record<string, string> = {}): Answer {
  return { status, headers, body: error === '' ? '' : JSON.stringify({ error }) }
}

function verdictOf(given: Answer, batch: Batch = ALONE): Verdict {
  return judge(given, batch, { nowMs: NOW_MS, hasOwnCredentials: false })
}

test('a 2xx is delivered, unless it is a web page', () => {
  for (const status of [200, 201, 202, 204])
    assert.equal(verdictOf(answer(status)).kind, 'delivered')
  const page = { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>login</html>' }
  assert.equal(verdictOf(page).kind, 'retry')
})

test('what may heal is tried again, whatever was merged', () => {
  for (const status of [301, 302, 307, 408, 425, 429, 500, 501, 502, 503, 504]) {
    assert.equal(verdictOf(answer(status, 'trouble')).kind, 'retry', `${status}`)
    assert.equal(verdictOf(answer(status, 'trouble'), MERGED).kind, 'retry', `${status} merged`)
  }
  for (const text of [
    'timeout',
    'write failed',
    'engine is closed',
    'engine: cache-max-memory-size exceeded',
  ]) {
    assert.equal(verdictOf(answer(500, text)).kind, 'retry', text)
  }
})

test('a redirect is never followed, and the log says so', () => {
  const verdict = verdictOf(answer(302, '', { location: 'http://elsewhere/' }))
  assert(verdict.kind === 'retry' && /redirect/.test(verdict.why))
})

test('a refusal of a single write is for good, and its words reach the client', () => {
  const check = (status: number, error: string) => {
    const verdict = verdictOf(answer(status, error))
    assert(verdict.kind === 'refused', `${status} ${error}`)
    assert.equal(verdict.reply.status, status)
    assert.equal(verdict.reply.error, error)
    return verdict.lineCount
  }
  assert.equal(check(400, "unable to parse 'x': missing fields"), 3)
  assert.equal(check(400, 'field type conflict: input field "v"'), 3)
  assert.equal(check(413, 'Request Entity Too Large'), 3)
  assert.equal(check(422, 'failure writing points'), 3)
  assert.equal(check(500, 'retention policy not found: x'), 3)
  assert.equal(check(400, 'partial write: points beyond retention policy dropped=2'), 2)
  assert.equal(check(400, 'partial write: unable to parse … dropped=0'), 3)
  assert.equal(check(400, 'partial write: field type conflict dropped=99'), 3)
})

test('a refusal of a merged request is split, except where it concerns the target', () => {
  for (const status of [400, 405, 413, 422]) {
    assert.equal(verdictOf(answer(status, 'no'), MERGED).kind, 'split', `${status}`)
  }
  assert.equal(verdictOf(answer(500, 'partial write: x'), MERGED).kind, 'split')
  for (const status of [401, 403, 404]) {
    assert.equal(verdictOf(answer(status, 'no'), MERGED).kind, 'refused', `${status}`)
  }
  assert.equal(verdictOf(answer(500, 'retention policy not found: x'), MERGED).kind, 'refused')
})

test('a 401 keeps its challenge', () => {
  const verdict = verdictOf(
    answer(401, 'authorization failed', { 'www-authenticate': 'Basic realm="x"' }),
  )
  assert(verdict.kind === 'refused')
  assert.equal(verdict.reply.authenticate, 'Basic realm="x"')
})

test("a refusal of the output's own credentials costs no client its write", () => {
  for (const status of [401, 403]) {
    const options = { nowMs: NOW_MS, hasOwnCredentials: true }
    const verdict = judge(answer(status, 'authorization failed'), ALONE, options)
    assert(verdict.kind === 'retry')
    assert.match(verdict.why, /own credentials \(authorization failed\)/)
    assert.equal(verdict.hasBegun, false)
  }
})

test('Retry-After is honoured within its bound', () => {
  const check = (header: string, expectedMs: number | undefined) => {
    const verdict = verdictOf(answer(503, 'busy', { 'retry-after': header }))
    assert(verdict.kind === 'retry')
    assert.equal(verdict.retryAfterMs, expectedMs, header)
  }
  check('7', 7_000)
  check('999999', 600_000)
  check('soon', undefined)
})

test('a statement is judged by its result, not by its status', () => {
  const ok = { status: 200, headers: {}, body: '{"results":[{"statement_id":0}]}\n' }
  assert.deepEqual(verdictOf(ok, STATEMENT), { kind: 'delivered', body: ok.body, lost: [] })
  const body = '{"results":[{"statement_id":0,"error":"no rights"}]}\n'
  const failed = verdictOf({ status: 200, headers: {}, body }, STATEMENT)
  assert(failed.kind === 'refused')
  assert.equal(failed.reply.error, 'no rights')
  assert.equal(failed.reply.body, body)
})

test('an error text is found in every form that servers give it', () => {
  const check = (body: string, expected: string) => {
    const verdict = verdictOf({ status: 400, headers: {}, body })
    assert(verdict.kind === 'refused')
    assert.equal(verdict.reply.error, expected)
  }
  check('{"error":"v1"}\n', 'v1')
  check('{"code":"invalid","message":"v2"}', 'v2')
  check('cannot parse\n', 'cannot parse')
  check('{"error":{"nested":1}}', '{"error":{"nested":1}}')
  check('', '')
})
