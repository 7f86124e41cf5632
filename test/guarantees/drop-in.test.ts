/**
 * G1: drop-in.
 *
 * What the originals ran starts and means the same: both ways to write outputs, both styles of
 * location, buffering, TLS keys, UDP relays, veepee's endpoints, filters and rate limits.
 */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { openFakeInflux } from '../support/fake-influx.ts'
import { freePort } from '../support/free-port.ts'
import { httpRequest } from '../support/http-request.ts'
import { startRelayProcess } from '../support/relay-process.ts'

/** Beside the configuration, which stays that of the originals. */
const PATIENT = { RELAY_HTTP_0_ACK_TIMEOUT: '1h' }

test('the sample of influxdb-relay: HTTP and UDP relays on one port number', async () => {
  await using a = await openFakeInflux()
  await using b = await openFakeInflux()
  const port = await freePort()
  const receiver = createSocket('udp4')
  receiver.bind(0, '127.0.0.1')
  await once(receiver, 'listening')
  await using relay = await startRelayProcess({
    env: PATIENT,
    config: `
[[http]]
# Name of the HTTP server, used for display purposes only.
name = "example-http"
bind-addr = "127.0.0.1:${port}"
output = [
    { name="local1", location = "${a.url}/write" },
    { name="local2", location = "${b.url}/write" },
]

[[udp]]
name = "example-udp"
bind-addr = "127.0.0.1:${port}"
read-buffer = 0
output = [
    { name="local1", location="127.0.0.1:${receiver.address().port}", mtu=512 },
]

[admin]
bind-addr = ""
`,
  })
  assert.equal((await relay.write('cpu,host=a usage=1 1')).status, 204)
  await Promise.all([a.receives('cpu,host=a usage=1 1\n'), b.receives('cpu,host=a usage=1 1\n')])
  const request = a.requests[0]
  assert.equal(request?.method, 'POST')
  assert.equal(request?.path, '/write')
  assert.equal(request?.query.get('db'), 'db')

  const received = once(receiver, 'message')
  const sender = createSocket('udp4')
  sender.send('cpu usage=2 2\n', port, '127.0.0.1')
  const [datagram] = await received
  assert.equal(String(datagram), 'cpu usage=2 2\n')
  sender.close()
  receiver.close()
})

test('buffered outputs as [[http.output]], with every key of the original', async () => {
  await using a = await openFakeInflux()
  const port = await freePort()
  await using relay = await startRelayProcess({
    env: PATIENT,
    config: `
[[http]]
bind-addr = "127.0.0.1:${port}"
default-retention-policy = "two_weeks"

[[http.output]]
name = "buffered"
location = "${a.url}/write"
timeout = "10s"
buffer-size-mb = 100
max-batch-kb = 50
max-delay-interval = "5s"
skip-tls-verification = false

[admin]
bind-addr = ""
`,
  })
  assert.equal((await relay.write('m v=1 1', 'db=db')).status, 204)
  assert.equal((await a.nextRequest()).query.get('rp'), 'two_weeks')
  assert.equal((await relay.write('m v=1 1', 'db=db&rp=own')).status, 204)
  assert.equal((await a.nextRequest()).query.get('rp'), 'own')
})

test("veepee's fork: base locations with endpoints, filters, ping code, prometheus bodies as they came", async () => {
  await using a = await openFakeInflux()
  await using b = await openFakeInflux()
  const port = await freePort()
  await using relay = await startRelayProcess({
    env: PATIENT,
    config: `
[[http]]
name = "veepee"
bind-addr = "127.0.0.1:${port}"
default-ping-response = 200
rate-limit = 1000
burst-limit = 100
health-timeout-ms = 5000

[[http.output]]
name = "a"
location = "${a.url}/"
endpoints = { write = "/write", write_prom = "/api/v1/prom/write", ping = "/ping", query = "/query" }

[[http.output]]
name = "b"
location = "${b.url}/"
endpoints = { write = "/write", write_prom = "/api/v1/prom/write", ping = "/ping", query = "/query" }

[[filter]]
type = "measurement"
measurement-expression = "^cpu"
outputs = ["b"]

[admin]
bind-addr = ""
`,
  })
  assert.equal((await relay.get('/ping')).status, 200)
  assert.equal((await relay.write('cpu v=1 1\nmem v=1 1\n')).status, 204)
  await Promise.all([a.receives('mem v=1 1'), b.receives('cpu v=1 1')])
  assert.equal(b.received, 'cpu v=1 1\n')

  const snappy = Buffer.from([0, 1, 2, 0xff, 10, 34])
  const headers = {
    'content-type': 'application/x-protobuf',
    'content-encoding': 'snappy',
    'x-prometheus-remote-write-version': '0.1.0',
  }
  const answer = await httpRequest(`${relay.url}/api/v1/prom/write?db=db`, {
    method: 'POST',
    body: snappy,
    headers,
  })
  assert.equal(answer.status, 204)
  const request = (await a.receivesRequests(2))[1]
  assert.equal(request?.path, '/api/v1/prom/write')
  assert.deepEqual(request?.bytes, snappy)
  assert.equal(request?.headers['content-encoding'], 'snappy')
  assert.equal(request?.headers['content-type'], 'application/x-protobuf')
})
