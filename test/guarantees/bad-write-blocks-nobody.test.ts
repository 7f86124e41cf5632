/**
 * G6: a bad write blocks nobody.
 *
 * What a database refuses for good is set aside with the reason; the rest goes on, in order. What
 * only looks bad because the server is overloaded is not given up.
 *
 * Here before scripted servers; before real ones in bad-write-blocks-nobody-influxdb.test.ts.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type FakeAnswer,
  type FakeInflux,
  influxError,
  openFakeInflux,
  type ReceivedRequest,
} from '../support/fake-influx.ts'
import {
  assertBooksBalance,
  booksOf,
  readMetrics,
  untilAccepted,
  untilNothingPends,
} from '../support/metrics.ts'
import { relayConfig, type TestRelayConfig } from '../support/relay-config.ts'
import { type RelayProcess, startRelayProcess } from '../support/relay-process.ts'
import { until } from '../support/wait.ts'

interface Setting extends AsyncDisposable {
  readonly a: FakeInflux
  readonly b: FakeInflux
  readonly relay: RelayProcess
  readonly config: TestRelayConfig
  /** Bodies of the requests that this server stores, joined. */
  readonly stored: (influx: FakeInflux) => string
}

type IsBad = (request: ReceivedRequest) => boolean

/** Two servers of which `bad` ones answer what is scripted for bad writes, and 204 else. */
async function open(
  answer: FakeAnswer,
  { bad, isBad = hasBadLine }: { bad: 'a' | 'both'; isBad?: IsBad },
): Promise<Setting> {
  await using opened = new AsyncDisposableStack()
  const script = (request: ReceivedRequest) => (isBad(request) ? answer : 204)
  const a = opened.use(await openFakeInflux({ answer: script }))
  const b = opened.use(await openFakeInflux({ answer: bad === 'both' ? script : 204 }))
  const outputs = [a, b].map(
    ({ url }) => `{ location = "${url}/write", max-delay-interval = "50ms" }`,
  )
  const config = await relayConfig({ outputs })
  const relay = opened.use(await startRelayProcess({ config: config.toml }))
  const stored = ({ requests }: FakeInflux) =>
    requests
      .filter((request) => !isBad(request))
      .map(({ body }) => body)
      .join('')
  const owned = opened.move()
  return { a, b, relay, config, stored, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

const hasBadLine: IsBad = ({ body }) => body.includes('bad')
const conflict =
  'field type conflict: input field "v" on measurement "bad" is type string, already exists as type float'

interface Refusal {
  readonly what: string
  readonly status: number
  readonly error: string
  readonly query?: string
  readonly isBad?: IsBad
}

const REFUSALS: readonly Refusal[] = [
  { what: '400 for the whole', status: 400, error: conflict },
  { what: '400 for a part', status: 400, error: `partial write: ${conflict} dropped=1` },
  { what: '413 for a single line', status: 413, error: 'Request Entity Too Large' },
  {
    what: 'an unknown retention policy',
    status: 500,
    error: 'retention policy not found: nope',
    query: 'db=db&rp=nope',
    isBad: ({ query }) => query.get('rp') === 'nope',
  },
  {
    what: "the client's credentials",
    status: 401,
    error: 'authorization failed',
    query: 'db=db&u=bad&p=bad',
    isBad: ({ query, headers }) => query.get('u') === 'bad' || 'authorization' in headers,
  },
]

for (const { what, status, error, query = 'db=db', isBad } of REFUSALS) {
  test(`a refusal by every output (${what}) is the client's answer, and later writes go on in order`, async () => {
    const options = isBad === undefined ? {} : { isBad }
    await using setting = await open(influxError(status, error), { bad: 'both', ...options })
    const { a, b, relay, config, stored } = setting
    const refused = await relay.write('bad v="x" 1', query)
    assert.equal(refused.status, status)
    // InfluxDB names the error in a header too, but not with a 401.
    assert.equal(refused.headers['x-influxdb-error'], status === 401 ? undefined : error)
    assert.equal(refused.body, `${JSON.stringify({ error })}\n`)

    const good = Array.from({ length: 5 }, (_, i) => `good v=1 ${i}\n`)
    for (const line of good) assert.equal((await relay.write(line)).status, 204)
    const samples = await untilNothingPends(config.adminUrl)
    for (const [name, influx] of Object.entries({ a, b })) {
      assert.equal(stored(influx), good.join(''))
      const books = booksOf(samples, name)
      assertBooksBalance(books)
      assert.deepEqual([books.outcomes['refused'], books.outcomes['delivered']], [1, good.length])
      await relay.line(({ msg, output }) => output === name && msg.includes('refused'))
    }
  })
}

test('what is left of a write that was refused in part is stored before the next write', async () => {
  const error = `partial write: ${conflict} dropped=1`
  await using setting = await open(influxError(400, error), { bad: 'both' })
  const { a, b, relay, config, stored } = setting
  const refused = await relay.write('good v=1 1\nbad v="x" 1\ngood v=1 2\n')
  assert.deepEqual([refused.status, refused.headers['x-influxdb-error']], [400, error])
  assert.equal((await relay.write('good v=2 1\n')).status, 204)
  const samples = await untilNothingPends(config.adminUrl)
  for (const [name, influx] of Object.entries({ a, b })) {
    // Twice, because the first time may overtake what the server is still writing.
    assert.equal(stored(influx), `${'good v=1 1\ngood v=1 2\n'.repeat(2)}good v=2 1\n`)
    const { outcomes } = booksOf(samples, name)
    assert.deepEqual([outcomes['refused'], outcomes['delivered']], [1, 3])
  }
})

test('of several clients merged into one request only the one that is refused hears of it', async () => {
  await using setting = await open(influxError(400, conflict), { bad: 'both' })
  const { a, b, relay, config, stored } = setting
  for (const influx of [a, b]) influx.hold()
  const first = relay.write('first v=1 1\n')
  await Promise.all([a.nextRequest(), b.nextRequest()])
  const lines = ['c1 v=1 1\n', 'c2 v=1 1\n', 'bad v="x" 1\n', 'c3 v=1 1\n', 'c4 v=1 1\n']
  const clients = lines.map((line) => relay.write(line))
  await untilAccepted(config.adminUrl, 1 + lines.length)
  for (const influx of [a, b]) influx.release()

  assert.equal((await first).status, 204)
  const answers = await Promise.all(clients)
  assert.deepEqual(
    answers.map(({ status }) => status),
    [204, 204, 400, 204, 204],
  )
  assert.equal(answers[2]?.headers['x-influxdb-error'], conflict)
  await untilNothingPends(config.adminUrl)
  const inOrder = a.requests[1]?.body.split('\n').filter((line) => line !== '') ?? []
  assert.equal(inOrder.length, lines.length, 'they were merged')
  const good = inOrder.filter((line) => !line.startsWith('bad'))
  for (const influx of [a, b]) {
    assert.deepEqual(stored(influx).trimEnd().split('\n'), ['first v=1 1', ...good])
  }
})

for (const [what, answer] of [
  ['answers 500', influxError(500, 'panic: cannot store this')],
  ['resets the connection', 'reset'],
] as const) {
  test(`a server that ${what} to one write for ever gets the next ones, and the bad one is told of`, async () => {
    await using setting = await open(answer, { bad: 'a' })
    const { a, b, relay, config, stored } = setting
    const good = Array.from({ length: 6 }, (_, i) => `good v=1 ${i}\n`)
    const all = [...good.slice(0, 2), 'bad v=1 1\n', ...good.slice(2)]
    for (const line of all) assert.equal((await relay.write(line)).status, 204)
    await relay.line(({ msg, output }) => output === 'a' && /refused|gave up|set aside/.test(msg))
    assert.equal((await relay.write('last v=1 1\n')).status, 204)
    const samples = await untilNothingPends(config.adminUrl)
    const { outcomes } = booksOf(samples, 'a')
    assert.deepEqual([outcomes['refused'], outcomes['delivered']], [1, good.length + 1])
    assert.equal(b.received, [...all, 'last v=1 1\n'].join(''))
    // What was tried behind the bad one may have been sent twice, but never out of order.
    assert.deepEqual(withoutRepeats(stored(a)), [...good, 'last v=1 1\n'])
  })

  test(`when every server ${what} to one write, a client that comes back is stored all the same`, async () => {
    await using setting = await open(answer, { bad: 'both' })
    const { relay, config, a, b } = setting
    assert.equal((await relay.write('good v=1 1\n')).status, 204)
    assert.equal((await relay.write('bad v=1 1\n')).status, 503)
    const isStored = async () => (await relay.write('good v=1 2\n')).status === 204
    await until(isStored, { what: 'a good write is answered 204' })
    await untilNothingPends(config.adminUrl)
    for (const influx of [a, b]) await influx.receives('good v=1 2\n')
  })
}

test('an overloaded server that answers 500 to everything for long and then recovers loses nothing', async () => {
  const isAll: IsBad = () => true
  const overloaded = influxError(500, 'timeout')
  await using setting = await open(overloaded, { bad: 'a', isBad: isAll })
  const { a, b, relay, config } = setting
  const lines = Array.from({ length: 20 }, (_, i) => `good v=1 ${i}\n`)
  for (const line of lines) assert.equal((await relay.write(line)).status, 204)
  const attempts = (await a.receivesRequests(60)).length
  a.answer = 204
  const samples = await untilNothingPends(config.adminUrl)
  assertBooksBalance(booksOf(samples, 'a'))
  assert.equal(booksOf(samples, 'a').outcomes['delivered'], lines.length)
  const after = a.requests.slice(attempts - 1).map(({ body }) => body)
  assert.deepEqual(withoutRepeats(after.join('')), lines)
  assert.equal(b.received, lines.join(''))
  assert.equal(booksOf(await readMetrics(config.adminUrl), 'b').outcomes['refused'], 0)
})

/** Lines in the order in which they came last. */
function withoutRepeats(text: string): string[] {
  const lines = text.split('\n').filter((line) => line !== '')
  const last = lines.filter((line, index) => lines.lastIndexOf(line) === index)
  return last.map((line) => `${line}\n`)
}

test('hundreds of thousands of refused lines in one write are only that', async () => {
  const refusedCount = 200_000
  const body = Array.from({ length: refusedCount }, (_, n) => `m v=1i ${n + 1}\n`).join('')
  const reason = 'field type conflict: input field "v" on measurement "m" is type integer'
  const refusal = `partial write: ${reason}, already exists as type float dropped=${refusedCount}`
  const isBad: IsBad = (request) => request.body.includes('v=1i')
  await using setting = await open(influxError(400, refusal), { bad: 'a', isBad })
  const { a, relay, stored } = setting
  assert.equal((await relay.write(`${body}m v=1 1\n`)).status, 204)
  assert.equal((await relay.write('m v=2 2')).status, 204)
  await until(() => stored(a).includes('v=2 '), { what: 'what follows is stored' })
  assert(stored(a).startsWith('m v=1 1\n'), 'the good line of it is stored, and first')
})
