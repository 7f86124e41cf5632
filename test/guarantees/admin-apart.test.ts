/**
 * The [admin] address cannot reach the data path: however many connections and requests it gets,
 * and however slow they are, every write is answered as if there were none.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openFakeInflux } from '../support/fake-influx.ts'
import { flood } from '../support/flood.ts'
import { httpRequest } from '../support/http-request.ts'
import { openRawConnection } from '../support/raw-http.ts'
import { relayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'
import { until } from '../support/wait.ts'

const METRICS = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'
const SLOW = 'GET /metrics HTTP/1.1\r\nHost: '
const WRITES = 300

test('writes are answered 204 while a thousand connections flood [admin]', async () => {
  await using a = await openFakeInflux()
  const config = await relayConfig({ outputs: [a.url] })
  await using relay = await startRelayProcess({ config: config.toml })
  {
    using _metrics = await flood(config.adminUrl, {
      connections: 500,
      reads: false,
      bytes: () => [METRICS.repeat(500)],
    })
    using _slow = await flood(config.adminUrl, { connections: 500, bytes: () => [SLOW] })
    for (let number = 1; number <= WRITES; number++) {
      assert.equal((await relay.write(`m v=1 ${number}\n`)).status, 204)
    }
  }
  const lines = a.received.split('\n').filter((line) => line !== '')
  assert.equal(lines.length, WRITES)
  await until(async () => (await httpRequest(`${config.adminUrl}/health`)).status === 200, {
    what: '[admin] answers again',
  })
})

test('a connection to [admin] carries one request, and what is behind it is not read', async () => {
  await using a = await openFakeInflux()
  const config = await relayConfig({ outputs: [a.url] })
  await using _relay = await startRelayProcess({ config: config.toml })
  await using connection = await openRawConnection(config.adminUrl)
  await connection.send(METRICS.repeat(3))
  assert.equal((await connection.response()).status, 200)
  await connection.closed
  assert.equal(connection.unread.length, 0)
})
