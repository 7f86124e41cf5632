/**
 * A body that its client has packed reaches outputs with `gzip = true` as it came, merged or alone,
 * and means the same there.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { openFakeInflux } from '../../support/fake-influx.ts'
import { httpRequest } from '../../support/http-request.ts'
import { openInfluxd, requireInfluxd } from '../../support/influxd.ts'
import { readMetrics, sumOf, untilNothingPends } from '../../support/metrics.ts'
import { relayConfig } from '../../support/relay-config.ts'
import { startRelayProcess } from '../../support/relay-process.ts'
import { until } from '../../support/wait.ts'

function lines(client: number): string {
  const line = (n: number) => `m,c=${client} v=${n}i,text="some text that packs" ${1000 + n}\n`
  return Array.from({ length: 50 }, (_, n) => line(n)).join('')
}

async function write(url: string, body: Buffer): Promise<number> {
  const headers = { 'Content-Encoding': 'gzip' }
  return (await httpRequest(`${url}/write?db=db`, { method: 'POST', body, headers })).status
}

test('an output with gzip gets the very bytes that the client has packed', async () => {
  await using influx = await openFakeInflux()
  const config = await relayConfig({
    outputs: [`{ location = "${influx.url}/write", gzip = true }`],
  })
  await using relay = await startRelayProcess({ config: config.toml })
  // A level that we would not choose.
  const packed = gzipSync(lines(0), { level: 9 })
  assert.equal(await write(relay.url, packed), 204)
  const request = await influx.receives(lines(0))
  assert.equal(request.headers['content-encoding'], 'gzip')
  assert.equal(request.headers['content-length'], String(packed.length))
})

test('packed bodies that leave as one request are stored by InfluxDB, all of them', async (t) => {
  if (!requireInfluxd(t)) return
  const influxd = await openInfluxd(t)
  await influxd.createDatabase('db')
  // It stands still until all are here, so that they are merged.
  const output = `{ location = "${influxd.url}/write", gzip = true }`
  const config = await relayConfig({ outputs: [output] })
  await using relay = await startRelayProcess({ config: config.toml })
  await influxd.pause()
  const bodies = Array.from({ length: 10 }, (_, client) => lines(client))
  const statuses = Promise.all(
    bodies.map((body, client) =>
      // Every third one is the relay's to pack: it has no timestamp to begin with.
      write(relay.url, gzipSync(client % 3 === 2 ? body.replace(/ 1000\n/, '\n') : body)),
    ),
  )
  const isAccepted = async () =>
    sumOf(await readMetrics(config.adminUrl), 'relay_accepted_writes_total') === bodies.length
  await until(isAccepted, { what: 'all writes are in the log' })
  influxd.resume()
  assert.deepEqual(await statuses, Array(10).fill(204))
  await untilNothingPends(config.adminUrl)
  const stored = await influxd.points('db')
  assert.equal(stored.length, 500)
})
