/**
 * G5: a 204 is kept, also over an upgrade. A log folder that an older release has left is opened,
 * and all that is owed in it is delivered: once, in order, the statements before what follows them.
 *
 * Method: each folder in test/fixtures/log-folders was left by the release in its name, which was
 * killed (test/support/log-folder-maker.ts); this program is started on a copy. One that this
 * program itself leaves is opened as well, so that what makes them does not rot.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { type FakeInflux, openFakeInflux } from '../support/fake-influx.ts'
import { copyKeptLog, fileLines, type KeptLog, requestLines } from '../support/kept-log.ts'
import { makeLogFolder } from '../support/log-folder-maker.ts'
import { readMetrics, sumOf, untilNothingPends } from '../support/metrics.ts'
import { relayConfig, type TestRelayConfig } from '../support/relay-config.ts'
import { type RelayProcess, startRelayProcess } from '../support/relay-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const ROOT = join(import.meta.dirname, '../..')
const FOLDERS = join(ROOT, 'test/fixtures/log-folders')

interface Opened {
  readonly kept: KeptLog
  /** A copy, in which the relay runs. */
  readonly folder: string
  readonly config: TestRelayConfig
  readonly relay: RelayProcess
  readonly servers: Readonly<Record<'a' | 'b', FakeInflux>>
}

/** Its servers are down. */
async function openKeptLog(
  from: string,
  folder: string,
  servers: Opened['servers'],
): Promise<Opened> {
  const kept = await copyKeptLog(from, folder)
  const outputs = [servers.a.url, servers.b.url, `file:${folder}/c.lp`]
  const config = await relayConfig({ outputs, http: `log-dir = "${folder}/log"` })
  const relay = await startRelayProcess({ config: config.toml })
  return { kept, folder, config, relay, servers }
}

async function runCommand(...args: string[]): Promise<string> {
  const main = ['src/main.ts', ...args]
  return (await promisify(execFile)(process.execPath, main, { cwd: ROOT })).stdout
}

async function assertDelivered({ config, servers, kept }: Opened): Promise<void> {
  await servers.a.start()
  await servers.b.start()
  await untilNothingPends(config.adminUrl)
  for (const output of ['a', 'b'] as const) {
    assert.deepEqual(requestLines(servers[output].requests), kept.owed[output], `output ${output}`)
  }
}

/** What stands in the file behind what the cursor knows comes again, and only that. */
async function assertFileContinues(from: string, { folder, relay, kept }: Opened): Promise<void> {
  const { bytes, lines } = kept.file
  const before = await readFile(join(from, 'c.lp'))
  assert(before.length > bytes)
  const told = relay.logs.find(({ msg }) => msg.includes('are newer than its cursor'))
  assert.equal(told?.['bytes'], before.length - bytes, relay.output)
  const after = await readFile(join(folder, 'c.lp'))
  assert.deepEqual(after.subarray(0, bytes), before.subarray(0, bytes))
  assert.deepEqual(await fileLines(folder), lines)
}

async function assertLettersListed({ folder, kept, config }: Opened): Promise<void> {
  const shown = (await runCommand('dead', 'show', '-dir', join(folder, 'log'), '-json')).trimEnd()
  const letters = shown.split('\n').map((line) => {
    const { output, database, reason, body } = JSON.parse(line)
    return { output, database, reason, body }
  })
  assert.deepEqual(letters, kept.letters)
  const samples = await readMetrics(config.adminUrl)
  assert.equal(sumOf(samples, 'relay_dead_letters'), kept.letters.length)
}

async function assertLettersReplayed({ relay, config, servers, kept }: Opened): Promise<void> {
  for (const output of ['a', 'b'] as const) {
    const server = servers[output]
    server.forget()
    const letters = kept.letters.filter((letter) => letter.output === output)
    assert(letters.length > 0)
    await runCommand('dead', 'replay', '-config', relay.configFile, '-output', output, '-yes')
    await untilNothingPends(config.adminUrl)
    assert.equal(server.received, letters.map(({ body }) => body).join(''))
    const left = sumOf(await readMetrics(config.adminUrl), 'relay_dead_letters', { output })
    assert.equal(left, 0)
  }
}

/** gaps.jsonl is for people. */
async function assertGapsTold(from: string, { folder }: Opened): Promise<void> {
  const gaps = await readFile(join(folder, 'log/gaps.jsonl'), 'utf8')
  assert.match(gaps, /^\{.*"output":"b".*\}\n/)
  assert.equal(gaps, await readFile(join(from, 'log/gaps.jsonl'), 'utf8'))
}

async function assertAllDelivered(from: string, t: TestContext): Promise<void> {
  await using a = await openFakeInflux()
  await using b = await openFakeInflux()
  await a.stop()
  await b.stop()
  const opened = await openKeptLog(from, await temporaryFolder(t), { a, b })
  const { relay, folder, config, kept } = opened
  {
    await using _ = relay
    await assertLettersListed(opened)
    await assertDelivered(opened)
    await assertFileContinues(from, opened)
    await assertLettersReplayed(opened)
    await assertGapsTold(from, opened)
    assert.equal((await relay.kill('SIGTERM')).code, 0)
    const unexpected = relay.logs.filter(({ level }) => level === 'error')
    assert.deepEqual(unexpected, [])
  }
  for (const server of [a, b]) server.forget()
  await using _ = await startRelayProcess({ config: config.toml })
  await untilNothingPends(config.adminUrl)
  assert.deepEqual([a.received, b.received], ['', ''])
  assert.deepEqual(await fileLines(folder), kept.file.lines)
}

for (const release of readdirSync(FOLDERS)) {
  test(`a log folder of ${release} is opened, and all of it delivered`, async (t) => {
    await assertAllDelivered(join(FOLDERS, release), t)
  })
}

test('so is one that this release was killed on', async (t) => {
  const folder = await temporaryFolder(t)
  await makeLogFolder({ program: 'src/main.ts', release: 'this', folder })
  await assertAllDelivered(folder, t)
})
