/**
 * G8: bounded.
 *
 * Request size, unpacked size, memory in all, the backlog of an output, connections: each has a
 * limit, and what happens at it is what the configuration says. Nothing that was stored nowhere is
 * given up.
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type FakeInflux, openFakeInflux } from '../support/fake-influx.ts'
import {
  assertBooksBalance,
  booksOf,
  readMetrics,
  sumOf,
  untilNothingPends,
} from '../support/metrics.ts'
import { relayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'

const MB = 1024 * 1024

/** Valid line protocol of about so many bytes. */
function bodyOf(bytes: number): string {
  const line = `m,t=${'x'.repeat(80)} v=1 1\n`
  return line.repeat(Math.ceil(bytes / line.length))
}

test('a body over max-body-mb is answered 413, packed or unpacked, and reaches nobody', async () => {
  await using a = await openFakeInflux()
  const config = await relayConfig({ outputs: [a.url], http: 'max-body-mb = 1' })
  await using relay = await startRelayProcess({ config: config.toml })
  const gzip = { 'content-encoding': 'gzip' }
  assert.equal((await relay.write(bodyOf(2 * MB))).status, 413)
  assert.equal((await relay.write(gzipSync(bodyOf(2 * MB)), 'db=db', gzip)).status, 413)
  assert.equal((await relay.write(gzipSync(Buffer.alloc(200 * MB)), 'db=db', gzip)).status, 413)
  assert.equal((await relay.write(bodyOf(MB / 2))).status, 204)
  assert.equal(a.requests.length, 1)
})

test('at max-memory-mb writes are answered 503 with Retry-After, and taken again when there is room', async () => {
  await using a = await openFakeInflux()
  const config = await relayConfig({
    outputs: [a.url],
    top: 'max-memory-mb = 4',
    http: 'ack-timeout = "300ms"',
  })
  await using relay = await startRelayProcess({ config: config.toml })
  a.hold()
  const statuses: number[] = []
  for (let i = 0; i < 6; i++) {
    const answer = await relay.write(bodyOf(MB))
    statuses.push(answer.status)
    assert.equal(answer.headers['retry-after'], '1')
  }
  assert.deepEqual(new Set(statuses), new Set([503]))
  a.release()
  await a.receives('m,t=x')
  const samples = await readMetrics(config.adminUrl)
  assertBooksBalance(booksOf(samples, 'a'))
  const isTaken = async () => (await relay.write('m v=1 1\n')).status === 204
  await until(isTaken, { what: 'a write is taken again' })
})

test('with log-dir, full memory makes an output that hangs read from the disk, and refuses nothing', async (t) => {
  await using a = await openFakeInflux()
  await using b = await openFakeInflux()
  const config = await relayConfig({
    outputs: [a.url, b.url],
    top: 'max-memory-mb = 4',
    http: `log-dir = "${await temporaryFolder(t)}"`,
  })
  await using relay = await startRelayProcess({ config: config.toml })
  b.hold()
  const count = 40
  const lines = Array.from({ length: count }, (_, n) => `n v=${n} ${n}\n`)
  for (const line of lines) {
    assert.equal((await relay.write(`${line}${bodyOf(MB / 2)}`)).status, 204)
    const samples = await readMetrics(config.adminUrl)
    const value = (name: string, output?: string) =>
      sumOf(samples, name, output === undefined ? {} : { output })
    assert(value('relay_memory_used_bytes') <= 4 * MB)
    assert.equal(value('relay_output_in_sync', 'a'), 1)
  }
  const numbersOf = ({ received }: FakeInflux) => received.match(/^n v=\d+ \d+\n/gm)
  assert.deepEqual(numbersOf(a), lines)
  b.release()
  await b.receives(lines.at(-1) ?? '')
  const samples = await untilNothingPends(config.adminUrl)
  assert.deepEqual(numbersOf(b), lines)
  assertBooksBalance(booksOf(samples, 'b'))
})

test('an output over its backlog bound loses its own oldest, which another output has stored', async () => {
  await using a = await openFakeInflux()
  const b = await openFakeInflux()
  const config = await relayConfig({
    outputs: [a.url, `{ location = "${b.url}/write", buffer-size-mb = 1 }`],
  })
  await using relay = await startRelayProcess({ config: config.toml })
  await b[Symbol.asyncDispose]()
  for (let i = 0; i < 8; i++) assert.equal((await relay.write(bodyOf(MB / 4))).status, 204)
  const samples = await readMetrics(config.adminUrl)
  const books = booksOf(samples, 'b')
  assertBooksBalance(books)
  assert(books.pending > 0)
  assert((books.outcomes['dropped'] ?? 0) > 0)
  const pendingBytes = samples.find(
    ({ name, labels }) => name === 'relay_output_pending_bytes' && labels['output'] === 'b',
  )
  assert(pendingBytes && pendingBytes.value <= MB)
  await relay.line(({ msg }) => msg.includes('output "b"') && msg.includes('full'))
})

test('what nobody has stored is never given up: then new writes are answered 503', async () => {
  await using a = await openFakeInflux()
  const config = await relayConfig({
    outputs: [`{ location = "${a.url}/write", buffer-size-mb = 1 }`],
    http: 'ack-timeout = "200ms"',
  })
  await using relay = await startRelayProcess({ config: config.toml })
  a.hold()
  const first = relay.write(`first v=1 1\n${bodyOf(MB / 2)}`)
  await a.nextRequest()
  assert.equal((await first).status, 503) // Not in time; but begun, so it is kept.
  assert.equal((await relay.write(bodyOf((MB * 3) / 4))).status, 503)
  a.release()
  await a.receives('first v=1 1')
  assertBooksBalance(booksOf(await readMetrics(config.adminUrl), 'a'))
})

test('no more than max-connections clients are served at once', async () => {
  await using a = await openFakeInflux()
  const config = await relayConfig({ outputs: [a.url], http: 'max-connections = 2' })
  await using relay = await startRelayProcess({ config: config.toml })
  const open = () => {
    const socket = connect(config.port, '127.0.0.1')
    return new Promise<typeof socket>((resolve) => socket.on('connect', () => resolve(socket)))
  }
  const kept = [await open(), await open()]
  const third = await open()
  await new Promise((resolve) => third.on('close', resolve))
  for (const socket of kept) socket.destroy()
  assert.equal(a.requests.length, 0)
  assert.equal(relay.logs.length > 0, true)
})
