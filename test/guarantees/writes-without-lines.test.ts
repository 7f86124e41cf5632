/**
 * G2 for requests that hold nothing to store: what InfluxDB says of their database and credentials
 * is the client's answer, and nothing else that an output may say or do is.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type FakeAnswer,
  type FakeInflux,
  influxError,
  openFakeInflux,
} from '../support/fake-influx.ts'
import { readMetrics, sumOf } from '../support/metrics.ts'
import { relayConfig } from '../support/relay-config.ts'
import { type RelayProcess, startRelayProcess } from '../support/relay-process.ts'
import { type Lifetime, temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'

/** As many as are put to one output at once (destinations/questions.ts). */
const QUESTIONS_MAX = 8
const MISSING = influxError(404, 'database not found: "db"')
const UNAUTHORIZED = influxError(401, 'authorization failed')

interface Setup {
  readonly a: FakeInflux
  readonly b: FakeInflux
  readonly relay: RelayProcess
  readonly metric: (name: string, output: string) => Promise<number>
}

interface SetupOptions {
  /** Further keys of output a. */
  readonly output?: string
  readonly http?: string
  readonly more?: string
  /** Of a and b, those that do not run when the relay starts. */
  readonly down?: 'a' | 'both'
}

async function open(t: Lifetime, options: SetupOptions = {}): Promise<Setup> {
  const { output = '', http = '', more = '', down } = options
  const [a, b] = [await openFakeInflux(), await openFakeInflux()]
  t.after(() => a[Symbol.asyncDispose]())
  t.after(() => b[Symbol.asyncDispose]())
  if (down !== undefined) await a.stop()
  if (down === 'both') await b.stop()
  const first = `{ location = "${a.url}/write"${output === '' ? '' : `, ${output}`} }`
  const { toml, adminUrl } = await relayConfig({ outputs: [first, b.url], http, more })
  const relay = await startRelayProcess({ config: toml })
  t.after(() => relay[Symbol.asyncDispose]())
  const metric = async (name: string, of: string) =>
    sumOf(await readMetrics(adminUrl), name, { output: of })
  return { a, b, relay, metric }
}

test('an empty write goes to the first output as it came, and into no books', async (t) => {
  const { a, b, relay, metric } = await open(t)
  assert.equal((await relay.write('', 'db=x%20y&rp=r&precision=s&u=me&p=pw')).status, 204)
  const [asked] = a.requests
  assert.equal(asked?.method, 'POST')
  assert.equal(asked?.url, '/write?db=x%20y&precision=s&rp=r&u=me&p=pw')
  assert.equal(asked?.headers['content-length'], '0')
  assert.deepEqual([a.requests.length, b.requests.length], [1, 0])
  assert.equal(await metric('relay_output_attempts_total', 'a'), 0)
  assert.equal(await metric('relay_output_accepted_lines_total', 'a'), 0)
})

test('what is no refusal of database or credentials changes no answer', async (t) => {
  const { a, b, relay } = await open(t)
  const answers: readonly FakeAnswer[] = [
    influxError(400, 'incoming write was empty'),
    { status: 400, body: '{"code":"invalid","message":"writing requires points"}' },
    { status: 404, headers: { 'Content-Type': 'text/html' }, body: '<title>Not here</title>' },
    405,
    429,
    influxError(500, 'something else'),
    503,
    302,
    'reset',
    'half',
  ]
  for (const answer of answers) {
    a.answer = answer
    const what = JSON.stringify(answer)
    assert.equal((await relay.write('# none\n')).status, 204, what)
    assert.match((await relay.write('m')).body, /unable to parse 'm'/, what)
  }
  assert.equal(a.requests.length, 2 * answers.length)
  assert.equal(b.requests.length, 0)
})

test('the client hears that its credentials are refused, and not that the output’s own are', async (t) => {
  const clients = await open(t)
  clients.a.answer = UNAUTHORIZED
  assert.equal((await clients.relay.write('')).status, 401)
  assert.equal((await clients.relay.write('m')).status, 401)
  const own = await open(t, { output: 'username = "relay", password = "pw"' })
  own.a.answer = UNAUTHORIZED
  assert.equal((await own.relay.write('')).status, 204)
  assert.equal((await own.relay.write('m')).status, 400)
  assert.equal(own.a.requests.length, 2)
  assert.equal(await own.metric('relay_output_up', 'a'), 1)
})

test('a question that hangs ends with ack-timeout, and holds up no write of its database', async (t) => {
  const { a, relay, metric } = await open(t, { http: 'ack-timeout = "2s"\nack = "all"' })
  a.answer = ({ body }) => (body === '' ? 'hang' : 204)
  let isAnswered = false
  const hanging = relay.write('').finally(() => {
    isAnswered = true
  })
  await a.receivesRequests(1)
  assert.equal((await relay.write('m v=1 1')).status, 204)
  assert.equal(isAnswered, false)
  assert.equal((await hanging).status, 204)
  // Those of the write and of the last ping may stay.
  await until(() => a.openConnections <= 2, { what: 'the connection of the question is closed' })
  assert.equal(await metric('relay_output_up', 'a'), 1)
})

test('an output that is down is not asked; with none up the relay answers by itself', async (t) => {
  const one = await open(t, { down: 'a' })
  one.b.answer = MISSING
  assert.equal((await one.relay.write('')).status, 404)
  assert.equal((await one.relay.write('m')).status, 404)
  const { relay } = await open(t, { down: 'both' })
  assert.equal((await relay.write('')).status, 204)
  assert.equal((await relay.write('m')).status, 400)
})

test('beyond the limit of questions in flight the relay answers by itself', async (t) => {
  const { a, relay } = await open(t)
  a.hold()
  const asked = Array.from({ length: QUESTIONS_MAX }, () => relay.write(''))
  await a.receivesRequests(QUESTIONS_MAX)
  assert.equal((await relay.write('')).status, 204)
  assert.equal((await relay.write('m')).status, 400)
  assert.equal(a.requests.length, QUESTIONS_MAX)
  a.answer = MISSING
  a.release()
  for (const answer of await Promise.all(asked)) assert.equal(answer.status, 404)
  assert.equal((await relay.write('')).status, 404)
})

test('an output that waits for a database which another one has is not asked about it', async (t) => {
  const { a, b, relay, metric } = await open(t)
  a.answer = MISSING
  assert.equal((await relay.write('m v=1 1')).status, 204)
  await until(async () => (await metric('relay_output_holds', 'a')) === 1, { what: 'a hold at a' })
  assert.equal((await relay.write('')).status, 204)
  assert.equal((await relay.write('m')).status, 400)
  assert.equal(b.requests.filter(({ body }) => body === '').length, 2)
})

test('an output whose lines a filter picks is not asked', async (t) => {
  const more = '[[filter]]\nmeasurement-expression = "^cpu$"\noutputs = ["a"]'
  const { a, relay } = await open(t, { more })
  a.answer = MISSING
  assert.equal((await relay.write('')).status, 204)
  assert.equal(a.requests.length, 0)
})

test('with ack = "log" the outputs are asked too, and nothing goes into the log', async (t) => {
  const folder = await temporaryFolder(t)
  const { a, relay, metric } = await open(t, { http: `ack = "log"\nlog-dir = "${folder}"` })
  a.answer = MISSING
  assert.equal((await relay.write('')).status, 404)
  assert.equal((await relay.write('m')).status, 404)
  a.answer = influxError(500, 'retention policy not found: x')
  assert.equal((await relay.write('', 'db=db&rp=x')).status, 500)
  assert.equal((await relay.write('m', 'db=db&rp=x')).status, 400)
  assert.equal(await metric('relay_output_accepted_lines_total', 'a'), 0)
})
