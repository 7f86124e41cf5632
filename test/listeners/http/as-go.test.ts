/**
 * Requests that node's HTTP parser refuses, or reads its own way, and Go's server does not: what
 * each of them is answered was measured on InfluxDB 1.6.7. And what is refused here for safety's
 * sake.
 */
import assert from 'node:assert/strict'
import { METHODS } from 'node:http'
import { test } from 'node:test'
import {
  openTestListener,
  type TestListener,
  type TestListenerOptions,
} from '../../support/http-fixture.ts'
import { openRawConnection, rawExchange } from '../../support/raw-http.ts'
import { until } from '../../support/wait.ts'

const BODY = 'm v=1 1'
const HOST = 'Host: x\r\n'
const LENGTH = `Content-Length: ${BODY.length}\r\n`
const HEAD = `POST /write?db=a HTTP/1.1\r\n${HOST}`
const CHUNKED = 'Transfer-Encoding: chunked\r\n\r\n'
const BEHIND = `POST /write?db=BEHIND HTTP/1.1\r\n${HOST}${LENGTH}\r\n${BODY}`

/** Sends it with our half closed behind it. @returns statuses, and how many writes were stored */
async function send(http: TestListener, bytes: string): Promise<[number[], number]> {
  const before = http.writes.items.length
  await using connection = await openRawConnection(http.url)
  await connection.send(Buffer.from(bytes, 'latin1'))
  connection.endSending()
  await connection.closed
  const statuses: number[] = []
  while (connection.unread.length > 0) statuses.push((await connection.response()).status)
  return [statuses, http.writes.items.length - before]
}

test('requests that only node’s parser refuses are taken', async () => {
  await using http = await openTestListener()
  const check = async (bytes: string, statuses = [204]) => {
    const stored = statuses.filter((status) => status === 204).length
    assert.deepEqual(await send(http, bytes), [statuses, stored], bytes.slice(0, 200))
  }
  const rest = `${LENGTH}\r\n${BODY}`
  await check(`POST /write?db=k\xc3\xb6ln HTTP/1.1\r\n${HOST}${rest}`)
  assert.equal(http.writes.items[0]?.target.database, 'köln')
  await check(`POST /write?db=a&y="<>\\^\`{|}#q HTTP/1.1\r\n${HOST}${rest}`)
  await check(`POST foo://x/write?db=a HTTP/1.1\r\n${HOST}${rest}`)
  await check(`POST /write?db=a HTTP/1.2\r\n${HOST}${rest}`)
  await check(`${HEAD}${'a: b\r\n'.repeat(1000)}${rest}`)
  await check(`${HEAD}X: a\xffb\r\n${rest}`)
  await check(`${HEAD}Expect:\r\n${rest}`)
  await check(`${HEAD}Expect: 100-Continue, x\r\n${rest}`, [100, 204])
  await check(`POST /write?db=a HTTP/1.0\r\nExpect: 100-continue\r\n${rest}`)
  await check(`${HEAD}${LENGTH}${rest}`) // Twice the same.
  await check(`${HEAD}Content-Length: 0007\r\n\r\n${BODY}`)
  await check(`${HEAD}${CHUNKED}7 \r\n${BODY}\r\n0\r\n\r\n`)
  await check(`${HEAD}Connection: Upgrade\r\nUpgrade: h2c\r\n${rest}${BEHIND}`, [204, 204])
  await check(`${HEAD}Connection: Upgrade\r\nUpgrade: websocket\r\n${rest}${BEHIND}`, [204, 204])
})

test('a method that no path has is told so, and what follows it is read', async () => {
  await using http = await openTestListener()
  const check = async (line: string, status: number) => {
    const bytes = `${line}\r\n${HOST}${LENGTH}\r\n${BODY}${BEHIND}`
    assert.deepEqual(await send(http, bytes), [[status, 204], 1], line)
  }
  const others = METHODS.filter((name) => !['GET', 'HEAD', 'OPTIONS', 'POST'].includes(name))
  for (const method of [...others, 'post', 'Post', 'FOO', 'PRI', '!']) {
    await check(`${method} /write?db=a HTTP/1.1`, 405)
    await check(`${method} /nowhere HTTP/1.1`, 404)
  }
  await check('CONNECT a:80 HTTP/1.1', 404)
  await check('POST * HTTP/1.1', 404)
  await check('POST http://x?db=a HTTP/1.1', 404)
  assert.deepEqual(await send(http, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), [[404], 0])
})

test('line ends behind the body of a POST are no request, as of old clients; elsewhere they are a bad one', async () => {
  await using http = await openTestListener()
  const write = `${HEAD}${LENGTH}\r\n${BODY}`
  const query = `GET /ping HTTP/1.1\r\n${HOST}\r\n`
  const withHeader = `${HEAD}X: y\r\n${LENGTH}\r\n${BODY}`
  // Both lanes: a plain write, and one that is none.
  for (const post of [write, withHeader, `${HEAD}${CHUNKED}7\r\n${BODY}\r\n0\r\n\r\n`]) {
    for (const ends of ['\r\n', '\n', '\r\n\r\n', '\n\n\n\n']) {
      const told = JSON.stringify(ends)
      assert.deepEqual(await send(http, post + ends + query), [[204, 204], 1], told)
      assert.deepEqual(await send(http, post + ends + write), [[204, 204], 2], told)
      assert.deepEqual(await send(http, post + ends + post + ends), [[204, 204], 2], told)
    }
    assert.deepEqual(await send(http, `${post}\r\n\r\n\r\n${query}`), [[204, 400], 1])
  }
  assert.deepEqual(await send(http, `${query}\r\n${query}`), [[204, 400], 0])
  await using connection = await openRawConnection(http.url)
  for (const piece of [withHeader, '\r', '\n\r', '\n', query]) await connection.send(piece)
  assert.equal((await connection.response()).status, 204)
  assert.equal((await connection.response()).status, 204)
})

test('a head of lines that all end in a bare LF is taken', async () => {
  await using http = await openTestListener()
  const lines = (text: string) => text.replaceAll('\r\n', '\n')
  const head = lines(HEAD)
  const whole = `${head}${lines(LENGTH)}\n${BODY}`
  assert.deepEqual(await send(http, whole), [[204], 1])
  assert.deepEqual(await send(http, whole + BEHIND + whole), [[204, 204, 204], 3])
  // The end of lines says nothing about bodies: these are in chunks as everywhere.
  const chunks = `7\r\n${BODY}\r\n0\r\n\r\n`
  const chunked = `${head}${lines(CHUNKED)}`
  assert.deepEqual(await send(http, chunked + chunks + BEHIND), [[204, 204], 2])
  assert.deepEqual(await send(http, chunked + lines(chunks) + BEHIND), [[400], 0])
  assert.deepEqual(await send(http, `GET /ping HTTP/1.1\n${lines(HOST)}\n${BEHIND}`), [
    [204, 204],
    1,
  ])
})

test('a head with line ends of both kinds is refused, and nothing of it or behind it stored', async () => {
  await using http = await openTestListener()
  const rest = `\r\n${BODY}`
  for (const bytes of [
    `POST /write?db=a HTTP/1.1\nHost: x\r\n${LENGTH}${rest}`,
    `${HEAD}X: y\n${LENGTH}${rest}`,
    // A header to whom LF ends a line, a part of X to whom it does not.
    `${HEAD}X: y\nTransfer-Encoding: chunked\r\n${LENGTH}${rest}`,
    `${HEAD}${LENGTH}X: y\n\nPOST /write?db=BEHIND HTTP/1.1\r\n${rest}`,
    `${HEAD.replaceAll('\r\n', '\n')}${LENGTH.trim()}\n${rest}`,
  ]) {
    await using connection = await openRawConnection(http.url)
    await connection.send(bytes + BEHIND)
    await connection.closed
    const { status, body } = await connection.response()
    assert.deepEqual(
      [status, body],
      [400, '400 Bad Request: some lines end in CR LF and some in LF'],
      bytes,
    )
    assert.equal(connection.unread.length, 0)
  }
  assert.equal(http.writes.items.length, 0)
})

test('behind a refused request nothing is carried out, and one answer is given', async () => {
  await using http = await openTestListener()
  const line = 'POST /write?db=a HTTP/1.1\r\n'
  const rest = `${LENGTH}\r\n${BODY}`
  const chunks = `\r\n7\r\n${BODY}\r\n0\r\n\r\n`
  const check = async (bytes: string, status: number) => {
    assert.deepEqual(await send(http, bytes + BEHIND), [[status], 0], bytes)
    const pieces = await openRawConnection(http.url)
    await using _ = pieces
    for (const byte of bytes.slice(0, 60)) await pieces.send(Buffer.from(byte, 'latin1'))
    await pieces.send(Buffer.from(bytes.slice(60) + BEHIND, 'latin1'))
    await pieces.closed
    assert.equal((await pieces.response()).status, status, bytes)
    assert.equal(pieces.unread.length, 0, bytes)
  }
  for (const host of ['Host: a b', 'Host: a/b', 'Host: a@b', 'Host: a\r\nHost: a', 'X: y']) {
    await check(`${line}${host}\r\n${rest}`, 400)
  }
  for (const encoding of ['gzip, chunked', 'identity, chunked', ',chunked', 'identity', '']) {
    await check(`${HEAD}Transfer-Encoding: ${encoding}\r\n${chunks}`, 501)
  }
  await check(`${HEAD}Expect: x\r\n${rest}`, 417)
  await check(`\r\n${HEAD}${rest}`, 400)
  await check(`\n${HEAD}${rest}`, 400)
  await check(`POST /write?db=a  HTTP/1.1\r\n${HOST}${rest}`, 400)
  await check(`POST  /write?db=a HTTP/1.1\r\n${HOST}${rest}`, 400)
  await check(`POST /write?db=a HTTP/2.0\r\n${HOST}${rest}`, 505)
  await check(`POST /write?db=a HTTP/1.10\r\n${HOST}${rest}`, 400)
  await check(`POST /write%2?db=a HTTP/1.1\r\n${HOST}${rest}`, 400)
  await check(`POST write?db=a HTTP/1.1\r\n${HOST}${rest}`, 400)
  await check(`${HEAD}X : y\r\n${rest}`, 400)
  await check(`${HEAD}X\r\n${rest}`, 400)
  await check(`${HEAD}X: a\x00b\r\n${rest}`, 400)
  await check(`${HEAD}X: a\r\n b\r\n${rest}`, 400)
  await check(`${HEAD}Content-Length:\r\n\r\n`, 400)
  await check(`${HEAD}Content-Length: 7\r\nContent-Length: 8\r\n\r\n${BODY}`, 400)
  await check(`${HEAD}${LENGTH}Transfer-Encoding: chunked\r\n${chunks}`, 400)
  await check(`POST /write?db=a HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n${chunks}`, 400)
  await check(`${HEAD}X: ${'y'.repeat(70_000)}\r\n${rest}`, 431)
  assert.equal(http.writes.items.length, 0)
})

test('behind a body that is refused nothing is carried out, and one answer is given', async () => {
  const long = '#'.repeat(200)
  const chunks = `c8\r\n${long}\r\n`
  const check = async (bytes: string, status: number, options: TestListenerOptions = {}) => {
    await using http = await openTestListener(options)
    // A write before, so that the connection was in use by whoever refuses.
    const [statuses, stored] = await send(http, `${HEAD}${LENGTH}\r\n${BODY}${bytes}${BEHIND}`)
    assert.deepEqual([statuses, stored], [[204, status], 1], bytes)
    const { counters, requestsInFlight } = http.listener.snapshot()
    assert.deepEqual([counters.answers2xx, requestsInFlight, http.writeBytes], [1, 0, 0])
    assert.equal(counters.answers4xx + counters.answers5xx, 1)
  }
  const small = { config: { maxBodyBytes: 100 } }
  const noMemory = { memoryBytes: 110_000 }
  const large = '#'.repeat(200_000)
  const largeChunks = `30d40\r\n${large}\r\n`
  const sized = `Content-Length: 200\r\n\r\n${long}`
  await check(`${HEAD}${sized}`, 413, small)
  await check(`${HEAD}X: y\r\n${sized}`, 413, small)
  await check(`${HEAD}${CHUNKED}${chunks}0\r\n\r\n`, 413, small)
  await check(`${HEAD}${CHUNKED}${largeChunks}0\r\n\r\n`, 503, noMemory)
  await check(`${HEAD}X: y\r\nContent-Length: 200000\r\n\r\n${large}`, 503, noMemory)
  const query = `POST /query HTTP/1.1\r\n${HOST}`
  await check(`${query}${sized}`, 413, { limits: { queryBodyMaxBytes: 100 } })
  await check(`${query}${CHUNKED}${largeChunks}0\r\n\r\n`, 503, noMemory)
  const prometheus = `POST /api/v1/prom/write?db=a HTTP/1.1\r\n${HOST}`
  await check(`${prometheus}${sized}`, 413, small)
  // Too large, and broken before anybody could say so.
  await check(`${HEAD}${CHUNKED}${chunks}zz\r\n`, 400, small)
  // Nobody knows whether what follows is the body that was not asked for.
  await check(`POST /write HTTP/1.1\r\n${HOST}Expect: 100-continue\r\n${LENGTH}\r\n${BODY}`, 400)
})

test('a request that was answered without its body is not answered again when that breaks', async () => {
  await using http = await openTestListener()
  const ping = `GET /ping HTTP/1.1\r\n${HOST}`
  assert.deepEqual(await send(http, `${ping}${LENGTH}\r\n${BODY}${BEHIND}`), [[204, 204], 1])
  assert.deepEqual(await send(http, `${ping}${LENGTH}\r\nm v`), [[204], 0])
  assert.deepEqual(await send(http, `${ping}${CHUNKED}zz\r\n${BEHIND}`), [[204], 0])
  assert.equal(http.listener.snapshot().counters.answers4xx, 0)
})

test('a connection that is reset in a head or behind a refused one harms nobody', async () => {
  await using http = await openTestListener()
  for (const bytes of [
    'GET /pi',
    `GET /ping HTTP/1.1\r\n${HOST}`,
    '\r\n',
    `${HEAD}${CHUNKED}7\r\nm`,
  ]) {
    const connection = await openRawConnection(http.url)
    await connection.send(bytes)
    connection.reset()
  }
  await until(() => http.listener.snapshot().connections === 0, { what: 'all are gone' })
  assert.deepEqual(await send(http, BEHIND), [[204], 1])
})

test('broken chunks are refused in Go’s words, and nothing behind them is carried out', async () => {
  await using http = await openTestListener()
  const check = async (chunks: string, error: string) => {
    const [answer, ...more] = await rawExchange(http.url, `${HEAD}${CHUNKED}${chunks}${BEHIND}`)
    assert.equal(answer?.status, 400, chunks)
    assert.deepEqual(JSON.parse(answer?.body ?? ''), { error }, chunks.slice(0, 100))
    assert.equal(more.length, 0)
  }
  await check(`7;${'x'.repeat(5000)}\r\n${BODY}\r\n0\r\n\r\n`, 'header line too long')
  await check(`00000000000000007\r\n${BODY}\r\n0\r\n\r\n`, 'http chunk length too large')
  await check(`7;x="\n"\r\n${BODY}\r\n0\r\n\r\n`, 'malformed chunked encoding')
  await check(
    `7\r\n${BODY}\r\n0\r\nno trailer\r\n\r\n`,
    'malformed MIME header: missing colon: "no trailer"',
  )
  await check(`\r\n${BODY}\r\n0\r\n\r\n`, 'invalid byte in chunk length')
  const stuffing = `1;${'x'.repeat(1000)}\r\n#\r\n`.repeat(17)
  await check(`${stuffing}0\r\n\r\n`, 'chunked encoding contains too much non-data')
  assert.equal(http.writes.items.length, 0)
})

test('HTTP/1.0 keeps the connection for whom it asks to, and for nobody else', async () => {
  await using http = await openTestListener()
  const kept = `POST /write?db=a HTTP/1.0\r\nConnection: Keep-Alive\r\n${LENGTH}\r\n${BODY}`
  await using connection = await openRawConnection(http.url)
  for (let index = 0; index < 2; index++) {
    await connection.send(kept)
    const { status, headers } = await connection.response()
    assert.deepEqual([status, headers['connection']], [204, 'keep-alive'])
  }
  const [once, ...more] = await rawExchange(
    http.url,
    `POST /write?db=a HTTP/1.0\r\n${LENGTH}\r\n${BODY}${BEHIND}`,
  )
  assert.deepEqual([once?.status, once?.headers['connection'], more], [204, 'close', []])
  assert.equal(http.writes.items.length, 3)
})

test('a connection on which no request has begun is told nothing, and closed after idle-timeout', async () => {
  const limits = { timeoutCheckMs: 10, headersTimeoutMs: 20, keepAliveTimeoutMs: 100 }
  await using http = await openTestListener({ limits })
  await using fresh = await openRawConnection(http.url)
  await using plain = await openRawConnection(http.url)
  await plain.send(`${HEAD}${LENGTH}\r\n${BODY}`)
  await using other = await openRawConnection(http.url)
  await other.send(`GET /ping HTTP/1.1\r\n${HOST}\r\n`)
  for (const used of [plain, other]) {
    const { status, headers } = await used.response()
    assert.deepEqual([status, headers['keep-alive']], [204, 'timeout=0'])
  }
  for (const connection of [fresh, plain, other]) {
    await connection.closed
    assert.deepEqual([connection.unread.length, connection.failure], [0, undefined])
  }
  // Whoever has begun is told.
  await using slow = await openRawConnection(http.url)
  await slow.send('POST /wri')
  assert.equal((await slow.response()).status, 408)
})
