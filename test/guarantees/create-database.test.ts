/**
 * G2, G10: `CREATE DATABASE` before outputs that have no such thing.
 *
 * Telegraf sends it at each start. A server without databases, or with another way to make them, is
 * no reason for a dispute, a dead letter, a second attempt or a wait of what follows.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type FakeAnswer, openFakeInflux } from '../support/fake-influx.ts'
import { httpRequest } from '../support/http-request.ts'
import { openInfluxd, requireInfluxd } from '../support/influxd.ts'
import { assertBooksBalance, booksOf, readMetrics } from '../support/metrics.ts'
import { relayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const KAPACITOR: FakeAnswer = { status: 404, body: '404 page not found\n' }
const QUESTDB: FakeAnswer = {
  status: 405,
  headers: { 'Content-Type': 'application/json' },
  body: '{"code":"not supported","message":"Method POST not supported","line":0}',
}
const INFLUXDB_2: FakeAnswer = {
  status: 200,
  headers: { 'Content-Type': 'application/json' },
  body: '{"results":[{"statement_id":0,"error":"not implemented: CREATE DATABASE"}]}\n',
}
const VICTORIA_METRICS: FakeAnswer = {
  status: 200,
  headers: { 'Content-Type': 'application/json' },
  body: '{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"],"values":[["_internal"]]}]}]}',
}
const WITHOUT = [KAPACITOR, QUESTDB, INFLUXDB_2, VICTORIA_METRICS]

for (const isKept of [false, true]) {
  test(`outputs without it are passed over at once, ${isKept ? 'with' : 'without'} log-dir`, async (t) => {
    if (!requireInfluxd(t)) return
    const influxd = await openInfluxd(t)
    const others = await openOthers(t)
    const folder = await temporaryFolder(t)
    const config = await relayConfig({
      outputs: [...others.map(({ url }) => url), influxd.url],
      http: isKept ? `ack = "all"\nlog-dir = "${folder}"` : 'ack = "all"',
    })
    await using relay = await startRelayProcess({ config: config.toml })
    const created = await createDatabase(relay.url, 'kk')
    assert.equal(created.status, 200)
    assert.equal(created.body, '{"results":[{"statement_id":0}]}\n')
    assert.equal((await relay.write('m v=1 1', 'db=kk')).status, 204)
    assert.deepEqual(await influxd.points('kk'), ['m v=1 1'])
    for (const other of others) {
      assert.deepEqual(
        other.requests.map(({ path }) => path),
        ['/query', '/write'],
      )
    }
    const samples = await readMetrics(config.adminUrl)
    for (const [index, output] of ['a', 'b', 'c', 'd', 'e'].entries()) {
      const books = booksOf(samples, output)
      assertBooksBalance(books)
      assert.equal(books.outcomes['filtered'], index < WITHOUT.length ? 1 : 0)
      assert.equal(books.outcomes['delivered'], index < WITHOUT.length ? 1 : 2)
    }
    const divergence = samples.filter(({ name }) => name === 'relay_diverged_writes_total')
    assert.deepEqual(
      divergence.map(({ value }) => value),
      [0],
    )
    const told = relay.logs.filter(({ msg }) => msg.includes('CREATE DATABASE'))
    assert.deepEqual(
      told.map(({ level, output }) => [level, output]),
      ['a', 'b', 'c', 'd'].map((output) => ['warn', output]),
    )
    assert.equal(relay.logs.filter(({ level }) => level === 'error').length, 0)
  })
}

test('where no output has it, the first one’s own answer is passed on', async (t) => {
  const [kapacitor, , influxdb2] = await openOthers(t)
  assert(kapacitor && influxdb2)
  const check = async (outputs: readonly string[], status: number, body: RegExp) => {
    const config = await relayConfig({ outputs })
    await using relay = await startRelayProcess({ config: config.toml })
    const answer = await createDatabase(relay.url, 'kk')
    assert.equal(answer.status, status)
    assert.match(answer.body, body)
  }
  await check([kapacitor.url, influxdb2.url], 404, /^\{"error":"404 page not found"\}/)
  await check([influxdb2.url, kapacitor.url], 200, /"not implemented: CREATE DATABASE"/)
})

test('a refusal for want of rights is still a refusal, beside outputs that have no such thing', async (t) => {
  const [kapacitor, , , victoriaMetrics] = await openOthers(t)
  assert(kapacitor && victoriaMetrics)
  await using influx = await openFakeInflux({
    answer: { status: 403, body: '{"error":"error authorizing query: bob not authorized"}\n' },
  })
  const config = await relayConfig({ outputs: [victoriaMetrics.url, influx.url, kapacitor.url] })
  await using relay = await startRelayProcess({ config: config.toml })
  const answer = await createDatabase(relay.url, 'kk')
  assert.equal(answer.status, 403)
  assert.match(answer.body, /bob not authorized/)
})

/** In the order of `WITHOUT`. They take every write. */
async function openOthers(t: TestContext) {
  const others = []
  for (const answer of WITHOUT) {
    const other = await openFakeInflux({
      answer: ({ path }) => (path === '/query' ? answer : 204),
    })
    t.after(() => other[Symbol.asyncDispose]())
    others.push(other)
  }
  return others
}

async function createDatabase(url: string, name: string) {
  const body = `q=${encodeURIComponent(`CREATE DATABASE "${name}"`)}`
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  const answer = await httpRequest(`${url}/query`, { method: 'POST', headers, body })
  return { status: answer.status, body: String(answer.body) }
}
