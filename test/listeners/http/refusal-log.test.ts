/**
 * "Why does nothing arrive?": whatever a client is refused can be seen with -v, and nothing secret.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refusedReply, unavailableReply } from '../../../src/write/reply.ts'
import { openTestListener, type TestListenerOptions } from '../../support/http-fixture.ts'
import { httpRequest } from '../../support/http-request.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { rawExchange } from '../../support/raw-http.ts'

const PASSWORD = 'hunter2-hunter2'
const TOKEN = 'abcdef0123456789'
const SECRETS = `u=bob&p=${PASSWORD}`

interface Case {
  readonly name: string
  readonly options?: TestListenerOptions
  readonly method?: string
  readonly path: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly said: RegExp
}

const CASES: readonly Case[] = [
  {
    name: 'a bad line',
    path: `/write?db=d&${SECRETS}`,
    body: 'no line',
    said: /^answered 400 to POST \/write for database "d" from 127\.0\.0\.1:\d+: unable to parse/,
  },
  {
    name: 'a write without a database',
    path: `/write?${SECRETS}`,
    said: /^answered 400 to POST \/write from .*: database is required$/,
  },
  {
    name: 'a path that there is not',
    path: `/api/v2/write?bucket=b&${SECRETS}`,
    said: /^answered 404 to POST \/api\/v2\/write from .*: 404 page not found$/,
  },
  {
    name: 'another method',
    method: 'GET',
    path: `/write?db=d&${SECRETS}`,
    said: /^answered 405 to GET \/write for database "d" from .*: Method Not Allowed$/,
  },
  {
    name: 'a query',
    path: `/query?q=SHOW+DATABASES&${SECRETS}`,
    said: /^answered 403 to POST \/query from .*: this is a write relay: /,
  },
  {
    name: 'credentials that an output refuses, and quotes',
    options: { accept: () => refusedReply(401, `no user bob with ${PASSWORD} and ${TOKEN}`) },
    path: `/write?db=d&${SECRETS}`,
    said: /^answered 401 to POST \/write for database "d" .* bob with \*\*\* and \*\*\*/,
  },
  {
    name: 'a body that is too long',
    options: { config: { maxBodyBytes: 10 } },
    path: `/write?db=d&${SECRETS}`,
    body: 'm v=1 1\nm v=2 2\n',
    said: /^answered 413 to POST \/write for database "d" from .*: Request Entity Too Large$/,
  },
  {
    name: 'a 503 of the relay',
    options: { accept: () => unavailableReply('no output is up and up to date', 1) },
    path: `/write?db=d&${SECRETS}`,
    said: /^answered 503 to POST \/write for database "d" from .*: no output is up and up to date$/,
  },
]

for (const fastPath of [true, false]) {
  for (const { name, options, method = 'POST', path, body = 'm v=1 1', headers, said } of CASES) {
    test(`told, ${fastPath ? 'with' : 'without'} the fast path: ${name}`, async () => {
      const config = { ...options?.config, fastPath }
      await using listener = await openTestListener({ ...options, config })
      await httpRequest(listener.url + path, {
        ...{ method, headers: { authorization: `Token ${TOKEN}`, ...headers } },
        ...(method === 'GET' ? {} : { body }),
      })
      const [line = ''] = listener.logged
      assert.match(line.slice(line.indexOf('} ') + 2), said)
      for (const secret of [PASSWORD, TOKEN]) assert(!line.includes(secret), line)
    })
  }
}

test('told: bytes that are no request', async () => {
  await using listener = await openTestListener()
  await rawExchange(listener.url, 'nonsense\r\n\r\n')
  assert.match(
    listener.logged.join('\n'),
    /answered 400 to an invalid or incomplete request from .*: .*400/,
  )
})

test('what is answered with success is not told of', async () => {
  await using listener = await openTestListener()
  assert.equal((await listener.write('db=d')).status, 204)
  assert.equal((await httpRequest(`${listener.url}/ping`)).status, 204)
  assert.deepEqual(listener.logged, [])
})

test('a flood of refusals is one line a second for each status, with their number', async () => {
  const clock = new ManualClock()
  await using listener = await openTestListener({ clock })
  for (let i = 0; i < 10; i++) await listener.write('db=d', 'no line')
  await httpRequest(`${listener.url}/nowhere`)
  assert.equal(listener.logged.length, 2)
  await clock.advance(1_000)
  await listener.write('db=d', 'no line')
  assert.match(listener.logged.at(-1) ?? '', /\(9 more since the last such line\)$/)
})
