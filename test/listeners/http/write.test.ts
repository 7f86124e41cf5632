/**
 * What a client of `/write` is told, and what the relay is given, from real sockets.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refusedReply, STORED, unavailableReply } from '../../../src/write/reply.ts'
import { openTestListener, type TestListener } from '../../support/http-fixture.ts'
import { httpRequest } from '../../support/http-request.ts'
import { openRawConnection, rawExchange } from '../../support/raw-http.ts'

test('a write is given to the relay with its target, and answered 204 without a body', async () => {
  await using http = await openTestListener()
  const answer = await http.write('db=a&rp=b&precision=ms', 'm v=1 5\nm v=2 6')
  assert.equal(answer.status, 204)
  assert.equal(answer.body, '')
  const [write] = http.writes.items
  assert.equal(write?.kind, 'lines')
  assert.equal(write?.body.toString(), 'm v=1 5\nm v=2 6\n')
  assert.equal(write?.lineCount, 2)
  assert.equal(write?.target.database, 'a')
  assert.equal(write?.target.retentionPolicy, 'b')
  assert.equal(write?.target.precision, 'ms')
  assert(Math.abs((write?.receivedAtMs ?? 0) - Date.now()) < 60_000)
})

test('every answer has the headers of InfluxDB', async () => {
  await using http = await openTestListener({ config: { influxdbVersion: '1.7.0' } })
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
  for (const body of ['m v=1 1', 'bad']) {
    const { headers } = await http.write('db=a', body)
    assert.equal(headers['content-type'], 'application/json')
    assert.equal(headers['x-influxdb-version'], '1.7.0')
    assert.equal(headers['x-influxdb-build'], 'OSS')
    assert.match(headers['request-id']?.toString() ?? '', uuid)
    assert.equal(headers['x-request-id'], headers['request-id'])
    assert.equal(headers['access-control-allow-origin'], undefined)
  }
})

test('a request id is the client’s where it sent one, X-Request-Id before Request-Id', async () => {
  await using http = await openTestListener()
  const idFor = async (headers: Record<string, string>) => {
    const answer = await http.write('db=a', 'm v=1 1', headers)
    assert.equal(answer.headers['x-request-id'], answer.headers['request-id'])
    return answer.headers['request-id']
  }
  assert.equal(await idFor({ 'Request-Id': 'b' }), 'b')
  assert.equal(await idFor({ 'Request-Id': 'b', 'X-Request-Id': 'a' }), 'a')
  assert.equal(await idFor({ 'Request-Id': 'b', 'X-Request-Id': '' }), 'b')
  assert.notEqual(await idFor({}), await idFor({}))
})

test('a web page is told that it may read the answer', async () => {
  await using http = await openTestListener()
  const { headers } = await http.write('db=a', 'bad', { Origin: 'http://example.com' })
  assert.equal(headers['access-control-allow-origin'], 'http://example.com')
  assert.equal(headers['access-control-allow-methods'], 'DELETE, GET, OPTIONS, POST, PUT')
  assert.equal(
    headers['access-control-expose-headers'],
    'Date, X-InfluxDB-Version, X-InfluxDB-Build',
  )
})

test('what needs no database is refused in InfluxDB’s words and order, and nobody is asked', async () => {
  await using http = await openTestListener({ config: { maxBodyBytes: 1000 } })
  const check = async (query: string, body: string, status: number, error: string) => {
    const answer = await http.write(query, body)
    assert.equal(answer.status, status, query)
    assert.deepEqual(JSON.parse(answer.body), { error })
    assert.equal(answer.headers['x-influxdb-error'], error)
  }
  const missingFields = "unable to parse 'bad': missing fields"
  await check('', 'm v=1 1', 400, 'database is required')
  await check('db=', 'm v=1 1', 400, 'database is required')
  await check('db=%zz', 'm v=1 1', 400, 'database is required')
  await check('db=a;rp=b', 'm v=1 1', 400, 'database is required')
  await check('db=&precision=us', 'bad', 400, 'database is required')
  await check('db=a', 'bad', 400, missingFields)
  await check('db=a&consistency=two', 'bad', 400, missingFields)
  await check('db=a&consistency=two', 'm v=1 1', 400, 'invalid consistency level')
  await check('db=a&consistency=two', '', 400, 'invalid consistency level')
  await check('db=a', 'x'.repeat(1001), 413, 'Request Entity Too Large')
  await check('', 'x'.repeat(1001), 400, 'database is required')
  assert.equal(http.writes.items.length, 0)
})

// InfluxDB echoes the name of a policy that it does not have into a header, whatever its bytes;
// such an answer is no HTTP to the outputs, who would try again for ever.
test('a retention policy with control characters in its name is refused', async () => {
  await using http = await openTestListener()
  const error = 'invalid retention policy name: it has control characters'
  for (const name of ['%00', '%01', 'a%0Ab', 'a%7F', '%1F']) {
    for (const path of ['/write', '/api/v1/prom/write']) {
      const url = `${http.url}${path}?db=a&rp=${name}`
      const answer = await httpRequest(url, { method: 'POST', body: 'm v=1 1' })
      assert.deepEqual([answer.status, JSON.parse(answer.body)], [400, { error }], url)
    }
  }
  assert.equal((await http.write('rp=%01', 'm v=1 1')).body, '{"error":"database is required"}\n')
  assert.equal(http.writes.items.length, 0)
  for (const name of ['two%20weeks', 'k%C3%B6ln', '%EF%BF%BD', '..', '%2F']) {
    assert.equal((await http.write(`db=a&rp=${name}`, 'm v=1 1')).status, 204, name)
  }
})

// InfluxDB can have no such database: its statements make U+FFFD of every such byte. To it that is
// another name than the bytes are.
test('a name that is not UTF-8 is refused, and stored under no other', async () => {
  const check = async (http: TestListener, path: string, query: string, error: string) => {
    const head = `POST ${path}?${query} HTTP/1.1\r\nHost: relay\r\nContent-Length: 7\r\n\r\n`
    await using connection = await openRawConnection(http.url)
    await connection.send(Buffer.from(`${head}m v=1 1`, 'latin1'))
    const { status, body } = await connection.response()
    assert.deepEqual([status, JSON.parse(body.toString())], [400, { error }], query)
  }
  const badDatabase = 'invalid database name: it is not UTF-8'
  const badPolicy = 'invalid retention policy name: it is not UTF-8'
  for (const fastPath of [true, false]) {
    await using http = await openTestListener({ config: { fastPath } })
    for (const path of ['/write', '/api/v1/prom/write']) {
      for (const name of ['%ff', 'a%80b', '%c3%28', '%ED%A0%80', '\xff', 'k\xf6ln']) {
        await check(http, path, `db=${name}`, badDatabase)
        await check(http, path, `db=${name}&rp=%ff`, badDatabase)
        await check(http, path, `db=a&rp=${name}`, badPolicy)
      }
    }
    for (const statement of ['CREATE DATABASE "%ff"', 'create database a with name "b%80"']) {
      const q = statement.replaceAll(' ', '+')
      await check(http, '/query', `q=${q}`, 'invalid statement: it is not UTF-8')
    }
    assert.equal(http.writes.items.length, 0)
  }
})

test('a body without a line is stored without asking anybody', async () => {
  await using http = await openTestListener()
  for (const body of ['', '\n\n', '# a comment', '  ']) {
    assert.equal((await http.write('db=a', body)).status, 204)
  }
  assert.equal(http.writes.items.length, 0)
})

test('of a body with bad lines the good ones are stored, and the client is told which were bad', async () => {
  await using http = await openTestListener()
  const answer = await http.write('db=a', 'm v=1 1\nbad\nm v=2 2\n')
  const error = "partial write: unable to parse 'bad': missing fields dropped=0"
  assert.equal(answer.status, 400)
  assert.deepEqual(JSON.parse(answer.body), { error })
  assert.deepEqual(http.bodies(), ['m v=1 1\nm v=2 2\n'])
})

test('when the good lines are not stored either, the relay’s answer counts', async () => {
  let reply = refusedReply(404, 'database not found: "a"')
  await using http = await openTestListener({ accept: () => reply })
  assert.equal((await http.write('db=a', 'm v=1 1\nbad')).status, 404)
  reply = unavailableReply('no output is up', 3)
  const answer = await http.write('db=a', 'm v=1 1\nbad')
  assert.equal(answer.status, 503)
  assert.equal(answer.headers['retry-after'], '3')
  assert.deepEqual(JSON.parse(answer.body), { error: 'no output is up' })
})

test('a refusal by the database reaches the client with its status, text and challenge', async () => {
  const reply = refusedReply(401, 'authorization failed', 'Basic realm="db"')
  await using http = await openTestListener({ accept: () => reply })
  const { status, body, headers } = await http.write('db=a')
  assert.equal(status, 401)
  assert.equal(body, '{"error":"authorization failed"}\n')
  assert.equal(headers['www-authenticate'], 'Basic realm="db"')
  assert.equal(headers['x-influxdb-error'], undefined)
})

test('lines without a timestamp get one, the same in one request, a later one in the next', async () => {
  await using http = await openTestListener()
  for (const precision of ['ns', 'us', 'u', 's'])
    await http.write(`db=a&precision=${precision}`, 'm v=1\nn v=2')
  const stamps = http
    .bodies()
    .map((body) => [...body.matchAll(/ (\d+)\n/g)].map(([, stamp]) => stamp))
  for (const [first, second] of stamps) assert.equal(first, second)
  const lengths = stamps.map(([stamp = '']) => stamp.length)
  assert.deepEqual(lengths, [19, 19, 16, 10]) // `us` is no token of InfluxDB: nanoseconds.
  assert(BigInt(stamps[1]?.[0] ?? 0) > BigInt(stamps[0]?.[0] ?? 0))
  assert.deepEqual(
    http.writes.items.map(({ target }) => target.precision),
    ['ns', 'ns', 'us', 's'],
  )
})

test('writes with the same parameters and credentials share one target', async () => {
  await using http = await openTestListener()
  const basic = { Authorization: 'Basic eDp5' }
  await http.write('db=a', 'm v=1 1')
  await http.write('db=a', 'm v=2 2')
  await http.write('db=a', 'm v=3 3', basic)
  await http.write('db=a&u=x&p=y', 'm v=4 4')
  const [first, second, third, fourth] = http.writes.items.map(({ target }) => target)
  assert.equal(first, second)
  assert.deepEqual(third?.credentials, { authorization: 'Basic eDp5', query: '' })
  assert.deepEqual(fourth?.credentials, { authorization: '', query: 'u=x&p=y' })
  assert.notEqual(first?.key, third?.key)
})

test('more targets than are kept are all told apart', async () => {
  await using http = await openTestListener()
  for (let index = 0; index < 1200; index++) await http.write(`db=d${index}`)
  for (const database of ['d0', 'd600', 'd1199']) await http.write(`db=${database}`)
  const databases = http.writes.items.map(({ target }) => target.database)
  assert.deepEqual(databases.slice(-4), ['d1199', 'd0', 'd600', 'd1199'])
  assert.equal(new Set(databases).size, 1200)
})

test('a consistency that is honored reaches the relay as a policy', async () => {
  await using http = await openTestListener({ config: { honorsConsistency: true } })
  for (const level of ['', 'ONE', 'quorum', 'All']) await http.write(`db=a&consistency=${level}`)
  const policies = http.acceptOptions.map((options) => options?.policy)
  assert.deepEqual(policies, [undefined, 'any', 'quorum', 'all'])
})

test('an error is told as pretty JSON, CSV or msgpack to who asks for it', async () => {
  await using http = await openTestListener()
  const pretty = await http.write('db=a&pretty=true', 'bad')
  assert.match(pretty.body, /^\{\n {4}"error": "unable/)
  const csv = await http.write('db=a', 'bad', { Accept: 'text/csv' })
  assert.equal(csv.headers['content-type'], 'text/csv')
  assert.equal(csv.body, "error\nunable to parse 'bad': missing fields\n")
  const stored = await http.write('db=a', 'm v=1 1', { Accept: 'application/x-msgpack' })
  assert.equal(stored.headers['content-type'], 'application/x-msgpack')
})

// As InfluxDB does, though clients built with Go 1.20 or later, or on node, cannot read such a
// header.
test('a line of control characters is echoed in a header that is still one header', async () => {
  await using http = await openTestListener()
  const body = 'bad\u0001\r<b>\u0000'
  const head = 'POST /write?db=a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9\r\n'
  const [answer] = await rawExchange(http.url, `${head}\r\n${body}`)
  assert.deepEqual(JSON.parse(answer?.body ?? ''), {
    error: "unable to parse 'bad\u0001\r<b>\u0000': missing fields",
  })
  const header = "unable to parse 'bad\u0001 <b> ': missing fields"
  assert.equal(answer?.headers['x-influxdb-error'], header)
})

test('a line of any length is echoed, in the header its first 1024 bytes', async () => {
  await using http = await openTestListener()
  const long = await http.write('db=a', 'é'.repeat(5000))
  assert.equal(long.headers['x-influxdb-error']?.length, 1024)
  const { error } = JSON.parse(long.body)
  assert.equal(error.length, 5000 + "unable to parse '': missing fields".length)
})

test('a rate limit refuses writes with 503 and Retry-After, and nothing else', async () => {
  await using http = await openTestListener({
    config: { rateLimit: { perSecond: 0.001, burst: 2 } },
  })
  assert.equal((await http.write('db=a')).status, 204)
  assert.equal((await http.write('db=a')).status, 204)
  const refused = await http.write('db=a')
  assert.equal(refused.status, 503)
  assert.equal(refused.headers['retry-after'], '1')
  assert.match(JSON.parse(refused.body).error, /rate limit/)
  const prometheus = await httpRequest(`${http.url}/api/v1/prom/write?db=a`, {
    ...{ method: 'POST', body: 'x' },
  })
  assert.equal(prometheus.status, 503)
  for (const path of ['/ping', '/health', '/status']) {
    assert((await httpRequest(http.url + path)).status < 300, path)
  }
  assert.equal(http.listener.snapshot().counters.rateLimitedRequests, 2)
})

test('credentials and URLs never reach the log', async () => {
  await using http = await openTestListener({
    accept: () => STORED,
    config: { maxBodyBytes: 10, maxConnections: 5 },
  })
  const secret = { Authorization: 'Basic c2VjcmV0' }
  for (const body of ['m v=1 1', 'bad', 'x'.repeat(11)])
    await http.write('db=a&u=s3cret&p=s3cret', body, secret)
  await http.write('u=s3cret&p=s3cret', 'x', secret)
  await httpRequest(`${http.url}/nowhere?p=s3cret`, { headers: secret })
  assert.doesNotMatch(http.logged.join('\n'), /s3cret|c2VjcmV0/)
})
