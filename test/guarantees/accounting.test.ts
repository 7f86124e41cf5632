/**
 * G10: every line is accounted for.
 *
 * Per output: accepted = delivered + pending + refused + dead-lettered + dropped + withdrawn +
 * filtered, exactly, in the metrics, while outputs refuse, fail, vanish and filter.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { influxError, openFakeInflux } from '../support/fake-influx.ts'
import { assertBooksBalance, booksOf, readMetrics } from '../support/metrics.ts'
import { relayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'
import { until } from '../support/wait.ts'

test('every accepted line is pending or has exactly one fate, whatever the outputs do', async () => {
  await using a = await openFakeInflux()
  await using b = await openFakeInflux()
  await using c = await openFakeInflux()
  const config = await relayConfig({
    outputs: [
      a.url,
      `{ location = "${b.url}/write", max-delay-interval = "50ms" }`,
      `{ location = "${c.url}/write", buffer-size-mb = 0 }`,
    ],
    more: '[[filter]]\nmeasurement-expression = "^kept"\noutputs = ["c"]\n',
  })
  await using relay = await startRelayProcess({ config: config.toml })
  a.answer = ({ body }) =>
    body.includes('bad') ? influxError(400, 'partial write: x dropped=1') : 204
  b.answer = 503
  c.answer = ({ body }) => (body.includes('kept2') ? 500 : 204)

  const statusOf = async (lines: string) => (await relay.write(lines)).status
  assert.equal(await statusOf('kept v=1 1\nother v=1 1\n'), 204)
  assert.equal(await statusOf('kept v=2 2\nbad v=1 1\ngood v=1 1\n'), 204) // c has its part.
  assert.equal(await statusOf('kept2 v=3 3\n'), 204)
  assert.equal(await statusOf('kept v=4 4\nthis is no line\n'), 400)
  const accepted = 2 + 3 + 1 + 1
  for (const output of ['a', 'b', 'c']) {
    const books = booksOf(await readMetrics(config.adminUrl), output)
    assert.equal(books.accepted, accepted)
    assertBooksBalance(books)
  }
  assert.equal(booksOf(await readMetrics(config.adminUrl), 'b').pending, accepted)

  b.answer = 204
  const settled = async () => {
    const samples = await readMetrics(config.adminUrl)
    return ['a', 'b', 'c'].every((output) => booksOf(samples, output).pending === 0)
  }
  await until(settled, { what: 'nothing is pending' })
  const samples = await readMetrics(config.adminUrl)
  const books = ['a', 'b', 'c'].map((output) => booksOf(samples, output))
  for (const each of books) assertBooksBalance(each)
  assert.equal(books[0]?.outcomes['refused'], 1)
  assert.equal(books[0]?.outcomes['delivered'], accepted - 1)
  assert.equal(books[1]?.outcomes['delivered'], accepted)
  assert.equal(books[2]?.outcomes['filtered'], 3)
  assert.equal(books[2]?.outcomes['dropped'], 1)
  assert.equal(books[2]?.outcomes['delivered'], accepted - 4)
})

test('what is left at the end of the process is counted and told, and is not success', async () => {
  await using a = await openFakeInflux()
  await using b = await openFakeInflux({ answer: 503 })
  const config = await relayConfig({ outputs: [a.url, b.url], top: 'shutdown-timeout = "300ms"' })
  await using relay = await startRelayProcess({ config: config.toml })
  assert.equal((await relay.write('m v=1 1\nm v=2 2\n')).status, 204)
  const exit = await relay.kill('SIGTERM')
  assert.equal(exit.code, 1)
  const line = await relay.line(({ output, lines }) => output === 'b' && lines === 2)
  assert.equal(line.level, 'error')
})
