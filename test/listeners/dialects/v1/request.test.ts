import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseGoQuery } from '../../../../src/listeners/dialects/go-query.ts'
import { parseV1WriteRequest } from '../../../../src/listeners/dialects/v1/request.ts'

function parse(query: string, authorization = '', defaultRetentionPolicy = '') {
  return parseV1WriteRequest({
    query: parseGoQuery(query),
    authorization,
    defaultRetentionPolicy,
    honorsConsistency: true,
  })
}

test('empty parameters are absent ones', () => {
  const bare = parse('db=a')
  assert.deepEqual(parse('db=a&rp=&precision=&consistency=&u=&p='), bare)
  assert.equal(bare.target.precision, 'ns')
  assert.equal(bare.policy, undefined)
  assert.equal(bare.hasInvalidConsistency, false)
  assert.equal(parse('rp=x').target.database, '')
})

test('a precision is InfluxDB’s, and every unknown one means nanoseconds', () => {
  const check = (token: string, expected: string) =>
    assert.equal(parse(`db=a&precision=${token}`).target.precision, expected, token)
  check('n', 'ns')
  check('ns', 'ns')
  check('u', 'us')
  check('ms', 'ms')
  check('s', 's')
  check('m', 'm')
  check('h', 'h')
  for (const unknown of ['us', '%C2%B5', 'S', 'd', '%20s', 'bad']) check(unknown, 'ns')
})

test('a missing retention policy is the default one, a given one stands', () => {
  assert.equal(parse('db=a', '', 'short').target.retentionPolicy, 'short')
  assert.equal(parse('db=a&rp=', '', 'short').target.retentionPolicy, 'short')
  assert.equal(parse('db=a&rp=two', '', 'short').target.retentionPolicy, 'two')
})

test('a consistency is read in any case, and an unknown one is noted', () => {
  assert.equal(parse('db=a&consistency=ALL').policy, 'all')
  assert.equal(parse('db=a&consistency=quorum').policy, 'quorum')
  assert.equal(parse('db=a&consistency=one').policy, 'any')
  assert.equal(parse('db=a&consistency=any').policy, 'any')
  assert.equal(parse('db=a&consistency=two').hasInvalidConsistency, true)
})

test('a consistency that is not honored is checked all the same, and asks for nothing', () => {
  const check = (level: string, hasInvalidConsistency: boolean) => {
    const query = parseGoQuery(`db=a&consistency=${level}`)
    const parts = { query, authorization: '', defaultRetentionPolicy: '', honorsConsistency: false }
    const request = parseV1WriteRequest(parts)
    assert.equal(request.policy, undefined, level)
    assert.equal(request.hasInvalidConsistency, hasInvalidConsistency, level)
  }
  for (const level of ['', 'any', 'ONE', 'quorum', 'All']) check(level, false)
  check('two', true)
})

test('credentials are kept as they came', () => {
  const check = (query: string, expected: string) =>
    assert.equal(parse(query).target.credentials.query, expected, query)
  check('db=a&u=x&p=y', 'u=x&p=y')
  check('p=y%26z&db=a&u=x+x&p=other', 'u=x+x&p=y%26z')
  check('db=a&p=token', 'p=token')
  assert.equal(parse('db=a', 'Basic eDp5').target.credentials.authorization, 'Basic eDp5')
})
