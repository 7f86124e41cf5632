import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OutputDialect } from '../../../src/config/config.ts'
import type { Verdict } from '../../../src/destinations/destination.ts'
import type { Answer } from '../../../src/destinations/http/answer.ts'
import { type JudgeOptions, judge } from '../../../src/destinations/http/verdict.ts'
import type { RefusalCause } from '../../../src/line-protocol/rejected/cause.ts'

/** Of a 5xx that may be for the data. */
const MAYBE_POISON = 'retry begun error'
const NOW_MS = Date.UTC(2026, 10, 21)
const DIALECTS: readonly OutputDialect[] = ['v1', 'v2', 'v3']

/** As InfluxDB 1.x and 3 say it. */
function error(status: number, text: string, headers: Record<string, string> = {}): Answer {
  const body = `${JSON.stringify({ error: text })}\n`
  return { status, headers: { 'content-type': 'application/json', ...headers }, body }
}

/** As InfluxDB 2 and QuestDB say it. */
function coded(status: number, message: string): Answer {
  const body = JSON.stringify({ code: 'invalid', message })
  return { status, headers: { 'content-type': 'application/json; charset=utf-8' }, body }
}

/** As VictoriaMetrics and web servers say it. */
function plain(status: number, body: string): Answer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body }
}

function numbered(status: number, ...numbers: unknown[]): Answer {
  const text = 'partial write of line protocol occurred'
  const data = numbers.map((line_number) => ({ error_message: 'bad', line_number }))
  return { status, headers: {}, body: JSON.stringify({ error: text, data }) }
}

const page = (status: number): Answer => ({
  status,
  headers: { 'content-type': 'text/html' },
  body: `<html><head><title>${status} Sorry</title></head></html>`,
})
const empty = (status: number): Answer => ({ status, headers: {}, body: '' })

function verdictOf(
  answer: Answer,
  dialect: OutputDialect = 'v1',
  changes: Partial<JudgeOptions> = {},
): Verdict {
  const options = { dialect, kind: 'lines', hasOwnCredentials: false, nowMs: NOW_MS } as const
  return judge(answer, { ...options, ...changes })
}

/** A verdict in one word or two. */
function inShort(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'delivered':
      return verdict.kind
    case 'retry':
      return `retry${verdict.hasBegun ? ' begun' : ''} ${verdict.evidence}`
    case 'partly':
      return `partly ${verdict.refusedCount ?? '?'} ${verdict.cause.kind}`
    case 'split':
      return `split ${verdict.downTo}`
    case 'hold':
      return `hold ${verdict.scope}`
    case 'refused':
      return verdict.isUnconfirmed ? 'refused?' : 'refused'
    case 'unsupported':
      return verdict.kind
  }
}

/** `expected`: one for all dialects, or v1, v2 and v3. */
function check(answer: Answer, ...expected: string[]): void {
  const message = `${answer.status} ${answer.body}`
  const [v1 = '', v2 = v1, v3 = v1] = expected
  const verdicts = DIALECTS.map((dialect) => inShort(verdictOf(answer, dialect)))
  assert.deepEqual(verdicts, [v1, v2, v3], message)
}

test('a 2xx is delivered, unless it is a web page', () => {
  for (const status of [200, 201, 202, 204, 299]) check(empty(status), 'delivered')
  check(plain(200, 'ok'), 'delivered')
  check(page(200), 'retry none')
  const verdict = verdictOf(page(200))
  assert(verdict.kind === 'retry')
  assert.equal(verdict.why, 'answered 200 a web page: 200 Sorry: is its location right?')
})

test('a redirect is never followed, and the log says so', () => {
  for (const status of [300, 301, 302, 304, 307, 308]) check(empty(status), 'retry none')
  const verdict = verdictOf({ ...page(302), headers: { location: 'http://elsewhere/' } })
  assert(verdict.kind === 'retry' && /a redirect, which is never followed/.test(verdict.why))
})

test('a partial write is stored but for some lines', () => {
  const conflict =
    'partial write: field type conflict: input field "v" on measurement "m" is type float, ' +
    'already exists as type integer dropped=2'
  const beyond = 'partial write: points beyond retention policy dropped=3'
  const prefix = 'failure writing points to database: '
  check(error(400, conflict), 'partly 2 field', 'partly 2 field', 'split write')
  check(error(400, beyond), 'partly 3 oldest', 'partly 3 oldest', 'split write')
  check(coded(422, prefix + conflict), 'partly 2 field', 'partly 2 field', 'split write')
  check(coded(422, prefix + beyond), 'partly 3 oldest', 'partly 3 oldest', 'split write')
  const series = 'partial write: max-series-per-database limit exceeded: (1000000) dropped=4929'
  check(error(400, series), 'partly 4929 unknown', 'partly 4929 unknown', 'split write')
  const parse = "partial write: unable to parse 'm v=': missing field value dropped=0"
  check(error(400, parse), 'partly ? unknown', 'partly ? unknown', 'split write')
  const where = `${beyond} for database: d for retention policy: r`
  check(error(400, where), 'partly 3 oldest', 'partly 3 oldest', 'split write')
})

test('a partial write that comes as a 5xx is one all the same', () => {
  const beyond = 'points beyond retention policy'
  check(
    error(500, 'partial write: x dropped=1'),
    'partly 1 unknown',
    'partly 1 unknown',
    MAYBE_POISON,
  )
  check(
    error(500, `partial write: ${beyond} dropped=1`),
    'partly 1 oldest',
    'partly 1 oldest',
    MAYBE_POISON,
  )
  check(error(500, beyond), 'partly ? oldest', 'partly ? oldest', MAYBE_POISON)
  check(error(503, `partial write: ${beyond}`), 'partly ? oldest', 'partly ? oldest', 'retry none')
})
test('InfluxDB 3 names the lines that it refused, also behind /write', () => {
  for (const status of [400, 422]) {
    check(numbered(status, 1), 'partly 1 line-numbers')
    check(numbered(status, 3, 2, 3), 'partly 2 line-numbers')
    for (const number of [undefined, 'x', 0, 1.5]) {
      check(numbered(status, 2, number), 'partly ? unknown')
    }
    check(numbered(status), 'partly ? unknown')
  }
  const verdict = verdictOf(numbered(400, 3, 7), 'v3')
  assert(verdict.kind === 'partly')
  const cause: RefusalCause = { kind: 'line-numbers', lines: [2, 6] }
  assert.deepEqual(verdict.cause, cause)
  assert.equal(verdict.reply.error, 'partial write of line protocol occurred: bad')
})

test('an answer that was cut at the limit of what is read still means what it begins with', () => {
  const cut = (answer: Answer, length: number) => ({
    ...answer,
    body: answer.body.slice(0, length),
  })
  check(cut(numbered(400, 1, 2, 3), 90), 'partly ? unknown')
  const parse = error(400, `partial write: unable to parse 'm ${'x'.repeat(99)}': dropped=0`)
  check(cut(parse, 60), 'partly ? unknown', 'partly ? unknown', 'split write')
  check(
    cut(coded(422, 'failure: partial write: x \\u00'), 58),
    'partly ? unknown',
    'partly ? unknown',
    'split write',
  )
  const verdict = verdictOf(cut(error(400, 'a "quoted" \u0001 text'), 26))
  assert(verdict.kind === 'split')
  assert.equal(verdict.reply.error, 'a "quoted" ')
})

test('a request refused whole is sent again as the clients wrote it, where clients were promised that', () => {
  const conflict =
    'field type conflict: input field "v" on measurement "m" is type float, ' +
    'already exists as type integer'
  for (const text of [
    "unable to parse 'x': missing fields",
    conflict,
    'points beyond retention policy',
    'gzip: invalid header',
    'invalid consistency level',
  ]) {
    check(error(400, text), 'split write', 'split line', 'split write')
  }
  // The words of a partial write count at the beginning only: the rest is what a client sent.
  const quoted = "unable to parse 'partial write: x dropped=1': missing fields"
  check(error(400, quoted), 'split write', 'split line', 'split write')
  for (const status of [402, 406, 409, 415, 451]) check(error(status, 'no'), 'split write')
})

test('databases that store nothing beside a bad line get the lines one by one', () => {
  check(
    coded(400, "unable to parse 'x': missing fields"),
    'split line',
    'split line',
    'split write',
  )
  check(plain(400, 'cannot parse "x"'), 'split line', 'split line', 'split write')
  check({ ...plain(400, 'cannot parse'), headers: {} }, 'split line', 'split line', 'split write')
  const data = { error_message: 'bad', line_number: 2, original_line: 'm v=' }
  const body = JSON.stringify({ error: 'line protocol parsing error', data })
  check({ status: 400, headers: {}, body }, 'split line')
  const verdict = verdictOf({ status: 400, headers: {}, body }, 'v3')
  assert(verdict.kind === 'split')
  assert.equal(verdict.reply.error, 'line protocol parsing error: bad')
})

test('a 422 of InfluxDB 2 is judged by whether it has dropped something', () => {
  check(
    coded(422, 'failure writing points to database: x dropped=7'),
    'split write',
    'partly 7 unknown',
    'split write',
  )
  check(coded(422, 'failure writing points'), 'split write')
})

test('a request that is too long is halved, whoever says so', () => {
  check(error(413, 'Request Entity Too Large'), 'split line')
  check(coded(413, 'unable to read data: points batch is too large'), 'split line')
  check(plain(413, 'max request size (10485760 bytes) exceeded'), 'split line')
  check(page(413), 'split line')
})

test('a refusal that does not sound like a database is one to be asked again', () => {
  for (const status of [400, 402, 406, 410, 422, 431, 451]) {
    check(empty(status), 'refused?')
    check(page(status), 'refused?')
    check({ status, headers: {}, body: '{"message":"Forbidden by the gateway"}' }, 'refused?')
    check({ status, headers: { 'content-type': 'image/png' }, body: 'x' }, 'refused?')
  }
  check(plain(400, '400 Bad Request'), 'refused?')
  check(plain(405, 'Method Not Allowed'), 'refused?')
  check(error(405, 'Method Not Allowed'), 'refused?')
})

test("a refusal of the client's credentials is the client's, of the output's own holds the output", () => {
  for (const answer of [
    error(401, 'authorization failed'),
    coded(401, 'unauthorized access'),
    coded(403, 'insufficient permissions for write'),
    page(403),
    empty(401),
  ]) {
    check(answer, 'refused')
    for (const dialect of DIALECTS) {
      const verdict = verdictOf(answer, dialect, { hasOwnCredentials: true })
      assert.equal(inShort(verdict), 'hold output')
    }
  }
  // The user is right, only not for this database: that must not stop the others.
  const noRights = error(403, '"bob" user is not authorized to write to database "db"')
  check(noRights, 'refused')
  assert.equal(inShort(verdictOf(noRights, 'v1', { hasOwnCredentials: true })), 'hold rights')
  const challenge = { 'www-authenticate': 'Basic realm="x"' }
  const verdict = verdictOf(error(401, 'authorization failed', challenge))
  assert(verdict.kind === 'refused')
  assert.deepEqual(verdict.reply.authenticate, 'Basic realm="x"')
  assert.deepEqual(verdict.reply.error, 'authorization failed')
})

test('a database, bucket or retention policy that is missing there holds its writes only', () => {
  const hold = 'hold target'
  check(error(404, 'database not found: "db"'), hold)
  check(coded(404, 'bucket "b" not found'), hold)
  check(coded(404, 'organization name "o" not found'), hold, hold, 'retry none')
  check(coded(404, 'no dbrp mapping found'), hold, hold, 'retry none')
  check(
    error(404, 'bucket name "" is missing a slash; not in "database/retention-policy" format'),
    hold,
  )
  check(error(404, 'the requested database does not exist'), 'retry none', 'retry none', hold)
  check(error(500, 'retention policy not found: week'), hold, hold, MAYBE_POISON)
})

test('a 404 of anything else asks whether the location is right', () => {
  check(plain(404, '404 page not found'), 'retry none')
  check(coded(404, 'path not found'), 'retry none')
  check(page(404), 'retry none')
  check(empty(404), 'retry none')
  const verdict = verdictOf(plain(404, '404 page not found\n'))
  assert(verdict.kind === 'retry')
  assert.equal(verdict.why, 'answered 404 404 page not found: is its location right?')
  const path =
    'remoteAddr: "1.2.3.4:5"; requestURI: /wrong?db=d; unsupported path requested: "/wrong"'
  check(plain(400, path), 'retry none')
})

test('what may heal is tried again', () => {
  for (const status of [425, 429]) check(error(status, 'slow down'), 'retry none')
  for (const answer of [error(408, 'x'), empty(408)]) {
    check(answer, 'retry none', 'retry begun none', 'retry none')
  }
  check(coded(499, 'client cancelled'), 'split write', 'retry begun none', 'split write')
  check(plain(429, 'this service is overloaded, please try again later'), 'retry none')
  for (const answer of [error(503, 'busy'), plain(503, 'request throttled, queue full')]) {
    check(answer, 'retry none')
  }
  for (const status of [502, 504]) check(page(status), 'retry begun none')
  for (const text of [
    'timeout',
    'engine is closed',
    'engine: cache-max-memory-size exceeded: (1/2)',
    'unexpected error writing points to database: timeout',
  ]) {
    check(error(500, text), 'retry begun none')
  }
})

test('a 5xx that names no cause of its own may be for the data', () => {
  for (const status of [500, 501, 505, 507, 599]) {
    check(error(status, 'write failed'), MAYBE_POISON)
    check(page(status), MAYBE_POISON)
    check(empty(status), MAYBE_POISON)
  }
  check(coded(500, 'An internal error has occurred - check server logs'), MAYBE_POISON)
})

test('a 5xx for what a line says is looked for line by line', () => {
  const utf8 = 'proto: field "tsdb.x" contains invalid UTF-8'
  check(error(500, "unable to parse 'x': missing fields"), 'split line', 'split line', MAYBE_POISON)
  check(error(500, utf8), 'split line', 'split line', MAYBE_POISON)
  check(coded(500, `unexpected error: ${utf8}`), 'split line', 'split line', MAYBE_POISON)
})

test('a status that is none is garbage', () => {
  for (const status of [0, 100, 199, 600, 999]) check(empty(status), 'retry none')
})

test('Retry-After is honoured within its bound, whatever is tried again', () => {
  const checkMs = (status: number, header: string, expectedMs: number | undefined) => {
    const verdict = verdictOf({ status, headers: { 'retry-after': header }, body: '' })
    assert(verdict.kind === 'retry')
    assert.equal(verdict.retryAfterMs, expectedMs, header)
  }
  for (const status of [302, 404, 408, 429, 500, 502, 503]) checkMs(status, '7', 7_000)
  checkMs(503, '999999', 600_000)
  checkMs(503, 'Sat, 21 Nov 2026 00:00:30 GMT', 30_000)
  checkMs(503, 'soon', undefined)
})

test('a statement is judged by its result, not by its status', () => {
  const ok = { status: 200, headers: {}, body: '{"results":[{"statement_id":0}]}\n' }
  const options = { kind: 'statement' } as const
  const delivered: Verdict = { kind: 'delivered', body: ok.body, lost: [] }
  assert.deepEqual(verdictOf(ok, 'v1', options), delivered)
  assert.deepEqual(verdictOf(ok), { ...delivered, body: '' })
  const body = '{"results":[{"statement_id":0,"error":"no rights"}]}\n'
  const failed = verdictOf({ status: 200, headers: {}, body }, 'v1', options)
  assert(failed.kind === 'refused')
  assert.equal(failed.isUnconfirmed, false)
  assert.equal(failed.reply.error, 'no rights')
  assert.equal(failed.reply.body, body)
})

test('a statement waits for nothing that will not come', () => {
  const checkStatement = (answer: Answer, expected: string) => {
    for (const hasOwnCredentials of [false, true]) {
      const verdict = verdictOf(answer, 'v1', { kind: 'statement', hasOwnCredentials })
      assert.equal(inShort(verdict), expected, answer.body)
    }
  }
  checkStatement(error(403, 'error authorizing query: bob not authorized'), 'refused')
  // A page that stands in for a server for a while says nothing of what that server has.
  for (const status of [403, 404, 405, 501]) checkStatement(page(status), 'refused?')
  checkStatement(error(500, 'retention policy not found: x'), 'refused')
  checkStatement(error(400, 'error parsing query: x'), 'split write')
  checkStatement(error(503, 'busy'), 'retry none')
  const own = { kind: 'statement', hasOwnCredentials: true } as const
  assert.equal(inShort(verdictOf(error(401, 'authorization failed'), 'v1', own)), 'hold output')
})

test('a server that has no such statement has refused nothing', () => {
  const list = '{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"]}]}]}'
  const notImplemented =
    '{"results":[{"statement_id":0,"error":"not implemented: CREATE DATABASE"}]}'
  const answers = [
    plain(404, '404 page not found'),
    error(404, 'not found'),
    coded(405, 'Method POST not supported'),
    empty(405),
    empty(501),
    plain(400, 'unsupported path requested: "/query"'),
    { status: 200, headers: {}, body: notImplemented },
    error(400, 'This feature is not implemented: CREATE DATABASE'),
    error(500, 'This feature is not implemented: CREATE DATABASE'),
    { status: 200, headers: {}, body: list },
  ]
  for (const answer of answers) {
    const verdict = verdictOf(answer, 'v1', { kind: 'statement' })
    assert(verdict.kind === 'unsupported', answer.body)
    assert.equal(verdict.reply.status, answer.status)
    assert.equal(verdict.reply.body, answer.status === 200 ? answer.body : '')
    assert.notEqual(verdictOf(answer).kind, 'unsupported')
  }
})

test('a body in another format waits for its database, but not for an endpoint', () => {
  const opaque = (answer: Answer) => inShort(verdictOf(answer, 'v1', { kind: 'opaque' }))
  assert.equal(opaque(error(404, 'database not found: "x"')), 'hold target')
  assert.equal(opaque(plain(404, '404 page not found')), 'refused?')
  assert.equal(opaque(error(500, 'retention policy not found: x')), 'hold target')
  assert.equal(opaque(error(400, 'partial write: x dropped=1')), 'partly 1 unknown')
  assert.equal(opaque(error(413, 'Request Entity Too Large')), 'split line')
})

test('an error text is found in every form that servers give it', () => {
  const checkText = (body: string, expected: string) => {
    const verdict = verdictOf({ status: 401, headers: {}, body })
    assert(verdict.kind === 'refused')
    assert.equal(verdict.reply.status, 401)
    assert.equal(verdict.reply.error, expected)
  }
  checkText('{"error":"v1"}\n', 'v1')
  checkText('{"code":"invalid","message":"v2"}', 'v2')
  checkText('{"message":"a gateway"}', 'a gateway')
  checkText('cannot parse\n', 'cannot parse')
  checkText('{"error":{"nested":1}}', '{"error":{"nested":1}}')
  checkText('{"error":"cut', 'cut')
  checkText('{broken', '{broken')
  checkText('<html><title>Log in</title>', 'a web page: Log in')
  checkText('<html>', 'a web page')
  checkText('', '')
})
