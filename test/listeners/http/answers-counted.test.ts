/**
 * Every answer is counted, whoever gives it: the fast path, node's path, the router, the reader in
 * front of node's parser, and the clocks that look for slow clients.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { refusedReply, STORED } from '../../../src/write/reply.ts'
import { openTestListener, type TestListenerOptions } from '../../support/http-fixture.ts'
import { openRawConnection } from '../../support/raw-http.ts'

const BODY = 'm v=1 1'
const LENGTH = `Content-Length: ${BODY.length}\r\n`
const HOST = 'Host: x\r\n'
const CHUNKED = 'Transfer-Encoding: chunked\r\n\r\n'
const CHUNKS = `7\r\n${BODY}\r\n0\r\n\r\n`

function post(target: string, rest = `${LENGTH}\r\n${BODY}`): string {
  return `POST ${target} HTTP/1.1\r\n${HOST}${rest}`
}

/** Sends each on a connection of its own. @returns statuses, `100 Continue` not among them */
async function statusesOf(
  url: string,
  requests: readonly string[],
  isWholeRequest = true,
): Promise<number[]> {
  const statuses: number[] = []
  for (const request of requests) {
    await using connection = await openRawConnection(url)
    await connection.send(Buffer.from(request, 'latin1'))
    if (isWholeRequest) connection.endSending()
    await connection.closed
    const before = statuses.length
    while (connection.unread.length > 0) {
      const { status } = await connection.response({ toHead: request.startsWith('HEAD') })
      if (status >= 200) statuses.push(status)
    }
    assert(statuses.length > before, `no answer to ${request.slice(0, 200)}`)
  }
  return statuses
}

async function checkCounted(
  options: TestListenerOptions,
  requests: readonly string[],
  expected: readonly number[],
  isWholeRequest = true,
): Promise<void> {
  await using http = await openTestListener(options)
  const statuses = await statusesOf(http.url, requests, isWholeRequest)
  assert.deepEqual([...new Set(statuses)].sort(), [...expected].sort())
  const { answers2xx, answers4xx, answers5xx } = http.listener.snapshot().counters
  const count = (from: number, to: number) =>
    statuses.filter((status) => status >= from && status < to).length
  assert.deepEqual(
    [answers2xx, answers4xx, answers5xx],
    [count(200, 400), count(400, 500), count(500, 600)],
  )
}

const PACKED = gzipSync(BODY).toString('latin1')

/** Each on the fast path, if it is on. */
const PLAIN: readonly string[] = [
  post('/write?db=a'),
  post('/write?db=a').repeat(5),
  post('/write?db=a', 'Content-Length: 3\r\n\r\nbad'),
  post(
    '/write?db=a',
    `Content-Encoding: gzip\r\nContent-Length: ${PACKED.length}\r\n\r\n${PACKED}`,
  ),
  post('/write?db=a', `Content-Encoding: gzip\r\n${LENGTH}\r\n${BODY}`),
  post('/write?db=refused'),
  post('/write?db=down'),
  post('/write?db=a', `Connection: close\r\n${LENGTH}\r\n${BODY}`),
  post('/write?db=a', 'Content-Length: 9\r\n\r\nm v=1 1'), // Ends too soon.
]

const OTHERS: readonly string[] = [
  post('/write?db=a', `${CHUNKED}${CHUNKS}`),
  post('/write?db=a', `X: y\r\n${LENGTH}\r\n${BODY}`).repeat(5),
  post('/write?db=refused', `${CHUNKED}${CHUNKS}`),
  post('/write?db=down', `${CHUNKED}${CHUNKS}`),
  post('/write?db=a', `Expect: 100-continue\r\n${LENGTH}\r\n${BODY}`),
  post('/write?db=a', `${CHUNKED}zz\r\n`),
  post('/write?db=a', 'X: y\r\nContent-Length: 9\r\n\r\nm v=1 1'),
  post('/write'),
  post('/write?db=a', `Content-Length: 2000\r\n\r\n${'#'.repeat(2000)}`),
  post('/write?db=a', `${CHUNKED}7d0\r\n${'#'.repeat(2000)}\r\n0\r\n\r\n`),
  post('/query', 'Content-Length: 0\r\n\r\n'),
  post('/query?q=SHOW+DATABASES', 'Content-Length: 0\r\n\r\n'),
  post('/query?q=CREATE+DATABASE+a', 'Content-Length: 0\r\n\r\n'),
  post('/api/v1/prom/write?db=a'),
  post('/admin/flush'),
  post('/nowhere'),
  `GET /write HTTP/1.1\r\n${HOST}\r\n`,
  `FOO /write HTTP/1.1\r\n${HOST}\r\n`,
  `OPTIONS /write HTTP/1.1\r\n${HOST}\r\n`,
  `GET /ping HTTP/1.1\r\n${HOST}\r\n`,
  `HEAD /ping HTTP/1.1\r\n${HOST}\r\n`,
  `GET /ping?verbose=true HTTP/1.1\r\n${HOST}\r\n`,
  `GET /health HTTP/1.1\r\n${HOST}\r\n`,
  // Heads that are refused.
  'garbage\r\n\r\n',
  'GET /ping HTTP/1.1\r\n\r\n',
  'GET /pi',
  `GET /ping HTTP/2.0\r\n${HOST}\r\n`,
  `GET /ping HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip\r\n\r\n`,
  `GET /ping HTTP/1.1\r\n${HOST}Expect: x\r\n\r\n`,
  `GET /ping HTTP/1.1\r\n${HOST}X: ${'y'.repeat(70_000)}\r\n\r\n`,
  // Behind good ones.
  `${post('/write?db=a')}garbage\r\n\r\n`,
  `${post('/write?db=a')}${post('/write?db=a', `${CHUNKED}zz\r\n`)}`,
]

test('every answer to a request is counted, on each path and in front of all', async () => {
  const options: TestListenerOptions = {
    config: { maxBodyBytes: 1000 },
    accept: ({ target }) => {
      if (target.database === 'refused') return refusedReply(404, 'database not found')
      return target.database === 'down' ? refusedReply(503, 'no output is up') : STORED
    },
  }
  await checkCounted(options, PLAIN, [204, 400, 404, 503])
  const expected = [200, 204, 400, 403, 404, 405, 413, 417, 431, 501, 503, 505]
  await checkCounted(options, OTHERS, expected)
  await checkCounted(options, [...PLAIN, ...OTHERS], expected)
})

test('answers to those for whom there is no memory or no room are counted', async () => {
  const requests = [post('/write?db=a'), post('/write?db=a', `${CHUNKED}${CHUNKS}`)]
  // More than comes at once: what does is not charged here.
  const long = post('/write?db=a', `Content-Length: 300000\r\n\r\n${'#'.repeat(300_000)}`)
  await checkCounted({ memoryBytes: 3 }, [long, ...requests.slice(1)], [503])
  await checkCounted({ limits: { inFlightMaxRequests: 0 } }, requests, [503])
  const config = { rateLimit: { perSecond: 1e-9, burst: 1 } }
  await checkCounted({ config }, [...requests, ...requests], [204, 503])
})

test('answers to clients that are too slow are counted, behind good ones too', async () => {
  const limits = { timeoutCheckMs: 10, headersTimeoutMs: 30, requestTimeoutMs: 60 }
  const slow = [
    'GET /pi',
    `GET /ping HTTP/1.1\r\n${HOST}`,
    post('/write?db=a', `${LENGTH}\r\nm`),
    post('/write?db=a', `${CHUNKED}7\r\nm`),
    post('/query', `${LENGTH}\r\nq=`),
  ]
  await checkCounted({ limits }, slow, [408], false)
  const behind = slow.map((request) => `${post('/write?db=a')}${request}`)
  await checkCounted({ limits }, behind, [204, 408], false)
})
