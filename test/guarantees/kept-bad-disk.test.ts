/**
 * G5: a 204 is kept. Here: by a disk that is slow, fails or is full.
 *
 * The write is on disk (fdatasync) before any output sees it and before the answer. What cannot be
 * stored is answered 503 with Retry-After; what was stored is sent; when the disk is well again the
 * relay goes on by itself.
 *
 * Method: faults in the system calls of the running program, a file system of a few megabytes, a
 * limit of open files.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type FakeInflux, openFakeInflux } from '../support/fake-influx.ts'
import type { HttpAnswer } from '../support/http-request.ts'
import { untilNothingPends } from '../support/metrics.ts'
import { relayConfig } from '../support/relay-config.ts'
import { type RelayProcess, runRelay, startRelayProcess } from '../support/relay-process.ts'
import { openSmallDisk } from '../support/small-disk.ts'
import { injectFault, requireStrace } from '../support/strace.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'
import { openWriteClient } from '../support/write-client.ts'

const SMALL_SEGMENTS = join(import.meta.dirname, '../support/small-segments-program.ts')
const SYNC_MS = 500
/** For a sync that does not return while the test lasts. */
const ENDLESS_MS = 3_600_000

function assertRefused({ status, headers, body }: HttpAnswer): void {
  assert.equal(status, 503, body)
  assert.match(headers['retry-after'] ?? '', /^\d+$/)
}

/** Numbered writes, one after the other; which of them were acknowledged. */
class SequenceMap {
  readonly acknowledged: number[] = []
  readonly #client: Pick<RelayProcess, 'write'>
  readonly #padding: string
  #next = 1

  constructor(client: Pick<RelayProcess, 'write'>, bytes = 0) {
    this.#client = client
    this.#padding = 'x'.repeat(bytes)
  }

  async write(): Promise<HttpAnswer> {
    const n = this.#next++
    const answer = await this.#client.write(`m n=${n}i,s="${this.#padding}" ${n}`)
    if (answer.status === 204) this.acknowledged.push(n)
    else assertRefused(answer)
    return answer
  }

  /** Writes until the answer has that status. */
  async untilAnswered(status: number): Promise<void> {
    const answers = async () => (await this.write()).status === status
    await until(answers, { what: `a write is answered ${status}` })
  }

  /** What was acknowledged has arrived, in order. */
  assertArrived({ received }: FakeInflux): void {
    const numbers = [...received.matchAll(/ n=(\d+)i/g)].map(([, n]) => Number(n))
    const first = numbers.filter((n, index) => numbers.indexOf(n) === index)
    assert.deepEqual(
      first,
      first.toSorted((a, b) => a - b),
      'not in order',
    )
    const there = new Set(numbers)
    assert.deepEqual(
      this.acknowledged.filter((n) => !there.has(n)),
      [],
      'acknowledged and lost',
    )
  }
}

async function openOne(
  folder: string,
  http = '',
  program = 'src/main.ts',
): Promise<{ influx: FakeInflux; relay: RelayProcess; adminUrl: string }> {
  const influx = await openFakeInflux()
  const config = await relayConfig({
    outputs: [influx.url],
    http: `log-dir = "${folder}"\n${http}`,
  })
  const relay = await startRelayProcess({ config: config.toml, program })
  return { influx, relay, adminUrl: config.adminUrl }
}

for (const ack of ['any', 'log']) {
  test(`nobody sees a write before its sync has returned (ack = "${ack}")`, async (t) => {
    if (!requireStrace(t)) return
    const opened = await openOne(await temporaryFolder(t), `ack = "${ack}"`)
    await using influx = opened.influx
    await using relay = opened.relay
    assert.equal((await relay.write('m v=1i 1')).status, 204)
    await influx.receives('m v=1i 1')
    await using _fault = await injectFault(relay.pid, `fdatasync:delay_enter=${SYNC_MS}ms`)
    const earliest = performance.now() + SYNC_MS
    assert.equal((await relay.write('m v=2i 2')).status, 204)
    const at = performance.now()
    assert(at >= earliest, `answered ${earliest - at} ms too early`)
    const { receivedAt } = await influx.receives('m v=2i 2')
    assert(receivedAt >= earliest, `sent ${earliest - receivedAt} ms too early`)
  })

  test(`a sync that outlasts ack-timeout is no reason for a 204 (ack = "${ack}")`, async (t) => {
    if (!requireStrace(t)) return
    const http = `ack = "${ack}"\nack-timeout = "300ms"`
    const opened = await openOne(await temporaryFolder(t), http)
    await using influx = opened.influx
    await using relay = opened.relay
    const isTaken = async () => (await relay.write('m v=1i 1')).status === 204
    await until(isTaken, { what: 'a write is synced within ack-timeout' })
    await using _fault = await injectFault(relay.pid, `fdatasync:delay_enter=${ENDLESS_MS}ms`)
    assertRefused(await relay.write('m v=2i 2'))
    assert(!influx.received.includes('v=2i'))
  })
}

for (const [call, error] of [
  ['fdatasync', 'EIO'],
  ['pwrite64', 'EIO'],
  ['pwrite64', 'ENOSPC'],
] as const) {
  test(`${error} of ${call}: 503, nothing is sent, and it goes on when that is over`, async (t) => {
    if (!requireStrace(t)) return
    const folder = await temporaryFolder(t)
    const opened = await openOne(folder, '', SMALL_SEGMENTS)
    await using influx = opened.influx
    await using relay = opened.relay
    const writes = new SequenceMap(relay, 20_000)
    assert.equal((await writes.write()).status, 204)
    {
      await using _fault = await injectFault(relay.pid, `${call}:error=${error}`)
      for (let i = 0; i < 8; i++) {
        const { status, body } = await writes.write()
        assert.equal(status, 503)
        assert.match(body, /the log on disk cannot be written/)
      }
      assert(!influx.received.includes(' n=2i'), 'what is not on the disk was sent')
    }
    await writes.untilAnswered(204)
    const after = await Promise.all(Array.from({ length: 20 }, () => writes.write()))
    assert(after.every(({ status }) => status === 204))
    await untilNothingPends(opened.adminUrl)
    writes.assertArrived(influx)
    // What failed pins nothing: of all these segments the last is left.
    const segments = async () => (await readdir(folder)).filter((name) => name.endsWith('.seg'))
    await until(async () => (await segments()).length === 1, { what: 'the log is trimmed' })
  })
}

test('a full disk: 503, what is stored is sent, then it goes on by itself', async (t) => {
  const disk = await openSmallDisk(t, { megabytes: 4 })
  if (disk === undefined) return
  await using a = await openFakeInflux()
  await using b = await openFakeInflux()
  const config = await relayConfig({
    outputs: [a.url, b.url].map(
      (url) => `{ location = "${url}/write", max-delay-interval = "200ms" }`,
    ),
    http: `log-dir = "${disk.path}/log"`,
  })
  await using relay = await startRelayProcess({ config: config.toml, under: disk.under })
  const writes = new SequenceMap(relay, 100_000)
  for (let round = 0; round < 2; round++) {
    await Promise.all([a.stop(), b.stop()])
    await writes.untilAnswered(503)
    await writes.untilAnswered(503)
    await Promise.all([a.start(), b.start()])
    await untilNothingPends(config.adminUrl)
    await writes.untilAnswered(204)
  }
  await untilNothingPends(config.adminUrl)
  writes.assertArrived(a)
  writes.assertArrived(b)
})

test('a disk that others have filled: 503, and on by itself when there is room again', async (t) => {
  const disk = await openSmallDisk(t, { megabytes: 16 })
  if (disk === undefined) return
  await using influx = await openFakeInflux()
  const config = await relayConfig({ outputs: [influx.url], http: `log-dir = "${disk.path}/log"` })
  await using relay = await startRelayProcess({ config: config.toml, under: disk.under })
  const writes = new SequenceMap(relay, 20_000)
  await writes.untilAnswered(204)
  await disk.fill(0)
  await writes.untilAnswered(503)
  await untilNothingPends(config.adminUrl)
  writes.assertArrived(influx)
  await disk.free()
  await writes.untilAnswered(204)
  await untilNothingPends(config.adminUrl)
  writes.assertArrived(influx)
})

for (const full of ['no room', 'no inodes']) {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    test(`a start on a disk with ${full} after ${signal}: it drains, and answers 503 until there is`, async (t) => {
      const disk = await openSmallDisk(t, { megabytes: 16, inodes: 100 })
      if (disk === undefined) return
      await using influx = await openFakeInflux()
      await influx.stop()
      const config = await relayConfig({
        outputs: [`{ location = "${influx.url}/write", max-delay-interval = "200ms" }`],
        http: `log-dir = "${disk.path}/log"\nack = "log"`,
      })
      const started = () => startRelayProcess({ config: config.toml, under: disk.under })
      const client: { write: RelayProcess['write'] } = { write: () => Promise.reject() }
      const writes = new SequenceMap({ write: (lines) => client.write(lines) }, 20_000)
      {
        await using relay = await started()
        client.write = (lines) => relay.write(lines)
        for (let n = 0; n < 20; n++) assert.equal((await writes.write()).status, 204)
        await relay.kill(signal)
      }
      if (full === 'no room') await disk.fill(0)
      else await disk.useUpInodes()
      await influx.start()
      await using relay = await started()
      client.write = (lines) => relay.write(lines)
      await writes.untilAnswered(503)
      await untilNothingPends(config.adminUrl)
      writes.assertArrived(influx)
      await disk.free()
      await writes.untilAnswered(204)
      await untilNothingPends(config.adminUrl)
      writes.assertArrived(influx)
    })
  }
}

test('no file can be opened: 503 until one can, and nothing is lost', async (t) => {
  await using influx = await openFakeInflux()
  const folder = await temporaryFolder(t)
  const config = await relayConfig({ outputs: [influx.url], http: `log-dir = "${folder}"` })
  // Each new segment is one more file to be opened.
  await using relay = await startRelayProcess({ config: config.toml, program: SMALL_SEGMENTS })
  using client = openWriteClient(relay.url)
  const writes = new SequenceMap({ write: (lines) => client.write(String(lines)) }, 20_000)
  await writes.untilAnswered(204)
  const limitFiles = (count: number) =>
    execFileSync('prlimit', ['--pid', String(relay.pid), `--nofile=${count}:4096`])
  limitFiles(3) // Those that are open stay so.
  await writes.untilAnswered(503)
  limitFiles(4096)
  await writes.untilAnswered(204)
  await untilNothingPends(config.adminUrl)
  writes.assertArrived(influx)
})

test('a file that may not grow any more (EFBIG) is followed by another', async (t) => {
  const opened = await openOne(await temporaryFolder(t))
  await using influx = opened.influx
  await using relay = opened.relay
  const writes = new SequenceMap(relay, 20_000)
  await writes.untilAnswered(204)
  execFileSync('prlimit', ['--pid', String(relay.pid), '--fsize=1500000:'])
  for (let segment = 0; segment < 3; segment++) {
    await writes.untilAnswered(503)
    await writes.untilAnswered(204)
  }
  await untilNothingPends(opened.adminUrl)
  writes.assertArrived(influx)
})

test('a log-dir that cannot be written ends the start with one clear line', async (t) => {
  const folder = await temporaryFolder(t)
  const readOnly = 'mount -t tmpfs tmpfs "$0" && mkdir "$0/log" && mount -o remount,ro "$0"'
  const unwritable: readonly { folder: string; under: readonly string[]; error: RegExp }[] = [
    {
      folder: join(folder, 'log'),
      under: ['unshare', '-Urm', 'sh', '-c', `${readOnly} && exec "$@"`, folder],
      error: /EROFS|read-only/,
    },
    { folder: '/proc/nope', under: [], error: /ENOENT|no such/ },
    { folder: join(import.meta.filename, 'log'), under: [], error: /ENOTDIR|not a directory/ },
  ]
  for (const { folder, under, error } of unwritable) {
    const config = await relayConfig({
      outputs: ['http://127.0.0.1:1'],
      http: `log-dir = "${folder}"`,
    })
    const { code, logs } = await runRelay({ config: config.toml, under })
    assert.equal(code, 1)
    const [line = '', ...more] = logs.filter(({ raw }) => raw === true).map(({ msg }) => msg)
    assert.deepEqual(more, [], 'more than one line')
    assert(line.startsWith('relay: ') && line.includes(folder), line)
    assert.match(line, error)
  }
})
