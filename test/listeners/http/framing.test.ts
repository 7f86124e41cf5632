/**
 * Where one request ends and the next begins: pipelining, and bytes that two servers might read
 * differently. A smuggled request must never be stored.
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type Reply, STORED } from '../../../src/write/reply.ts'
import { openTestListener } from '../../support/http-fixture.ts'
import { openRawConnection, rawExchange } from '../../support/raw-http.ts'

const HEAD = 'POST /write?db=a HTTP/1.1\r\nHost: x\r\n'

function write(body: string, headers = ''): string {
  return `${HEAD}${headers}Content-Length: ${body.length}\r\n\r\n${body}`
}

test('pipelined requests are given to the relay and answered in their order', async () => {
  await using http = await openTestListener()
  const bodies = Array.from({ length: 50 }, (_, index) =>
    index % 3 === 1 ? 'bad' : `m v=1 ${index}`,
  )
  await using connection = await openRawConnection(http.url)
  await connection.send(bodies.map((body) => write(body)).join(''))
  for (const body of bodies) {
    assert.equal((await connection.response()).status, body === 'bad' ? 400 : 204)
  }
  const stored = bodies.filter((body) => body !== 'bad').map((body) => `${body}\n`)
  assert.deepEqual(http.bodies(), stored)
})

test('a client that has sent all and closes its half gets its answer', async () => {
  await using http = await openTestListener()
  const socket = connect({ port: Number(new URL(http.url).port), allowHalfOpen: true })
  socket.end(write('m v=1 1'))
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  assert.match(answer, /^HTTP\/1\.1 204 /)
  assert.deepEqual(http.bodies(), ['m v=1 1\n'])
})

test('whoever closes its half early is answered behind a slow answer as well', async () => {
  const first = Promise.withResolvers<Reply>()
  const replies = [first.promise, Promise.resolve(STORED)]
  await using http = await openTestListener({
    accept: () => replies.shift() ?? assert.fail('a third write'),
  })
  await using connection = await openRawConnection(http.url)
  const write = 'POST /write?db=a HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nm v=1 1'
  await connection.send(`${write}GET /ping HTTP/1.1\r\nHost: x\r\n\r\n${write}`)
  connection.endSending()
  await http.writes.atLeast(1)
  first.resolve(STORED)
  for (let answer = 0; answer < 3; answer++) {
    assert.equal((await connection.response()).status, 204)
  }
})

test('answers keep the order of the requests when the relay decides in another', async () => {
  const later = Promise.withResolvers<Reply>()
  let count = 0
  await using http = await openTestListener({
    accept: () => (++count === 1 ? later.promise : { ...STORED, status: 400, error: 'second' }),
  })
  await using connection = await openRawConnection(http.url)
  await connection.send(write('m v=1 1') + write('m v=2 2'))
  await http.writes.atLeast(2)
  later.resolve(STORED)
  assert.equal((await connection.response()).status, 204)
  assert.equal((await connection.response()).status, 400)
})

test('a large packed body is stored before the small ones that follow it on its connection', async () => {
  await using http = await openTestListener()
  const large = gzipSync(Buffer.alloc(5_000_000, 'm v=0 0\n'))
  await using connection = await openRawConnection(http.url)
  const packed = `${HEAD}Content-Encoding: gzip\r\nContent-Length: ${large.length}\r\n\r\n`
  const small = gzipSync('m v=2 2\n')
  const packedSmall = `${HEAD}Content-Encoding: gzip\r\nContent-Length: ${small.length}\r\n\r\n`
  await connection.send(
    Buffer.concat([
      Buffer.from(packed),
      large,
      Buffer.from(write('m v=1 1\n') + packedSmall),
      small,
      Buffer.from(write('m v=3 3\n')),
    ]),
  )
  for (let index = 0; index < 4; index++) assert.equal((await connection.response()).status, 204)
  assert.deepEqual(
    http.bodies().map((body) => body.slice(0, 8)),
    ['m v=0 0\n', 'm v=1 1\n', 'm v=2 2\n', 'm v=3 3\n'],
  )
})

test('what two servers could read differently is refused, and nothing of it stored', async () => {
  await using http = await openTestListener()
  const smuggled = write('smuggled v=1 1')
  const chunked = 'Transfer-Encoding: chunked\r\n'
  const check = async (name: string, bytes: string) => {
    const before = http.writes.items.length
    await using connection = await openRawConnection(http.url)
    await connection.send(bytes)
    connection.endSending()
    await connection.closed
    const answer = connection.unread.toString('latin1')
    assert.match(answer, /^(HTTP\/1\.1 (400|405|408|413|417|431|501|505) |$)/, name)
    assert.equal(http.writes.items.length, before, name)
  }
  await check('CL and TE', `${HEAD}Content-Length: 5\r\n${chunked}\r\n0\r\n\r\n${smuggled}`)
  await check('TE and CL', `${HEAD}${chunked}Content-Length: 5\r\n\r\n0\r\n\r\n${smuggled}`)
  await check('two CL', `${HEAD}Content-Length: 0\r\nContent-Length: 7\r\n\r\n${smuggled}`)
  await check('CL list', `${HEAD}Content-Length: 7, 7\r\n\r\nm v=1 1`)
  await check('negative CL', `${HEAD}Content-Length: -1\r\n\r\nm v=1 1`)
  await check('signed CL', `${HEAD}Content-Length: +7\r\n\r\nm v=1 1`)
  await check('huge CL', `${HEAD}Content-Length: 99999999999999999999\r\n\r\nm v=1 1`)
  await check('hex CL', `${HEAD}Content-Length: 0x7\r\n\r\nm v=1 1`)
  await check('unknown TE', `${HEAD}Transfer-Encoding: xchunked\r\n\r\n7\r\nm v=1 1\r\n0\r\n\r\n`)
  await check(
    'TE twice',
    `${HEAD}${chunked}Transfer-Encoding: identity\r\n\r\n0\r\n\r\n${smuggled}`,
  )
  await check('blank before colon', `${HEAD}Content-Length : 7\r\n\r\nm v=1 1`)
  await check('TE blank', `${HEAD}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`)
  await check('bad chunk size', `${HEAD}${chunked}\r\nzz\r\nm v=1 1\r\n0\r\n\r\n`)
  await check('bare LF in chunks', `${HEAD}${chunked}\r\n7\nm v=1 1\n0\n\n`)
  await check('chunk too long', `${HEAD}${chunked}\r\n3\r\nm v=1 1\r\n0\r\n\r\n`)
  await check('NUL in a header', `${HEAD}X: a\0b\r\nContent-Length: 7\r\n\r\nm v=1 1`)
  await check('BEL in a header', `${HEAD}X: a\x07b\r\nContent-Length: 7\r\n\r\nm v=1 1`)
  await check(
    'BEL in Authorization',
    `${HEAD}Authorization: \x07\r\nContent-Length: 7\r\n\r\nm v=1 1`,
  )
  await check('CR in a header', `${HEAD}X: a\rb\r\nContent-Length: 7\r\n\r\nm v=1 1`)
  await check('folded header', `${HEAD} X: 1\r\nContent-Length: 7\r\n\r\nm v=1 1`)
  await check('no host', 'POST /write?db=a HTTP/1.1\r\nContent-Length: 7\r\n\r\nm v=1 1')
  await check('HTTP/0.9', 'POST /write?db=a\r\n\r\n')
  await check('HTTP/2.0', 'POST /write?db=a HTTP/2.0\r\nContent-Length: 7\r\n\r\nm v=1 1')
  await check('TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03')
  await check('unknown method', 'FOO /write?db=a HTTP/1.1\r\nHost: x\r\n\r\n')
  await check('CONNECT', 'CONNECT /write?db=a HTTP/1.1\r\nHost: x\r\n\r\n')
  await check(
    'blank in the URL',
    'POST /write?db=a b HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nm v=1 1',
  )
  assert((http.listener.snapshot().counters.malformedRequests ?? 0) > 20)
})

test('the Host header is judged as Go judges it', async () => {
  await using http = await openTestListener()
  const plain = 'Connection: close\r\nContent-Length: 7\r\n\r\nm v=1 1'
  const check = async (hosts: string, body: string, target = '/write?db=a', version = '1.1') => {
    const before = http.writes.items.length
    const bytes = `POST ${target} HTTP/${version}\r\n${hosts}${plain}`
    const [answer] = await rawExchange(http.url, Buffer.from(bytes, 'latin1'))
    const expected = body === '' ? [204, ''] : [400, `400 Bad Request${body.trimEnd()}`]
    assert.deepEqual([answer?.status, answer?.body], expected, bytes)
    assert.equal(http.writes.items.length, before + (body === '' ? 1 : 0), bytes)
  }
  const several = ' '
  await check('Host: a\r\nHost: b\r\n', several)
  await check('Host: a\r\nhost: a\r\n', several)
  await check('Host: a\r\nHost: b\r\n', several, 'http://x/write?db=a')
  await check('Host: a\r\nHost: b\r\n', several, '/write?db=a', '1.0')
  await check('Host: a\r\nHost: b\r\nExpect: 100-continue\r\n', several)
  await check('', ': missing required Host header')
  await check('', ': missing required Host header', 'http://x/write?db=a')
  for (const host of ['a b', 'a/b', 'u@a', '"a"', 'a\\b', '<a>', 'a\tb', '\xfc', 'a#b', 'a?b']) {
    await check(`Host: ${host}\r\n`, ': malformed Host header')
  }
  await check('', '', '/write?db=a', '1.0')
  for (const host of ['', 'x', 'relay.example.com:9096', '[::1]:9096', 'a%20b', "!$&'()*+,;=_~"]) {
    await check(`Host: ${host}\r\n`, '')
  }
  const twice = 'Host: a\r\nHost: b\r\nConnection: close\r\n\r\n'
  const [ping] = await rawExchange(http.url, `GET /ping HTTP/1.1\r\n${twice}`)
  assert.equal(ping?.status, 400)
})

test('a transfer encoding that nobody undoes is a 501, and nothing of it stored', async () => {
  await using http = await openTestListener()
  const encoding = 'Transfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n'
  const [answer] = await rawExchange(http.url, `${HEAD}${encoding}7\r\nm v=1 1\r\n0\r\n\r\n`)
  assert.deepEqual([answer?.status, answer?.body], [501, 'Unsupported transfer encoding'])
  assert.deepEqual(http.bodies(), [])
})

test('a body that ends too soon, or in broken chunks, is refused in Go’s words', async () => {
  await using http = await openTestListener()
  const check = async (rest: string, error: string) => {
    await using connection = await openRawConnection(http.url)
    await connection.send(`${HEAD}X-Request-Id: mine\r\n${rest}`)
    connection.endSending()
    const { status, headers, body } = await connection.response()
    assert.deepEqual([status, body], [400, `{"error":"${error}"}\n`], rest)
    assert.equal(headers['x-influxdb-error'], error)
    assert.equal(headers['request-id'], 'mine')
    assert.equal(headers['connection'], 'close')
    await connection.closed
    assert.equal(connection.unread.length, 0, rest)
  }
  const chunked = 'Transfer-Encoding: chunked\r\n\r\n'
  await check('Content-Length: 9\r\n\r\nm v=1 1', 'unexpected EOF')
  await check('Content-Length: 9\r\n\r\n', 'unexpected EOF')
  await check(`${chunked}7\r\nm v=1 1\r\n`, 'unexpected EOF')
  await check(`${chunked}7\r\nm v=`, 'unexpected EOF')
  await check(`${chunked}zz\r\nm v=1 1\r\n0\r\n\r\n`, 'invalid byte in chunk length')
  await check(`${chunked}-7\r\nm v=1 1\r\n0\r\n\r\n`, 'invalid byte in chunk length')
  await check(`${chunked}7\r\nm v=1 1XX0\r\n\r\n`, 'malformed chunked encoding')
  await check(`${chunked}7\nm v=1 1\n0\n\n`, 'malformed chunked encoding')
  assert.deepEqual(http.bodies(), [])
  const { counters, requestsInFlight } = http.listener.snapshot()
  assert.deepEqual([requestsInFlight, counters.malformedRequests], [0, 8])
})

test('a method that nobody knows is still a 405 on a known path', async () => {
  await using http = await openTestListener()
  const close = 'Host: x\r\nConnection: close\r\n\r\n'
  const [answer] = await rawExchange(http.url, `FOO /write?db=a HTTP/1.1\r\n${close}`)
  assert.equal(answer?.status, 405)
  assert.equal(answer?.headers['allow'], 'OPTIONS, POST')
  assert.equal(answer?.headers['x-influxdb-version'], '1.8.10')
})

test('bytes behind a request do not take its answer away', async () => {
  await using http = await openTestListener()
  const closing = `${HEAD}Connection: close\r\nContent-Length: 7\r\n\r\nm v=1 1`
  for (const bytes of [`${closing}\nm v=2 2`, `${write('m v=1 1')}garbage\r\n\r\n`]) {
    const answers = await rawExchange(http.url, bytes)
    assert.equal(answers[0]?.status, 204)
    // What is no request may be told so, after that answer.
    if (answers.length > 1) assert.equal(answers[1]?.status, 400)
    assert(answers.length <= 2)
    assert.equal(answers.at(-1)?.headers['connection'], 'close')
  }
  assert.deepEqual(http.bodies(), ['m v=1 1\n', 'm v=1 1\n'])
})

test('plain requests of every shape that InfluxDB takes are taken', async () => {
  await using http = await openTestListener()
  const check = async (head: string, body = 'm v=1 1') => {
    const before = http.writes.items.length
    const [answer] = await rawExchange(http.url, `${head}Connection: close\r\n${body}`)
    assert.equal(answer?.status, 204, head)
    assert.equal(http.writes.items.length, before + (body.includes('m v=1 1') ? 1 : 0), head)
  }
  const plain = 'Content-Length: 7\r\n\r\nm v=1 1'
  await check(HEAD, plain)
  await check('POST http://other.host/write?db=a HTTP/1.1\r\nHost: x\r\n', plain)
  await check('POST /write?db=a HTTP/1.0\r\n', plain)
  await check('POST /write?db=a HTTP/1.0\r\n', '\r\n')
  await check(`${HEAD}content-TYPE:\r\n`, plain)
  await check(`${HEAD}Upgrade: h2c\r\n`, plain)
  await check(
    HEAD,
    'Transfer-Encoding: chunked\r\n\r\n07;ext=1\r\nm v=1 1\r\n00\r\nTrailer: x\r\n\r\n',
  )
  await check(`${HEAD}${'X-Filler: y\r\n'.repeat(200)}`, plain)
  await check(`POST /write?db=a&x=${'y'.repeat(30_000)} HTTP/1.1\r\nHost: x\r\n`, plain)
})
