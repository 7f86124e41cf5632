/**
 * G6: a bad write blocks nobody. Here before real InfluxDB servers.
 *
 * What a database refuses for good is set aside with the reason; the rest goes on, in order. What
 * one server only lacks, while the other has stored it, is held there and nothing of it is lost.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { openFaultProxy } from '../support/fault-proxy.ts'
import { httpRequest } from '../support/http-request.ts'
import { type Influxd, openInfluxd, openInfluxdPair, requireInfluxd } from '../support/influxd.ts'
import {
  assertBooksBalance,
  booksOf,
  readMetrics,
  sumOf,
  untilAccepted,
  untilNothingPends,
} from '../support/metrics.ts'
import { openRawConnection } from '../support/raw-http.ts'
import { relayConfig, type TestRelayConfig } from '../support/relay-config.ts'
import { type RelayProcess, startRelayProcess } from '../support/relay-process.ts'
import { until } from '../support/wait.ts'

const FAST = 'max-delay-interval = "100ms"'

interface Setting {
  readonly config: TestRelayConfig
  readonly relay: RelayProcess
}

/** @param keys of the outputs beside their locations, one for each */
async function startRelay(
  t: TestContext,
  servers: readonly { readonly url: string }[],
  keys: readonly string[] = [],
): Promise<Setting> {
  const outputs = servers.map(
    ({ url }, index) => `{ location = "${url}/write", ${FAST}${keys[index] ?? ''} }`,
  )
  const config = await relayConfig({ outputs })
  const relay = await startRelayProcess({ config: config.toml })
  t.after(() => relay[Symbol.asyncDispose]())
  return { config, relay }
}

async function assertSame(a: Influxd, b: Influxd, database: string, count: number): Promise<void> {
  const points = await a.points(database)
  assert.equal(points.length, count)
  assert.deepEqual(await b.points(database), points)
}

test('clients merged into one request are each told their own number of dropped lines', async (t) => {
  if (!requireInfluxd(t)) return
  const [a, b] = await openInfluxdPair(t)
  await using proxyA = await openFaultProxy(a.port)
  await using proxyB = await openFaultProxy(b.port)
  const { config, relay } = await startRelay(t, [proxyA, proxyB])
  assert.equal((await relay.write('m v=0.5 0')).status, 204)
  await untilNothingPends(config.adminUrl)

  for (const proxy of [proxyA, proxyB]) proxy.fault = { kind: 'stall' }
  const first = relay.write('m v=1 1')
  await untilAccepted(config.adminUrl, 2)
  const clients = [
    'm,c=1 v=1 1',
    'm,c=2 v=1 1\nm,c=2 v="x" 2\nm,c=2 v=3 3',
    'm,c=3 v=1 1\nm,c=3 v=2 2',
    'm,c=4 v="x" 1\nm,c=4 v=true 2\nm,c=4 v=3 3',
    'm,c=5 v=1 1',
  ].map((lines) => relay.write(lines))
  await untilAccepted(config.adminUrl, 2 + clients.length)
  for (const proxy of [proxyA, proxyB]) proxy.fault = { kind: 'none' }

  assert.equal((await first).status, 204)
  const answers = await Promise.all(clients)
  assert.deepEqual(
    answers.map(({ status }) => status),
    [204, 400, 204, 400, 204],
  )
  assert.match(answers[1]?.body ?? '', /"partial write: .*type string.* dropped=1"/)
  assert.match(answers[3]?.body ?? '', /"partial write: .* dropped=2"/)
  const samples = await untilNothingPends(config.adminUrl)
  for (const name of ['a', 'b']) {
    assertBooksBalance(booksOf(samples, name))
    assert.equal(booksOf(samples, name).outcomes['refused'], 3)
  }
  await assertSame(a, b, 'db', 2 + 1 + 2 + 2 + 1 + 1)
})

const CASES = [
  { what: 'a database that no server has', query: 'db=nowhere', status: 404 },
  { what: 'a retention policy that no server has', query: 'db=db&rp=nope', status: 500 },
] as const

for (const { what, query, status } of CASES) {
  test(`${what}: the client is told so in InfluxDB's words, and nothing stays pending`, async (t) => {
    if (!requireInfluxd(t)) return
    const [a, b] = await openInfluxdPair(t)
    const { config, relay } = await startRelay(t, [a, b])
    const direct = await a.write('m v=1 1', query)
    for (let i = 0; i < 3; i++) {
      const answer = await relay.write(`m v=${i} ${i}`, query)
      assert.deepEqual([answer.status, answer.body], [status, direct.body])
      assert.equal((await relay.write(`m v=${i} ${i}`)).status, 204)
    }
    const samples = await untilNothingPends(config.adminUrl)
    for (const name of ['a', 'b']) {
      const { outcomes } = booksOf(samples, name)
      assert.deepEqual([outcomes['refused'], outcomes['delivered']], [3, 3])
    }
    await assertSame(a, b, 'db', 3)
  })
}

/** Writes in turn to what the second server lacks and to what it has; all are answered 204. */
async function writeBoth(relay: RelayProcess, lacking: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    assert.equal((await relay.write(`m v=${i}i ${i % 10}`, lacking)).status, 204)
    assert.equal((await relay.write(`m v=${i}i ${i % 10}`, 'db=other')).status, 204)
  }
}

async function untilPending(config: TestRelayConfig, output: string, lines: number): Promise<void> {
  const pending = async () => booksOf(await readMetrics(config.adminUrl), output).pending
  await until(async () => (await pending()) === lines, {
    what: `${lines} lines pend at ${output}`,
  })
}

test('a database that one server lacks is held there, others go on, and it is whole once it is created through the relay', async (t) => {
  if (!requireInfluxd(t)) return
  const [a, b] = await openInfluxdPair(t, ['other'])
  await a.createDatabase('db')
  const { config, relay } = await startRelay(t, [a, b])
  await writeBoth(relay, 'db=db', 40)
  await untilPending(config, 'b', 40)
  await assertSame(a, b, 'other', 10)

  const created = await httpRequest(`${relay.url}/query?q=CREATE+DATABASE+%22db%22`, {
    method: 'POST',
  })
  assert.equal(created.status, 200)
  assert.equal((await relay.write('m v=99i 99')).status, 204)
  const samples = await untilNothingPends(config.adminUrl)
  assert.equal(sumOf(samples, 'relay_output_lines_total', { outcome: 'refused' }), 0)
  await assertSame(a, b, 'db', 11)
})

test('a retention policy that one server lacks is held there, and the rest of its database goes on', async (t) => {
  if (!requireInfluxd(t)) return
  const [a, b] = await openInfluxdPair(t, ['db', 'other'])
  const policy = 'CREATE RETENTION POLICY "long" ON "db" DURATION 52w REPLICATION 1'
  const now = BigInt(Date.now()) * 1_000_000n
  await a.query(policy)
  const { config, relay } = await startRelay(t, [a, b])
  for (let i = 0; i < 20; i++) {
    assert.equal((await relay.write(`long v=${i}i ${now}`, 'db=db&rp=long')).status, 204)
    assert.equal((await relay.write(`m v=${i}i ${i % 10}`)).status, 204)
  }
  await untilPending(config, 'b', 20)
  assert.deepEqual(await b.points('db', 'm'), await a.points('db', 'm'))
  await b.query(policy)
  const samples = await untilNothingPends(config.adminUrl)
  assert.equal(sumOf(samples, 'relay_output_lines_total', { outcome: 'refused' }), 0)
  await assertSame(a, b, 'db', 11)
})

test("while an output's own credentials are refused its writes wait, loudly, and go once that is mended", async (t) => {
  if (!requireInfluxd(t)) return
  const a = await openInfluxd(t)
  const b = await openInfluxd(t, { auth: true })
  for (const server of [a, b]) await server.createDatabase('db')
  await b.query(`CREATE USER "relay" WITH PASSWORD 'old' WITH ALL PRIVILEGES`)
  const own = ', username = "relay", password = "new"'
  const { config, relay } = await startRelay(t, [a, b], ['', own])
  for (let i = 0; i < 20; i++) assert.equal((await relay.write(`m v=${i}i ${i}`)).status, 204)
  const said = await relay.line(({ msg, output }) => output === 'b' && /credentials/.test(msg))
  assert(said.level === 'warn' || said.level === 'error', JSON.stringify(said))
  assert.doesNotMatch(relay.output, /new"/)
  await untilPending(config, 'b', 20)
  await b.query(`SET PASSWORD FOR "relay" = 'new'`)
  await untilNothingPends(config.adminUrl)
  await assertSame(a, b, 'db', 20)
})

test("a refusal that quotes a control character is read all the same, and is the client's answer", async (t) => {
  if (!requireInfluxd(t)) return
  const servers = await openInfluxdPair(t)
  const { config, relay } = await startRelay(t, servers)
  assert.equal((await relay.write('m a\x01=1 1')).status, 204)
  // Node's own client does not read such an answer either.
  await using connection = await openRawConnection(relay.url)
  const body = 'm a\x01="text" 2\nm b=1 3'
  const head = `POST /write?db=db HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}`
  await connection.send(`${head}\r\n\r\n${body}`)
  const refused = await connection.response()
  assert.equal(refused.status, 400)
  assert.match(refused.body, /partial write: field type conflict: .* dropped=1/)
  assert.equal((await relay.write('m b=2 4')).status, 204)
  await untilNothingPends(config.adminUrl)
  await assertSame(...servers, 'db', 3)
})
