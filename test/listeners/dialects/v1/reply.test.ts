import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  methodNotAllowedAnswer,
  renderReply,
  renderStatementReply,
} from '../../../../src/listeners/dialects/v1/reply.ts'
import { refusedReply, STORED, unavailableReply } from '../../../../src/write/reply.ts'

const JSON_TYPE = ['Content-Type', 'application/json']

test('stored is 204 with a content type and no body', () => {
  assert.deepEqual(renderReply(STORED, 'json'), { status: 204, headers: JSON_TYPE, body: '' })
  assert.deepEqual(renderReply(STORED, 'csv').headers, ['Content-Type', 'text/csv'])
})

test('a refusal is told in the body and in a header', () => {
  const { status, headers, body } = renderReply(refusedReply(400, 'database is required'), 'json')
  assert.equal(status, 400)
  assert.deepEqual(headers, [...JSON_TYPE, 'X-Influxdb-Error', 'database is required'])
  assert.equal(body.toString(), '{"error":"database is required"}\n')
})

test('a 401 has a challenge in place of the error header: the own one, or InfluxDB’s', () => {
  const challenge = (own: string) => renderReply(refusedReply(401, 'no', own), 'json').headers
  assert.deepEqual(challenge(''), [...JSON_TYPE, 'WWW-Authenticate', 'Basic realm="InfluxDB"'])
  assert.deepEqual(challenge('Basic realm="x"'), [
    ...JSON_TYPE,
    'WWW-Authenticate',
    'Basic realm="x"',
  ])
})

test('what may heal is a 503 with whole seconds to wait and a JSON error', () => {
  const { status, headers, body } = renderReply(unavailableReply('no output is up', 2), 'json')
  assert.equal(status, 503)
  assert.deepEqual(headers.slice(0, 4), [...JSON_TYPE, 'Retry-After', '2'])
  assert.equal(body.toString(), '{"error":"no output is up"}\n')
})

test('a statement is answered with 200: the destination’s words, or an empty result', () => {
  const own = { ...STORED, body: '{"results":[{"statement_id":0,"messages":[]}]}\n' }
  assert.equal(renderStatementReply(own, 'json').body, own.body)
  const empty = { status: 200, headers: JSON_TYPE, body: '{"results":[{"statement_id":0}]}\n' }
  assert.deepEqual(renderStatementReply(STORED, 'json'), empty)
  // InfluxDB answers 200 to a statement that has failed.
  const failed = { ...refusedReply(200, 'invalid name'), body: '{"results":[{"error":"x"}]}' }
  assert.deepEqual(renderStatementReply(failed, 'json'), {
    ...{ status: 200, headers: JSON_TYPE, body: failed.body },
  })
  assert.equal(renderStatementReply(refusedReply(403, 'no'), 'json').status, 403)
})

test('a 405 names the methods that are allowed', () => {
  const { headers } = methodNotAllowedAnswer(['GET', 'HEAD'])
  assert.deepEqual(headers.slice(-2), ['Allow', 'GET, HEAD'])
})
