/**
 * G8: no line of a client can hold up the process, whatever the expressions of the filters.
 *
 * Method: the real program, an expression that takes a backtracking engine longer than the universe
 * is old, and the longest measurement that there is; also as a record of the log at a start.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openFakeInflux } from '../support/fake-influx.ts'
import { relayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const FILTER = `[[filter]]
measurement-expression = '^([a-z]+[._]?)+$'
outputs = ["b"]`
const BAD_LINE = `${'a'.repeat(60_000)}! v=1 1\n`

test('a line that an expression finds hard is filtered at once, and others go on', async () => {
  await using a = await openFakeInflux()
  await using b = await openFakeInflux()
  const config = await relayConfig({ outputs: [a.url, b.url], more: FILTER })
  await using relay = await startRelayProcess({ config: config.toml })
  assert.equal((await relay.write(`${BAD_LINE}good_one v=1 2\n`)).status, 204)
  assert.equal((await relay.write('bad! v=1 3\n')).status, 204)
  assert.equal((await relay.write('good.two v=1 4\n')).status, 204)
  await b.receives('good.two v=1 4\n')
  assert.equal(b.received, 'good_one v=1 2\ngood.two v=1 4\n')
  assert.equal((await relay.get('/ping')).status, 204)
  assert.equal((await relay.kill('SIGTERM')).code, 0)
})

test('such a line in the log on disk does not keep the relay from starting', async (t) => {
  await using a = await openFakeInflux()
  await using b = await openFakeInflux()
  await b.stop()
  const folder = await temporaryFolder(t)
  const config = await relayConfig({
    outputs: [a.url, `{ location = "${b.url}/write", max-delay-interval = "1s" }`],
    http: `log-dir = "${folder}"`,
    more: FILTER,
  })
  {
    await using relay = await startRelayProcess({ config: config.toml })
    assert.equal((await relay.write(`${BAD_LINE}good_one v=1 2\n`)).status, 204)
    await relay.kill('SIGKILL')
  }
  await b.start()
  await using relay = await startRelayProcess({ config: config.toml })
  await b.receives('good_one v=1 2\n')
  assert.equal(b.received, 'good_one v=1 2\n')
  assert.equal((await relay.get('/ping')).status, 204)
})
