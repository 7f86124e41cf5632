/**
 * G5: a 204 is kept. Here: by a folder that another relay has, or that somebody or a bad disk has
 * changed while no relay ran.
 *
 * A second relay ends with a clear line and touches nothing. Damage is no reason not to start:
 * every record that is intact is delivered, the rest is said and kept for people. Only what a newer
 * version has written is refused, and left as it is.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  cp,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { basename, join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { type FakeInflux, openFakeInflux } from '../support/fake-influx.ts'
import { readMetrics, sumOf, untilNothingPends } from '../support/metrics.ts'
import { relayConfig, type TestRelayConfig } from '../support/relay-config.ts'
import { type RelayProcess, runRelay, startRelayProcess } from '../support/relay-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'

const SMALL_SEGMENTS = join(import.meta.dirname, '../support/small-segments-program.ts')
const WRITES = 30
/** Several writes a segment, several segments. */
const WRITE_BYTES = 20_000
const PADDING = 'x'.repeat(WRITE_BYTES)

async function writeNumbers(relay: RelayProcess, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) {
    assert.equal((await relay.write(`m n=${n}i,s="${PADDING}" ${n}\n`)).status, 204)
  }
}

function numbersIn({ received }: FakeInflux): number[] {
  const lines = received.matchAll(/^m n=(\d+)i,s="x*" (\d+)$/gm)
  const numbers = [...lines].map(([, n, time]) => (n === time ? Number(n) : Number.NaN))
  return [...new Set(numbers)]
}

interface Setting {
  readonly folder: string
  readonly influx: FakeInflux
  readonly config: TestRelayConfig
  /** Whole paths, oldest first. */
  readonly segments: readonly string[]
}

/** What a relay leaves that is killed: made once, and copied for each test. */
let original: Promise<string> | undefined
const madeUntilTheEnd: (() => Promise<void>)[] = []
after(() => Promise.all(madeUntilTheEnd.map((remove) => remove())))

async function makeBacklog(): Promise<string> {
  const folder = await temporaryFolder({ after: (remove) => madeUntilTheEnd.push(remove) })
  const config = await relayConfig({
    outputs: ['http://127.0.0.1:1'],
    http: `log-dir = "${folder}"`,
  })
  await using relay = await startRelayProcess({ config: config.toml, program: SMALL_SEGMENTS })
  await writeNumbers(relay, 1, WRITES)
  await relay.kill('SIGKILL')
  return folder
}

/** A folder with a backlog of WRITES in several segments, whose output is down, as is the relay. */
async function backlogged(t: TestContext): Promise<Setting> {
  original ??= makeBacklog()
  const folder = await temporaryFolder(t)
  // Without the lock, which names the folder that it was in.
  const filter = (path: string) => !/\/lock$|\.sock$/.test(path)
  await cp(await original, folder, { recursive: true, filter })
  const influx = await openFakeInflux()
  t.after(() => influx[Symbol.asyncDispose]())
  const config = await relayConfig({
    outputs: [`{ location = "${influx.url}/write" }`],
    http: `log-dir = "${folder}"`,
  })
  await influx.stop()
  const segments = await segmentsIn(folder)
  assert(segments.length >= 4, `${segments.length} segments`)
  return { folder, influx, config, segments }
}

async function segmentsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.seg'))
  return files.map(({ name }) => join(folder, name)).sort()
}

async function flipByte(path: string, at: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[at] = (bytes[at] ?? 0) ^ 0xff
  await writeFile(path, bytes)
}

/** Of every file: what is in it. */
async function contentsOf(folder: string): Promise<Record<string, string>> {
  const contents: Record<string, string> = {}
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    contents[path] = createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
  }
  return contents
}

/** Starts on what is there, and lets everything be delivered. @returns what it said */
async function startAndDrain({ folder, influx, config }: Setting): Promise<string> {
  await using relay = await startRelayProcess({ config: config.toml, program: SMALL_SEGMENTS })
  await influx.start()
  await writeNumbers(relay, WRITES + 1, WRITES + 10)
  await influx.receives(` n=${WRITES + 10}i`)
  await untilNothingPends(config.adminUrl)
  // Nothing of the damage pins what is delivered.
  const isTrimmed = async () => (await segmentsIn(folder)).length === 1
  await until(isTrimmed, { what: 'the log is trimmed' })
  const samples = await readMetrics(config.adminUrl)
  assert.equal(sumOf(samples, 'relay_output_lines_total', { outcome: 'refused' }), 0)
  assert.deepEqual(await relay.kill('SIGTERM'), { code: 0, signal: null })
  return relay.output
}

/** All that were acknowledged, less these; nothing else; in order. */
function assertDelivered({ influx }: Setting, lost: (n: number) => boolean): void {
  const all = Array.from({ length: WRITES + 10 }, (_, index) => index + 1)
  assert.deepEqual(
    numbersIn(influx),
    all.filter((n) => !lost(n)),
  )
}

test('a second relay on a folder ends with a clear line, and the first goes on', async (t) => {
  const folder = await temporaryFolder(t)
  await using influx = await openFakeInflux()
  const options = { outputs: [influx.url], http: `log-dir = "${folder}"` }
  const config = await relayConfig(options)
  await using relay = await startRelayProcess({ config: config.toml })
  await writeNumbers(relay, 1, 3)
  const isBeat = (path: string) => basename(path) === 'lock' || path.includes('cursors')
  const still = (contents: Record<string, string>) =>
    Object.fromEntries(Object.entries(contents).filter(([path]) => !isBeat(path)))
  const before = await contentsOf(folder)
  const second = await runRelay({ config: (await relayConfig(options)).toml })
  assert.equal(second.code, 1)
  const told = second.logs.filter(({ raw }) => raw === true).map(({ msg }) => msg)
  assert.deepEqual(told, [`relay: ${folder} is in use by another running relay`])
  assert.deepEqual(still(await contentsOf(folder)), still(before))
  await writeNumbers(relay, 4, 6)
  await influx.receives(' n=6i')
  assert.deepEqual(numbersIn(influx), [1, 2, 3, 4, 5, 6])
  // Once it has ended, another may have the folder, at once.
  await relay.kill('SIGKILL')
  await using third = await startRelayProcess({ config: config.toml })
  await writeNumbers(third, 7, 7)
})

test('a byte is flipped in the middle of a segment: that record is lost, and said', async (t) => {
  const setting = await backlogged(t)
  const [, second = ''] = setting.segments
  await flipByte(second, 1024 + 1.5 * WRITE_BYTES)
  const said = await startAndDrain(setting)
  const delivered = new Set(numbersIn(setting.influx))
  const lost = Array.from({ length: WRITES }, (_, index) => index + 1).filter(
    (n) => !delivered.has(n),
  )
  assert.equal(lost.length, 1)
  assertDelivered(setting, (n) => n === lost[0])
  assert(said.includes(basename(second)) && said.includes('quarantine'), said)
  const kept = await readdir(join(setting.folder, 'quarantine'))
  assert(kept.some((name) => name.startsWith(basename(second))))
})

test('a byte is flipped in each header: nothing is lost, its copy is read', async (t) => {
  const setting = await backlogged(t)
  for (const segment of setting.segments) await flipByte(segment, 60)
  await startAndDrain(setting)
  assertDelivered(setting, () => false)
})

test('the last segment is cut in the middle of a record: the others are delivered', async (t) => {
  const setting = await backlogged(t)
  const last = setting.segments.at(-1) ?? ''
  const cutAt = 1024 + 0.5 * WRITE_BYTES
  await truncate(last, cutAt)
  const first = Number.parseInt(basename(last), 16)
  const said = await startAndDrain(setting)
  assertDelivered(setting, (n) => n >= first && n <= WRITES)
  assert.match(said, /torn tail/)
})

test('the last segment has lost all its records: the others are delivered', async (t) => {
  const setting = await backlogged(t)
  const last = setting.segments.at(-1) ?? ''
  await truncate(last, 1024)
  const first = Number.parseInt(basename(last), 16)
  await startAndDrain(setting)
  assertDelivered(setting, (n) => n >= first && n <= WRITES)
})

test('the tail of the last segment is zeros: what is before it is delivered', async (t) => {
  const setting = await backlogged(t)
  const last = setting.segments.at(-1) ?? ''
  const bytes = await readFile(last)
  bytes.fill(0, 1024 + 0.5 * WRITE_BYTES)
  await writeFile(last, bytes)
  const first = Number.parseInt(basename(last), 16)
  await startAndDrain(setting)
  assertDelivered(setting, (n) => n >= first && n <= WRITES)
})

test('one of several segments is gone: the others are delivered, and it is said', async (t) => {
  const setting = await backlogged(t)
  const [, second = '', third = ''] = setting.segments
  const [from, to] = [second, third].map((path) => Number.parseInt(basename(path), 16))
  assert(from !== undefined && to !== undefined)
  await unlink(second)
  const said = await startAndDrain(setting)
  assertDelivered(setting, (n) => n >= from && n < to)
  assert(said.includes(`${basename(second)} is missing`), said)
})

test('all cursors are gone, and segments have other names: all is delivered', async (t) => {
  const setting = await backlogged(t)
  const { folder, segments } = setting
  await rm(join(folder, 'cursors'), { recursive: true, force: true })
  for (const [index, segment] of segments.entries()) {
    await rename(segment, join(folder, `${'f'.repeat(8)}${index.toString().padStart(8, '0')}.seg`))
  }
  await startAndDrain(setting)
  assertDelivered(setting, () => false)
})

test('alien files do no harm, and none is lost', async (t) => {
  const setting = await backlogged(t)
  const { folder } = setting
  await writeFile(join(folder, 'notes.txt'), 'mine')
  await writeFile(join(folder, '00000000000000ff.seg'), 'no segment')
  await writeFile(join(folder, '0000000000000fff.seg'), '')
  await mkdir(join(folder, '00000000000000fe.seg'))
  await symlink('/etc/hostname', join(folder, '00000000000000fd.seg'))
  await startAndDrain(setting)
  assertDelivered(setting, () => false)
  assert.equal(await readFile(join(folder, 'notes.txt'), 'utf8'), 'mine')
  assert.equal(await readlink(join(folder, '00000000000000fd.seg')), '/etc/hostname')
  const kept = await readdir(join(folder, 'quarantine'))
  assert.deepEqual(
    kept.map((name) => name.slice(0, 20)),
    ['00000000000000ff.seg'],
  )
})

test('a segment of a newer version: an error that names it, exit 1, nothing is touched', async (t) => {
  const setting = await backlogged(t)
  const { folder, config } = setting
  const name = '00000000000000ff.seg'
  await writeFile(join(folder, name), ofNextVersion(await readFile(setting.segments[0] ?? folder)))
  const isLock = (path: string) => basename(path).startsWith('lock')
  const still = (contents: Record<string, string>) =>
    Object.fromEntries(Object.entries(contents).filter(([path]) => !isLock(path)))
  const before = still(await contentsOf(folder))
  const { code, logs } = await runRelay({ config: config.toml })
  assert.equal(code, 1)
  const told = logs.filter(({ raw }) => raw === true).map(({ msg }) => msg)
  assert.equal(told.length, 1)
  const [line = ''] = told
  assert(line.startsWith('relay: ') && line.includes(join(folder, name)), line)
  assert.match(line, /newer version/)
  assert.deepEqual(still(await contentsOf(folder)), before)
  await unlink(join(folder, name))
  await startAndDrain(setting)
  assertDelivered(setting, () => false)
})

/** As docs/ has it: the checksum at 8 covers the header from its length at 12; version at 16. */
function ofNextVersion(segment: Buffer): Buffer {
  const bytes = Buffer.from(segment)
  bytes.writeUInt32LE(bytes.readUInt32LE(16) + 1, 16)
  bytes.writeUInt32LE(crc32(bytes.subarray(12, bytes.readUInt32LE(12))), 8)
  return bytes
}
