/**
 * G3: same points everywhere.
 *
 * A line without a timestamp gets one, once, before fan-out; all lines of a request get the same
 * one; no two requests get the same nanosecond.
 */
import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { test } from 'node:test'
import { openFakeInflux } from '../support/fake-influx.ts'
import { openInfluxd, requireInfluxd } from '../support/influxd.ts'
import { relayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'
import { until } from '../support/wait.ts'

const WRITES = 10_000
const CONNECTIONS = 32

test('10,000 unstamped one-line writes to one series are the same 10,000 points on both servers', async (t) => {
  if (!requireInfluxd(t)) return
  const [a, b] = await Promise.all([openInfluxd(t), openInfluxd(t)])
  await Promise.all([a.createDatabase('db'), b.createDatabase('db')])
  const config = await relayConfig({ outputs: [a.url, b.url] })
  await using relay = await startRelayProcess({ config: config.toml })

  await writeMany(`${relay.url}/write?db=db`)

  const count = async (server: typeof a) => {
    const [row] = await server.query('SELECT count(v) FROM m', 'db')
    return Number(row?.['count'] ?? 0)
  }
  await until(async () => (await count(a)) === WRITES && (await count(b)) === WRITES, {
    what: `${WRITES} points on both servers`,
  })
  assert.deepEqual(await a.points('db'), await b.points('db'))
})

test('all lines of a request get one timestamp, in the precision of the request', async () => {
  await using a = await openFakeInflux()
  const config = await relayConfig({ outputs: [a.url] })
  await using relay = await startRelayProcess({ config: config.toml })
  const digits = { n: 19, u: 16, ms: 13, s: 10, m: 8, h: 6 }
  for (const [precision, length] of Object.entries(digits)) {
    await relay.write('m v=1\nm,t=a v=2\nm v=3 7\n', `db=db&precision=${precision}`)
    const { body, query } = await a.nextRequest()
    const times = body
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ')[2] ?? '')
    assert.equal(times[0], times[1])
    assert.equal(times[0]?.length, length, `${precision}: ${body}`)
    assert.equal(times[2], '7')
    assert.equal(query.get('precision') ?? 'n', precision)
  }
})

async function writeMany(url: string): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  let sent = 0
  const one = async () => {
    while (sent < WRITES) assert.equal(await post(url, `m v=${sent++}i`, agent), 204)
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, one))
  agent.destroy()
}

function post(url: string, body: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'POST', agent }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
