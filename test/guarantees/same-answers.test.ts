/**
 * G2: a client cannot tell it from InfluxDB.
 *
 * The same requests go to a real InfluxDB 1.x and to the relay before two others; status, headers
 * and error texts must be the same. What changes from request to request (dates, request ids,
 * versions) is compared by presence.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type HttpAnswer, httpRequest } from '../support/http-request.ts'
import { openInfluxd, requireInfluxd } from '../support/influxd.ts'
import { relayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'

interface Case {
  readonly what: string
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

const GZIP = { 'Content-Encoding': 'gzip' }

/** Bytes that are not UTF-8 are told otherwise in each form. */
const RAW_BYTES = ['application/json', 'text/csv', 'application/x-msgpack'].map(
  (type): Case => ({
    what: `a bad line that is not UTF-8, as ${type}`,
    path: '/write?db=db',
    headers: { Accept: type },
    body: Buffer.from('b\xe4d', 'latin1'),
  }),
)

const CASES: readonly Case[] = [
  ...RAW_BYTES,
  { what: 'a good line', path: '/write?db=db', body: 'm v=1 1' },
  { what: 'a line without a timestamp', path: '/write?db=db', body: 'm v=1' },
  { what: 'an empty body', path: '/write?db=db', body: '' },
  { what: 'comments only', path: '/write?db=db', body: '# nothing\n\n' },
  { what: 'every precision', path: '/write?db=db&precision=ms', body: 'm v=1 1500000000000' },
  { what: 'empty parameters', path: '/write?db=db&rp=&consistency=&precision=', body: 'm v=1 2' },
  { what: 'no database', path: '/write', body: 'm v=1 1' },
  { what: 'an empty database', path: '/write?db=', body: 'm v=1 1' },
  { what: 'an unknown database', path: '/write?db=nowhere', body: 'm v=1 1' },
  { what: 'an unknown retention policy', path: '/write?db=db&rp=nope', body: 'm v=1 1' },
  { what: 'no lines, an unknown database', path: '/write?db=nowhere', body: '' },
  { what: 'comments, an unknown database', path: '/write?db=nowhere', body: '# nothing\n\n' },
  { what: 'no lines, an unknown retention policy', path: '/write?db=db&rp=nope', body: '' },
  { what: 'comments, an unknown retention policy', path: '/write?db=db&rp=nope', body: '#\n' },
  { what: 'only bad lines, an unknown database', path: '/write?db=nowhere', body: 'm\nm v=' },
  { what: 'only bad lines, an unknown policy', path: '/write?db=db&rp=nope', body: 'm\nm v=' },
  { what: 'no gzip, an unknown database', path: '/write?db=nowhere', headers: GZIP, body: 'm v=1' },
  { what: 'bad consistency, no database', path: '/write?db=nowhere&consistency=x', body: 'm v=1' },
  { what: 'bad consistency, no policy', path: '/write?db=db&rp=nope&consistency=x', body: '' },
  { what: 'missing fields', path: '/write?db=db', body: 'm' },
  { what: 'markup in an error', path: '/write?db=db', body: '<a>&"b"' },
  { what: 'a partial write', path: '/write?db=db', body: 'm v=1 3\nm v=\nm v=2 4' },
  { what: 'a bad timestamp', path: '/write?db=db', body: 'm v=1 1x' },
  { what: 'a carriage return', path: '/write?db=db', body: 'm v=1 1\r\n' },
  { what: 'unbalanced quotes', path: '/write?db=db', body: 'm v="x 1' },
  { what: 'a duplicate tag', path: '/write?db=db', body: 'm,a=1,a=2 v=1 1' },
  { what: 'an integer out of range', path: '/write?db=db', body: 'm v=9223372036854775808i 1' },
  { what: 'an unsigned integer', path: '/write?db=db', body: 'u v=1u 1' },
  { what: 'a type conflict', path: '/write?db=db', body: 'm v="text" 5' },
  { what: 'a bad consistency', path: '/write?db=db&consistency=most', body: 'm v=1 1' },
  { what: 'gzip', path: '/write?db=db', headers: GZIP, body: gzipSync('m v=1 6') },
  { what: 'gzip that is none', path: '/write?db=db', headers: GZIP, body: 'm v=1 6' },
  {
    what: 'gzip cut short',
    path: '/write?db=db',
    headers: GZIP,
    body: gzipSync('m v=1 6').subarray(0, 20),
  },
  { what: 'an origin', path: '/write?db=db', headers: { Origin: 'http://x' }, body: 'm v=1 7' },
  {
    what: 'a request id',
    path: '/write?db=db',
    headers: { 'X-Request-Id': 'mine' },
    body: 'm v=1 8',
  },
  { what: 'PUT', method: 'PUT', path: '/write?db=db', body: 'm v=1 1' },
  { what: 'GET /write', method: 'GET', path: '/write?db=db' },
  { what: 'OPTIONS', method: 'OPTIONS', path: '/write?db=db' },
  { what: 'ping', method: 'GET', path: '/ping' },
  { what: 'ping by HEAD', method: 'HEAD', path: '/ping' },
  { what: 'an unknown path', method: 'GET', path: '/nothing/here' },
  { what: 'create database', path: '/query?q=CREATE+DATABASE+%22db%22' },
  { what: 'a comment before it', path: '/query?q=--+hi%0ACREATE+DATABASE+%22db%22' },
  { what: 'an empty name', path: '/query?q=CREATE+DATABASE+%22%22' },
  { what: 'a misspelt statement', path: '/query?q=CREATE+DATABASE+my-service' },
  { what: 'a misspelt statement, pretty', path: '/query?pretty=true&q=CREATE+DATABSE+%3Ca%3E' },
  { what: 'a misspelt statement by GET', method: 'GET', path: "/query?q=CREATE+DATABASE+'sq1'" },
  { what: 'a query without q', method: 'GET', path: '/query' },
]

/** Compared by value; of all others, that they are there. */
const SAME_HEADERS = [
  'content-type',
  'x-influxdb-error',
  'x-influxdb-build',
  'allow',
  'access-control-allow-origin',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-expose-headers',
]
const PRESENT_HEADERS = ['date', 'request-id', 'x-request-id', 'x-influxdb-version']

test('status, headers and error texts are those of InfluxDB', async (t) => {
  if (!requireInfluxd(t)) return
  const [model, a, b] = await Promise.all([openInfluxd(t), openInfluxd(t), openInfluxd(t)])
  await Promise.all([model, a, b].map((server) => server.createDatabase('db')))
  const config = await relayConfig({ outputs: [a.url, b.url] })
  await using relay = await startRelayProcess({ config: config.toml })
  for (const each of CASES) {
    const expected = comparable(await send(model.url, each))
    const actual = comparable(await send(relay.url, each))
    assert.deepEqual(actual, expected, each.what)
  }
  const isStamped = (point: string) => BigInt(point.split(' ').at(-1) ?? '0') > 10n ** 18n
  const expectedPoints = (await model.points('db')).filter((point) => !isStamped(point))
  assert.deepEqual(
    (await a.points('db')).filter((point) => !isStamped(point)),
    expectedPoints,
  )
  assert.deepEqual(await a.points('db'), await b.points('db'))
})

test('credentials and database come before the lines, also where there are none', async (t) => {
  if (!requireInfluxd(t)) return
  const [model, a, b] = await Promise.all(
    Array.from({ length: 3 }, () => openInfluxd(t, { auth: true })),
  )
  assert(model && a && b)
  for (const server of [model, a, b]) {
    await server.createDatabase('db')
    await server.query("CREATE USER stranger WITH PASSWORD 'pw'")
  }
  const config = await relayConfig({ outputs: [a.url, b.url], http: 'ack = "all"' })
  await using relay = await startRelayProcess({ config: config.toml })
  const users = ['', '&u=stranger&p=pw', '&u=stranger&p=wrong', '&u=admin&p=adminpw']
  for (const user of users) {
    for (const database of ['db', 'nowhere']) {
      for (const body of ['', '# nothing\n', 'm', 'm v=1 1']) {
        const each = { what: '', path: `/write?db=${database}${user}`, body }
        const expected = comparable(await send(model.url, each))
        const actual = comparable(await send(relay.url, each))
        assert.deepEqual(actual, expected, JSON.stringify(each))
      }
    }
  }
})

async function send(
  url: string,
  { method = 'POST', path, headers, body }: Case,
): Promise<HttpAnswer> {
  return await httpRequest(url + path, {
    method,
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body }),
  })
}

function comparable(answer: HttpAnswer): Record<string, unknown> {
  const header = (name: string) => answer.headers[name]
  return {
    status: answer.status,
    body: String(answer.body),
    // Go writes the methods of `Allow` in random order.
    same: SAME_HEADERS.map((name) => [
      name,
      String(header(name) ?? '')
        .split(', ')
        .sort()
        .join(),
    ]),
    present: PRESENT_HEADERS.map((name) => [name, header(name) !== undefined]),
  }
}
