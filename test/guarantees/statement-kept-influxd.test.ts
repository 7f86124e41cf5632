/**
 * G4, G5, G6: what follows a CREATE DATABASE at an output that was down is stored there, also when
 * the backlog was far beyond its bound and segments have gone.
 *
 * Method: two real servers without a database. One is out of reach while it is created, and while
 * twice as much is written as may be kept for it; then it comes back. Or it is out of reach while
 * more is written than an output has in memory, and only then is the database created.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openFaultProxy } from '../support/fault-proxy.ts'
import { openInfluxdPair, requireInfluxd } from '../support/influxd.ts'
import { assertBooksBalance, booksOf, readMetrics, untilNothingPends } from '../support/metrics.ts'
import { MortalRelay } from '../support/mortal-relay.ts'
import { relayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'
import { openWriteClient } from '../support/write-client.ts'

const WRITES = 160
const LINES = 500
const BOUND_MB = 2
const CATCH_UP_MS = 300_000

function bodyOf(write: number): string {
  let body = ''
  for (let line = 0; line < LINES; line++) {
    body += `cpu,host=h${line % 100} usage=${line},write=${write}i ${write * LINES + line}000000000\n`
  }
  return body
}

for (const log of ['in memory', 'on disk'] as const) {
  test(`a database that was created while an output was down is there when its writes come, with the log ${log}`, async (t) => {
    if (!requireInfluxd(t)) return
    const [a, b] = await openInfluxdPair(t, [])
    await using proxy = await openFaultProxy(b.port)
    await proxy.refuse()
    const outputs = [a.url, `{ location = "${proxy.url}/write", buffer-size-mb = ${BOUND_MB} }`]
    const http = log === 'on disk' ? `log-dir = "${await temporaryFolder(t)}"\nlog-max-mb = 8` : ''
    const config = await relayConfig({ outputs, http })
    await using relay = await startRelayProcess({ config: config.toml })
    const create = `${relay.url}/query?q=${encodeURIComponent('CREATE DATABASE db')}`
    assert.equal((await fetch(create, { method: 'POST' })).status, 200)
    using client = openWriteClient(relay.url)
    for (let i = 0; i < WRITES; i++) assert.equal((await client.write(bodyOf(i))).status, 204)
    const droppedAtB = async () => {
      return booksOf(await readMetrics(config.adminUrl), 'b').outcomes['dropped'] ?? 0
    }
    await until(async () => (await droppedAtB()) > 0, { what: 'b is over its bound' })

    await proxy.accept()
    const books = booksOf(await untilNothingPends(config.adminUrl, CATCH_UP_MS), 'b')
    assertBooksBalance(books)
    const { dropped = 0, delivered = 0, refused, dead_lettered: deadLettered } = books.outcomes
    assert.deepEqual([refused, deadLettered], [0, 0])
    assert.equal(delivered, books.accepted - dropped)
    const statements = 1
    const stored = (await b.points('db')).length
    assert.equal(stored, delivered - statements)
  })
}

/** More than an output has in memory, of which a quarter may be on hold. */
const LONG_WRITES = 220
const LONG_LINES = 100
const TEXT = 'x'.repeat(1_000)

function longBodyOf(write: number): string {
  let body = ''
  for (let line = 0; line < LONG_LINES; line++) {
    body += `cpu value=1,text="${TEXT}" ${write * LONG_LINES + line}000000000\n`
  }
  return body
}

for (const isKilled of [false, true]) {
  const when = isKilled ? ', also after a kill' : ''
  test(`a database that is created behind a long backlog is there when its writes come${when}`, async (t) => {
    if (!requireInfluxd(t)) return
    const [a, b] = await openInfluxdPair(t, [])
    await a.createDatabase('db')
    await using proxy = await openFaultProxy(b.port)
    await proxy.refuse()
    const config = await relayConfig({
      outputs: [a.url, proxy.url],
      http: `log-dir = "${await temporaryFolder(t)}"`,
    })
    await using relay = new MortalRelay({ config: config.toml })
    await relay.start()
    using client = openWriteClient(relay.process.url)
    for (let i = 0; i < LONG_WRITES; i++) {
      assert.equal((await client.write(longBodyOf(i))).status, 204)
    }
    const create = `${relay.process.url}/query?q=${encodeURIComponent('CREATE DATABASE db')}`
    assert.equal((await fetch(create, { method: 'POST' })).status, 200)
    if (isKilled) {
      await relay.kill()
      await relay.start()
    }
    await proxy.accept()
    const books = booksOf(await untilNothingPends(config.adminUrl, CATCH_UP_MS), 'b')
    assertBooksBalance(books)
    const { refused, dead_lettered: deadLettered, dropped } = books.outcomes
    assert.deepEqual([refused, deadLettered, dropped], [0, 0, 0])
    assert.equal(await b.countPoints('db'), LONG_WRITES * LONG_LINES)
  })
}
