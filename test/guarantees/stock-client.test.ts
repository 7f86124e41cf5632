/**
 * The `influx` client that comes with InfluxDB, with one of two outputs down: it asks for
 * `consistency=all` without being told to, and never tries a write again.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { openFakeInflux } from '../support/fake-influx.ts'
import { freePort } from '../support/free-port.ts'
import { openInfluxd, requireInfluxCli, requireInfluxd } from '../support/influxd.ts'
import { relayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const run = promisify(execFile)

test('the stock client imports and inserts while an output is down', async (t) => {
  if (!requireInfluxd(t) || !requireInfluxCli(t)) return
  const up = await openInfluxd(t)
  await up.createDatabase('db')
  const down = `http://127.0.0.1:${await freePort()}`
  const config = await relayConfig({ outputs: [up.url, down] })
  await using relay = await startRelayProcess({ config: config.toml })
  const influx = (...args: string[]) =>
    run('influx', ['-host', '127.0.0.1', '-port', String(config.port), '-database', 'db', ...args])
  const file = join(await temporaryFolder(t), 'lines.txt')
  await writeFile(file, '# DML\n# CONTEXT-DATABASE: db\nm v=1 1600000000000000001\nm v=2 2\n')
  const imported = await influx('-import', '-path', file)
  assert.match(imported.stdout + imported.stderr, /Failed 0 inserts/)
  const inserted = await influx('-execute', 'INSERT m v=3 3')
  assert.equal(inserted.stdout + inserted.stderr, '')
  assert.equal(await up.countPoints('db'), 3)
  assert.equal(relay.output.includes('error'), false)
})

test('with honor-consistency a request is refused whose consistency the outputs cannot meet', async () => {
  await using up = await openFakeInflux()
  const down = `http://127.0.0.1:${await freePort()}`
  const honoring = await relayConfig({ outputs: [up.url, down], http: 'honor-consistency = true' })
  const ignoring = await relayConfig({ outputs: [up.url, down] })
  await using strict = await startRelayProcess({ config: honoring.toml })
  await using plain = await startRelayProcess({ config: ignoring.toml })
  for (const level of ['quorum', 'all', 'ALL']) {
    const query = `db=db&consistency=${level}`
    assert.equal((await strict.write('m v=1 1', query)).status, 503, level)
    assert.equal((await plain.write('m v=1 1', query)).status, 204, level)
  }
  for (const relay of [strict, plain]) {
    assert.equal((await relay.write('m v=1 1', 'db=db&consistency=one')).status, 204)
    const wrong = await relay.write('m v=1 1', 'db=db&consistency=most')
    assert.deepEqual([wrong.status, wrong.body], [400, '{"error":"invalid consistency level"}\n'])
  }
})
