/**
 * Every path but `POST /write`: what InfluxDB answers there, and what a relay cannot do.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refusedReply, STORED } from '../../../src/write/reply.ts'
import { openTestListener, type TestListener } from '../../support/http-fixture.ts'
import { httpRequest } from '../../support/http-request.ts'
import { openRawConnection, rawExchange } from '../../support/raw-http.ts'

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' }

function query(http: TestListener, statement: string, search = '') {
  const body = `q=${encodeURIComponent(statement)}`
  return httpRequest(`${http.url}/query${search}`, { method: 'POST', headers: FORM, body })
}

test('/ping is 204, or what is configured, and tells its version to who asks', async () => {
  await using http = await openTestListener({ config: { pingStatus: 200 } })
  await using plain = await openTestListener()
  const ping = (url: string, method = 'GET') => httpRequest(`${url}/ping`, { method })
  assert.equal((await ping(http.url)).status, 200)
  for (const method of ['GET', 'HEAD']) {
    const { status, body, headers } = await ping(plain.url, method)
    assert.equal(status, 204)
    assert.equal(body, '')
    assert.equal(headers['x-influxdb-version'], '1.8.10')
  }
  const asked = async (search: string) => await httpRequest(`${plain.url}/ping?${search}`)
  for (const no of ['verbose', 'verbose=0', 'verbose=false', 'wait_for_leader=1s']) {
    assert.equal((await asked(no)).status, 204, no)
  }
  const verbose = await asked('verbose=true')
  assert.equal(verbose.status, 200)
  assert.equal(verbose.body, '{"version":"1.8.10"}')
})

test('/status is 204', async () => {
  await using http = await openTestListener()
  for (const method of ['GET', 'HEAD']) {
    assert.equal((await httpRequest(`${http.url}/status`, { method })).status, 204)
  }
})

test('/health tells of each output, and is 503 when none is up', async () => {
  let isUp = true
  let isInSync = true
  await using http = await openTestListener({
    health: () => ({
      fault: isUp ? '' : 'no output is up',
      outputs: [{ name: 'a"b', isUp, isInSync, downCause: isUp ? '' : 'connection refused' }],
    }),
  })
  const health = async () => {
    const { status, body } = await httpRequest(`${http.url}/health`)
    return { status, body: JSON.parse(body) }
  }
  const check = { message: 'up', name: 'a"b', status: 'pass' }
  const whole = { name: 'influxdb', version: '1.8.10', message: 'ready for queries and writes' }
  assert.deepEqual(await health(), {
    status: 200,
    body: { ...whole, checks: [check], status: 'pass' },
  })
  isInSync = false
  assert.deepEqual(await health(), {
    status: 200,
    body: { ...whole, checks: [{ ...check, message: 'up, catching up' }], status: 'pass' },
  })
  isUp = false
  const { status, body } = await health()
  assert.equal(status, 503)
  assert.equal(body.status, 'fail')
  assert.deepEqual(body.checks[0], { ...check, message: 'connection refused', status: 'fail' })
})

test('an unknown path is a 404 in plain text, a known one with a wrong method a 405', async () => {
  await using http = await openTestListener()
  const paths = ['/', '/nowhere', '/write/', '/writes', '/WRITE', '/%77rite', '/ping/']
  for (const path of paths) {
    const { status, body, headers } = await httpRequest(http.url + path, {
      method: 'POST',
      body: 'x',
    })
    assert.equal(status, 404, path)
    assert.equal(body, '404 page not found\n')
    assert.equal(headers['content-type'], 'text/plain; charset=utf-8')
    assert.equal(headers['x-influxdb-version'], '1.8.10')
    assert.equal(headers['request-id'], undefined)
  }
  // A path that no URL parser lets through.
  const hash = 'POST /write#x?db=a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  assert.equal((await rawExchange(http.url, hash))[0]?.status, 404)
  const check = async (method: string, path: string, allow: string) => {
    const { status, headers } = await httpRequest(http.url + path, { method })
    assert.equal(status, 405, `${method} ${path}`)
    assert.equal(headers['allow'], allow)
  }
  for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'PROPFIND']) {
    await check(method, '/write', 'OPTIONS, POST')
  }
  await check('HEAD', '/query', 'OPTIONS, GET, POST')
  await check('POST', '/ping', 'GET, HEAD')
  await check('GET', '/api/v1/prom/write', 'POST')
})

test('OPTIONS is an empty 200, with CORS headers for a web page', async () => {
  await using http = await openTestListener()
  for (const path of ['/write', '/query']) {
    const headers = { Origin: 'http://example.com' }
    const answer = await httpRequest(http.url + path, { method: 'OPTIONS', headers })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['content-length'], '0')
    assert.equal(answer.headers['content-type'], undefined)
    assert.equal(answer.headers['access-control-allow-origin'], 'http://example.com')
  }
})

test('CREATE DATABASE is a statement for every output, by POST, by GET and with credentials', async () => {
  await using http = await openTestListener()
  const posted = await query(http, 'CREATE DATABASE "my db"', '?u=x&p=y')
  assert.equal(posted.status, 200)
  assert.equal(posted.headers['content-type'], 'application/json')
  assert.equal(posted.body, '{"results":[{"statement_id":0}]}\n')
  await httpRequest(`${http.url}/query?q=create+database+b+WITH+DURATION+1d%3B`, {
    headers: { Authorization: 'Token x:y', 'Content-Type': '' },
  })
  const [first, second] = http.writes.items
  assert.equal(first?.kind, 'statement')
  assert.equal(first?.target.database, 'my db')
  assert.equal(first?.body.toString(), 'CREATE DATABASE "my db"')
  assert.equal(first?.lineCount, 1)
  assert.deepEqual(first?.target.credentials, { authorization: '', query: 'u=x&p=y' })
  assert.equal(second?.target.database, 'b')
  assert.equal(second?.body.toString(), 'create database b WITH DURATION 1d')
  assert.equal(second?.target.credentials.authorization, 'Token x:y')
})

test('a statement is answered in the database’s own words, also when it was refused', async () => {
  let reply = { ...STORED, body: '{"results":[{"statement_id":0,"messages":[]}]}\n' }
  await using http = await openTestListener({ accept: () => reply })
  assert.equal((await query(http, 'CREATE DATABASE a')).body, reply.body)
  reply = { ...refusedReply(200, 'invalid name'), body: '{"results":[{"error":"invalid name"}]}\n' }
  const failed = await query(http, 'CREATE DATABASE a')
  assert.equal(failed.status, 200)
  assert.equal(failed.body, reply.body)
  reply = refusedReply(403, 'error authorizing query: not allowed')
  const refused = await query(http, 'CREATE DATABASE a')
  assert.equal(refused.status, 403)
  assert.deepEqual(JSON.parse(refused.body), { error: 'error authorizing query: not allowed' })
})

test('every other query is refused with words, and no query with InfluxDB’s', async () => {
  await using http = await openTestListener()
  for (const statement of [
    'SELECT * FROM m',
    'CREATE DATABASE a; DROP DATABASE a',
    'SHOW DATABASES',
  ]) {
    const { status, body } = await query(http, statement)
    assert.equal(status, 403)
    assert.match(JSON.parse(body).error, /directly/)
  }
  for (const method of ['GET', 'POST']) {
    const { status, body } = await httpRequest(`${http.url}/query`, { method })
    assert.equal(status, 400)
    assert.deepEqual(JSON.parse(body), { error: 'missing required parameter "q"' })
  }
  assert.equal(http.writes.items.length, 0)
})

test('a statement longer than the limit is a 413', async () => {
  await using http = await openTestListener({ limits: { queryBodyMaxBytes: 100 } })
  assert.equal((await query(http, `CREATE DATABASE ${'a'.repeat(100)}`)).status, 413)
  assert.equal(http.writes.items.length, 0)
})

test('a query whose length is over the limit is a 413 at once, before any of its body', async () => {
  await using http = await openTestListener({ limits: { queryBodyMaxBytes: 100 } })
  await using connection = await openRawConnection(http.url)
  await connection.send('POST /query HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n')
  assert.equal((await connection.response()).status, 413)
  assert.equal(http.listener.snapshot().counters.tooLargeRequests, 1)
})

test('a Prometheus write is passed on unread, with the headers that say what it is', async () => {
  await using http = await openTestListener({ config: { defaultRetentionPolicy: 'short' } })
  const headers = {
    'Content-Type': 'application/x-protobuf',
    'Content-Encoding': 'snappy',
    'X-Prometheus-Remote-Write-Version': '0.1.0',
    'User-Agent': 'Prometheus/2',
  }
  const body = Uint8Array.from({ length: 256 }, (_, index) => index)
  const url = `${http.url}/api/v1/prom/write`
  const answer = await httpRequest(`${url}?db=a`, { method: 'POST', headers, body })
  assert.equal(answer.status, 204)
  const [write] = http.writes.items
  assert(write?.kind === 'opaque')
  assert.deepEqual(new Uint8Array(write.body), body)
  assert.equal(write.target.retentionPolicy, 'short')
  assert.deepEqual(write.headers, {
    'content-type': 'application/x-protobuf',
    'content-encoding': 'snappy',
    'x-prometheus-remote-write-version': '0.1.0',
  })
  const refused = await httpRequest(url, { method: 'POST', headers, body })
  assert.deepEqual(JSON.parse(refused.body), { error: 'database is required' })
  const empty = await httpRequest(`${url}?db=a`, { method: 'POST', headers })
  assert.deepEqual(JSON.parse(empty.body), { error: 'snappy: corrupt input' })
})

test('veepee’s /admin says in words that it is not there', async () => {
  await using http = await openTestListener()
  for (const path of ['/admin', '/admin/flush']) {
    const { status, body } = await httpRequest(http.url + path, { method: 'POST', body: 'q=x' })
    assert.equal(status, 403)
    assert.match(JSON.parse(body).error, /no \/admin/)
  }
})

test('any Content-Type will do for a write, an empty one too', async () => {
  await using http = await openTestListener()
  for (const type of ['', 'text/plain', 'application/json', ';;;', 'x', 'multipart/form-data']) {
    const headers = { 'Content-Type': type }
    assert.equal((await http.write('db=a', 'm v=1 1', headers)).status, 204, type)
    const absolute = await query(http, 'CREATE DATABASE a')
    assert.equal(absolute.status, 200)
    const other = await httpRequest(`${http.url}/admin`, { method: 'POST', headers, body: '{' })
    assert.equal(other.status, 403, type)
  }
})
