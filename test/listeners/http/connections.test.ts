/**
 * Connections from accept to close, with TLS and without: errors of accept, limits, closing.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import type { HttpRelayConfig } from '../../../src/config/config.ts'
import { type Reply, STORED } from '../../../src/write/reply.ts'
import {
  openTestListener,
  type TestListener,
  type TestListenerOptions,
} from '../../support/http-fixture.ts'
import { failAccept, withServerOf } from '../../support/listening-server.ts'
import { openRawConnection, RawConnection } from '../../support/raw-http.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const PEM = join(import.meta.dirname, '../../support/pem')
const WRITE = 'POST /write?db=a HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nm v=1 1'

async function openTlsListener(
  t: TestContext,
  { config, ...options }: TestListenerOptions & { config?: Partial<HttpRelayConfig> } = {},
): Promise<TestListener> {
  const tlsPemPath = join(await temporaryFolder(t), 'both.pem')
  const parts = ['ec.crt', 'ec.key'].map((name) => readFile(join(PEM, name), 'utf8'))
  await writeFile(tlsPemPath, (await Promise.all(parts)).join('\n'))
  return await openTestListener({ ...options, config: { ...config, tlsPemPath } })
}

function portOf({ listener }: TestListener): number {
  return listener.address.port
}

async function openTlsConnection(http: TestListener): Promise<RawConnection> {
  const place = { host: '127.0.0.1', port: portOf(http) }
  const socket = connectTls({ ...place, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  return new RawConnection(socket)
}

test('an error of accept is counted and logged, and connections are accepted as before', async () => {
  const [http, server] = await withServerOf(openTestListener)
  await using _http = http
  for (let count = 0; count < 3; count++) failAccept(server)
  assert.equal((await http.write('db=a')).status, 204)
  assert.equal(http.listener.snapshot().counters.acceptErrors, 3)
  const told = http.logged.filter((line) => line.includes('cannot accept connections'))
  assert.equal(told.length, 1)
  assert.match(told[0] ?? '', /cannot accept connections: accept EMFILE; still listening$/)
})

test('with TLS, a connection beyond the limit is closed before its handshake, and counted so', async (t) => {
  await using http = await openTlsListener(t, { config: { maxConnections: 1 } })
  await using kept = await openTlsConnection(http)
  await kept.send(WRITE)
  assert.equal((await kept.response()).status, 204)
  await assert.rejects(openTlsConnection(http))
  await kept.send(WRITE)
  assert.equal((await kept.response()).status, 204)
  const { refusedConnections, malformedRequests } = http.listener.snapshot().counters
  assert.deepEqual([refusedConnections, malformedRequests], [1, 0])
})

test('with TLS, a client that speaks plain HTTP is closed without an answer, and counted once', async (t) => {
  await using http = await openTlsListener(t)
  const socket = connectTcp(portOf(http), '127.0.0.1')
  await using connection = new RawConnection(socket)
  await connection.send(WRITE)
  await connection.closed
  assert(!connection.unread.toString('latin1').includes('HTTP'))
  await http[Symbol.asyncDispose]() // All that there is to count has been counted.
  assert.equal(http.listener.snapshot().counters.malformedRequests, 1)
  assert.equal(http.writes.items.length, 0)
})

test('with TLS, closing answers what is in flight, ends idle connections, and cuts handshakes at last', async (t) => {
  const decision = Promise.withResolvers<Reply>()
  const http = await openTlsListener(t, { accept: () => decision.promise })
  await using silent = await openTlsConnection(http)
  await using idle = await openTlsConnection(http)
  await idle.send('GET /ping HTTP/1.1\r\nHost: x\r\n\r\n')
  assert.equal((await idle.response()).status, 204)
  await using waiting = await openTlsConnection(http)
  await waiting.send(WRITE)
  await http.writes.next()
  await using handshake = await openRawConnection(http.url)
  await using last = await openTlsConnection(http) // Accepted after `handshake`.
  const deadline = new AbortController()
  const closing = http.listener.close(deadline.signal)
  for (const connection of [silent, idle, last]) await connection.closed
  decision.resolve(STORED)
  const { status, headers } = await waiting.response()
  assert.deepEqual([status, headers['connection']], [204, 'close'])
  await waiting.closed
  deadline.abort()
  await closing
  await handshake.closed
  await http.listener.closed
  assert.equal(http.listener.snapshot().connections, 0)
})
