/**
 * The test helpers themselves: a helper that lies makes every test that uses it worthless.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, stat, truncate, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Arrivals } from './support/arrivals.ts'
import { type FakeInflux, influxError, openFakeInflux } from './support/fake-influx.ts'
import { openFaultProxy } from './support/fault-proxy.ts'
import { freePort } from './support/free-port.ts'
import { httpRequest } from './support/http-request.ts'
import { openInfluxd, requireInfluxd } from './support/influxd.ts'
import { decodeMsgpack } from './support/msgpack.ts'
import { openRawConnection, rawExchange } from './support/raw-http.ts'
import { parseResponse } from './support/raw-response.ts'
import { runRelay, startRelayProcess } from './support/relay-process.ts'
import { pointLines } from './support/series.ts'
import { temporaryFolder } from './support/temporary-folder.ts'
import { until, withinLimit } from './support/wait.ts'

const write = (url: string, body: string | Uint8Array, headers = {}) =>
  httpRequest(`${url}/write?db=db`, { method: 'POST', body, headers })

test('until gives what the condition gives, or fails with the last error as cause', async () => {
  let calls = 0
  assert.equal(await until(() => (++calls === 3 ? 'third' : ''), { what: 'calls' }), 'third')
  const never = () => {
    throw new Error('not yet')
  }
  const failure = until(never, { what: 'a miracle', limitMs: 1 })
  await assert.rejects(failure, /in vain: a miracle/)
  await failure.catch((error: Error) => assert.match(String(error.cause), /not yet/))
})

test('arrivals are found in the past and in the future, and a wait says what came', async () => {
  const arrivals = new Arrivals<string>((item) => item)
  arrivals.push('a')
  assert.equal(await arrivals.first((item) => item === 'a', 'a'), 'a')
  const later = arrivals.first((item) => item === 'b', 'b')
  arrivals.push('b')
  assert.equal(await later, 'b')
  assert.deepEqual([await arrivals.next(), await arrivals.next()], ['a', 'b'])
  await assert.rejects(
    arrivals.first((item) => item === 'c', 'c', 1),
    /c; came: 2/,
  )
  arrivals.end(new Error('over'))
  await assert.rejects(arrivals.next(), /over/)
})

test('a temporary folder is gone after its test', async (t) => {
  let folder = ''
  await t.test('inner', async (inner) => {
    folder = await temporaryFolder(inner)
    assert.ok((await stat(folder)).isDirectory())
  })
  await assert.rejects(stat(folder), { code: 'ENOENT' })
})

test('the fake InfluxDB keeps requests, unpacks gzip and answers by script', async () => {
  await using influx = await openFakeInflux()
  assert.equal((await write(influx.url, 'm v=1 1\n')).status, 204)
  influx.answer = ({ body }) => (body.includes('bad') ? influxError(400, 'no') : { status: 503 })
  const refused = await write(influx.url, gzipSync('bad v=1 2\n'), { 'content-encoding': 'gzip' })
  assert.equal(refused.status, 400)
  assert.equal(refused.headers['x-influxdb-error'], 'no')
  assert.equal(refused.body, '{"error":"no"}\n')
  assert.equal((await write(influx.url, 'm v=1 3\n')).status, 503)
  assert.equal((await httpRequest(`${influx.url}/ping`)).status, 204)

  assert.equal((await influx.receives('bad')).body, 'bad v=1 2\n')
  assert.equal((await influx.nextRequest()).query.get('db'), 'db')
  assert.equal((await influx.receivesRequests(3)).length, 3)
  assert.equal(influx.received, 'm v=1 1\nbad v=1 2\nm v=1 3\n')
  assert.deepEqual([influx.pings, influx.connections], [1, 4])
})

test('the fake InfluxDB breaks connections on order', async () => {
  await using influx = await openFakeInflux({ answer: 'reset' })
  await assert.rejects(write(influx.url, 'm v=1'), { code: 'ECONNRESET' })
  influx.answer = 'close'
  await assert.rejects(write(influx.url, 'm v=1'), { code: 'ECONNRESET' })
  influx.answer = 'garbage'
  await assert.rejects(write(influx.url, 'm v=1'), /Parse Error/)
  influx.answer = 'half'
  await assert.rejects(write(influx.url, 'm v=1'), { code: 'ECONNRESET' })
  influx.answer = 'hang'
  const hanging = httpRequest(`${influx.url}/write`, { limitMs: 50 })
  await assert.rejects(hanging, { name: 'AbortError' })
  const { port } = influx
  await influx.stop()
  await assert.rejects(write(influx.url, 'm v=1'), { code: 'ECONNREFUSED' })
  await influx.start()
  assert.equal(influx.port, port)
})

test('the fake InfluxDB holds answers and lets them go in order', async () => {
  await using influx = await openFakeInflux()
  influx.hold()
  const answered: string[] = []
  const writes = ['a v=1\n', 'b v=1\n', 'c v=1\n'].map(async (body) => {
    await write(influx.url, body)
    answered.push(body)
  })
  await influx.receivesRequests(3)
  assert.deepEqual(answered, [])
  influx.release(1)
  await Promise.race(writes)
  assert.deepEqual(answered, [influx.requests[0]?.body])
  influx.release()
  await Promise.all(writes)
  assert.equal(answered.length, 3)
})

test('the fault proxy passes, delays, cuts, stalls, spoils and refuses', async () => {
  await using influx = await openFakeInflux()
  await using proxy = await openFaultProxy(influx.port)
  assert.equal((await write(proxy.url, 'm v=1 1\n')).status, 204)

  proxy.fault = { kind: 'delay', ms: 30 }
  const startedAt = performance.now()
  assert.equal((await write(proxy.url, 'm v=1 2\n')).status, 204)
  assert.ok(performance.now() - startedAt >= 55, 'one delay in each direction')

  proxy.fault = { kind: 'cut', afterBytes: 20, direction: 'up' }
  await assert.rejects(write(proxy.url, 'm v=1 3\n'), { code: 'ECONNRESET' })
  // The write arrives, its answer does not: fate unknown.
  proxy.fault = { kind: 'cut', afterBytes: 5, direction: 'down' }
  await assert.rejects(write(proxy.url, 'm v=1 4\n'))
  assert.equal(influx.received, 'm v=1 1\nm v=1 2\nm v=1 4\n')

  proxy.fault = { kind: 'garbage' }
  await assert.rejects(write(proxy.url, 'm v=1 5\n'), /Parse Error/)

  proxy.fault = { kind: 'stall' }
  const stalled = write(proxy.url, 'm v=1 6\n')
  await until(() => proxy.openConnections > 0, { what: 'a stalled connection' })
  proxy.fault = { kind: 'none' }
  assert.equal((await stalled).status, 204)

  await proxy.refuse()
  await assert.rejects(write(proxy.url, 'm v=1 7\n'), { code: 'ECONNREFUSED' })
  await proxy.accept()
  assert.equal((await write(proxy.url, 'm v=1 8\n')).status, 204)
})

test('the fault proxy keeps to its rate', async () => {
  await using influx = await openFakeInflux()
  await using proxy = await openFaultProxy(influx.port)
  proxy.fault = { kind: 'rate', bytesPerSecond: 200_000 }
  const startedAt = performance.now()
  await write(proxy.url, 'x'.repeat(20_000))
  assert.ok(performance.now() - startedAt >= 90, '20 kB at 200 kB/s')
})

test('the fault proxy can be half-open: the request arrives, its answer does not', async () => {
  await using influx = await openFakeInflux()
  await using proxy = await openFaultProxy(influx.port)
  proxy.fault = { kind: 'stall', direction: 'down' }
  const stalled = write(proxy.url, 'm v=1 1\n')
  await influx.receives('m v=1 1\n')
  await assert.rejects(withinLimit(stalled, { what: 'an answer', limitMs: 50 }), /in vain/)
  proxy.fault = { kind: 'none' }
  assert.equal((await stalled).status, 204)
})

test('the fake InfluxDB works on one request at a time, at its rate', async () => {
  await using influx = await openFakeInflux({ bytesPerSecond: 200_000 })
  const startedAt = performance.now()
  await Promise.all(['a', 'b'].map((letter) => write(influx.url, letter.repeat(10_000))))
  assert.ok(performance.now() - startedAt >= 95, '20 kB at 200 kB/s')
  influx.bytesPerSecond = Number.POSITIVE_INFINITY
  assert.equal((await write(influx.url, 'x'.repeat(1_000_000))).status, 204)
})

test('a raw connection pipelines and sees each answer', async () => {
  await using influx: FakeInflux = await openFakeInflux()
  await using connection = await openRawConnection(influx.url)
  const request = 'POST /write?db=db HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nm v=1\n'
  await connection.send(request + request)
  assert.equal((await connection.response()).status, 204)
  assert.equal((await connection.response()).status, 204)
  assert.equal(influx.connections, 1)
  const last = await rawExchange(influx.url, 'GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n')
  assert.deepEqual(
    last.map(({ status }) => status),
    [400], // No Host header.
  )
})

test('parseResponse waits for the whole response and takes no byte more', () => {
  const check = (text: string, body: string, rest: string, context = {}) => {
    const bytes = Buffer.from(text)
    const given = { toHead: false, ended: false, ...context }
    const parsed = parseResponse(bytes, given)
    assert.equal(parsed?.response.body, body, text)
    assert.equal(bytes.toString('latin1', parsed?.byteCount), rest, text)
  }
  const incomplete = (text: string) =>
    assert.equal(parseResponse(Buffer.from(text), { toHead: false, ended: false }), undefined)

  check('HTTP/1.1 204 No Content\r\n\r\nHTTP', '', 'HTTP')
  check('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP', 'ok', 'HTTP')
  check('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHTTP', '', 'HTTP', { toHead: true })
  check('HTTP/1.1 200 OK\r\n\r\nall', 'all', '', { ended: true })
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  check(`${chunked}2\r\nok\r\n1;x=y\r\n!\r\n0\r\n\r\nHTTP`, 'ok!', 'HTTP')
  incomplete('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no')
  incomplete('HTTP/1.1 200 OK\r\n\r\nall')
  incomplete(`${chunked}2\r\nok\r\n0\r\n`)
  assert.throws(() =>
    parseResponse(Buffer.from('HTTP/2 x\r\n\r\n'), { toHead: false, ended: true }),
  )
})

test('decodeMsgpack keeps integers exact and apart from floats', () => {
  const check = (hex: string, expected: unknown) =>
    assert.deepEqual(decodeMsgpack(Buffer.from(hex, 'hex')), expected, hex)
  check('05', 5n)
  check('ff', -1n)
  check('d3ffffffffffffffff', -1n)
  check('cf17979cfe362a0001', 1_700_000_000_000_000_001n)
  check('d1ff00', -256n)
  check('cb3ff0000000000000', 1)
  check('a3616263', 'abc')
  check('a1ff', 'base64:/w==')
  check('93c0c2c3', [null, false, true])
  assert.deepEqual({ ...(decodeMsgpack(Buffer.from('81a16101', 'hex')) as object) }, { a: 1n })
  assert.throws(() => decodeMsgpack(Buffer.from('c7', 'hex')), /0xc7/)
})

test('pointLines tells types, absent tags and odd names apart', () => {
  const lines = pointLines({
    name: 'm x',
    tags: { b: '', a: '1' },
    columns: ['time', 'i', 'f', 's', 'none'],
    values: [[1n, 1n, 1, '1', null]],
  })
  assert.deepEqual(lines, ['"m x",a=1 f=1,i=1i,s="1" 1'])
})

// A stand-in for the program: says that it is ready, answers every write, stops on SIGTERM.
const STAND_IN = `
import { createServer } from 'node:http'
import { readFileSync } from 'node:fs'
const config = readFileSync(process.argv[3], 'utf8')
if (config.includes('broken')) { console.log('line 1: broken'); process.exit(1) }
const port = Number(/:(\\d+)"/.exec(config)[1])
const log = (msg) => console.log(JSON.stringify({ level: 30, msg, extra: process.argv[4] }))
const answer = (request, response) => { log('took ' + request.url); response.writeHead(204).end() }
createServer(answer).listen(port, '127.0.0.1', () => log('ready'))
process.on('SIGTERM', () => { log('bye'); process.exit(3) })
`

test('a relay process is ready, logs, answers and ends with its code', async (t) => {
  const program = join(await temporaryFolder(t), 'program.mjs')
  await writeFile(program, STAND_IN)
  const port = await freePort()
  const config = `[admin]\nbind-addr = ""\n[[http]]\nname = "x"\nbind-addr = "127.0.0.1:${port}"\n`
  await using relay = await startRelayProcess({ config, program, args: ['-x'] })
  assert.equal((await relay.write('m v=1')).status, 204)
  assert.equal((await relay.nextLog(({ msg }) => msg.startsWith('took'))).msg, 'took /write?db=db')
  assert.equal(relay.logs.find(({ extra }) => extra === '-x')?.msg, 'ready')
  const neverSaid = relay.line(({ msg }) => msg === 'never')
  const [exit] = await Promise.all([relay.kill('SIGTERM'), assert.rejects(neverSaid, /ended/)])
  assert.deepEqual(exit, { code: 3, signal: null })
  assert.match(relay.output, /bye/)

  const broken = await runRelay({ config: 'broken', program })
  assert.deepEqual([broken.code, broken.output], [1, 'line 1: broken'])
  await assert.rejects(startRelayProcess({ config: 'broken', program }), /line 1: broken/)
})

test('a free port is free, and given once', async () => {
  const ports = await Promise.all([freePort(), freePort()])
  assert.notEqual(ports[0], ports[1])
  const socket = connect(ports[0], '127.0.0.1')
  await assert.rejects(once(socket, 'connect'), { code: 'ECONNREFUSED' })
})

test('a real influxd keeps its points over a kill and hangs on order', async (t) => {
  if (!requireInfluxd(t)) return
  const influxd = await openInfluxd(t)
  await influxd.kill('SIGKILL') // Before its first write, when it has no WAL yet.
  await influxd.start()
  await influxd.createDatabase('db')
  await influxd.query('CREATE RETENTION POLICY "short" ON "db" DURATION 1000w REPLICATION 1')
  await influxd.write('cpu,host=a i=1i,f=1,s="x y" 1700000000000000001\n')
  await influxd.write('cpu f=2 1700000000000000000\n', 'db=db&rp=short')
  const expected = [
    '"short".cpu f=2 1700000000000000000',
    'cpu,host=a f=1,i=1i,s="x y" 1700000000000000001',
  ]
  assert.deepEqual(await influxd.points('db'), expected)
  assert.deepEqual(await influxd.points('db', 'none'), [])
  assert.deepEqual(await influxd.query('SELECT count("i") FROM cpu', 'db'), [
    { name: 'cpu', time: 0n, count: 1n },
  ])
  await assert.rejects(influxd.query('SELECT'), /InfluxDB refused SELECT/)

  await influxd.kill('SIGKILL')
  await influxd.start()
  assert.deepEqual(await influxd.points('db'), expected)

  await influxd.pause()
  const hanging = httpRequest(`${influxd.url}/ping`, { limitMs: 50 })
  await assert.rejects(hanging, { name: 'AbortError' })
  influxd.resume()
  assert.equal((await httpRequest(`${influxd.url}/ping`)).status, 204)
})

test('a real influxd keeps what it acknowledges after a kill within a record', async (t) => {
  if (!requireInfluxd(t)) return
  const influxd = await openInfluxd(t)
  await influxd.createDatabase('db')
  const write = async (time: number) => {
    assert.equal((await influxd.write(`m text="${'x'.repeat(100)}" ${time}`)).status, 204)
  }
  await write(1)
  await write(2)
  await influxd.kill('SIGKILL')
  const [wal = ''] = (await readdir(influxd.folder, { recursive: true })).filter((name) =>
    name.endsWith('.wal'),
  )
  const path = join(influxd.folder, wal)
  await truncate(path, (await stat(path)).size - 10)
  await influxd.start()
  assert.equal(await influxd.countPoints('db'), 1)

  await write(3)
  await influxd.kill('SIGKILL')
  await influxd.start()
  assert.equal(await influxd.countPoints('db'), 2)
})

test('a real influxd with auth asks for credentials', async (t) => {
  if (!requireInfluxd(t)) return
  const influxd = await openInfluxd(t, { auth: true })
  await influxd.createDatabase('db')
  assert.equal((await influxd.write('m v=1 1')).status, 204)
  assert.equal((await httpRequest(`${influxd.url}/write?db=db`, { method: 'POST' })).status, 401)
})
