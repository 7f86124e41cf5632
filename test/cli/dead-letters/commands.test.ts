// Goal: a person sees what was refused and why, never a password, and changes nothing by accident
// nor beside a running relay. Method: real folders; the real admin server with made-up handlers.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { chown, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { DeadLetterHandlers } from '../../../src/admin/dead-letter-requests.ts'
import { openAdmin } from '../../../src/admin/server.ts'
import { postToAdmin } from '../../../src/cli/admin-client.ts'
import { dead, deadAt } from '../../../src/cli/dead-letters/dead.ts'
import type { DeadOptions } from '../../../src/cli/dead-letters/parse-dead-arguments.ts'
import { type DeadPlaces, findPlaces, placesOf } from '../../../src/cli/dead-letters/places.ts'
import { renderTime } from '../../../src/cli/dead-letters/text.ts'
import { loadConfig } from '../../../src/cli/load-config.ts'
import { deadFolder } from '../../../src/dead-letters/folder.ts'
import { nodeFileSystem } from '../../../src/log/file-system.ts'
import { lockFolder } from '../../../src/log/lock/folder-lock.ts'
import { systemClock } from '../../../src/std/clock.ts'
import { writeTarget } from '../../../src/write/write.ts'
import { type CapturedIo, capturedIo } from '../../support/captured-io.ts'
import {
  bodiesOf,
  deadLetter,
  openTestDeadLetters,
  SECRET,
} from '../../support/dead-letter-fixture.ts'
import { silentLogger } from '../../support/disk-log-fixture.ts'
import { outputSnapshot, relaySnapshot, serviceSnapshot } from '../../support/service-snapshot.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const NONE: DeadOptions = {
  action: 'list',
  configPath: undefined,
  folder: undefined,
  relay: undefined,
  output: undefined,
  limit: undefined,
  ageMinMs: undefined,
  isJson: false,
  isConfirmed: false,
}

const files = nodeFileSystem

function openStore(logFolder: string, output: string) {
  return openTestDeadLetters(files, { logFolder, output })
}

/** Output a with three letters, b with one. */
async function logWithLetters(t: TestContext): Promise<string> {
  const logFolder = await temporaryFolder(t)
  await using a = await openStore(logFolder, 'a')
  await a.append(deadLetter('cpu,host=x usage="full" 1\n'))
  await a.append(deadLetter('cpu,host=y usage="full" 2\ncpu usage="\u001b[31m" 3\n'))
  const reason = `unable to parse\u0007: ${'x'.repeat(500)}`
  const deadAtMs = 1_700_000_600_000
  await a.append(deadLetter('odd 1 1\n', { reason, status: 422, deadAtMs, tries: 1 }))
  await using b = await openStore(logFolder, 'b')
  await b.append(deadLetter(Buffer.from([0xff, 0x0a])))
  return logFolder
}

async function run(
  folder: string,
  options: Partial<DeadOptions>,
): Promise<CapturedIo & { code: number }> {
  const io = capturedIo()
  const code = await dead({ ...NONE, folder, ...options }, io)
  for (const text of [io.out(), io.err()]) assert(!text.includes(SECRET.slice(6)), text)
  return { ...io, code }
}

test('list counts by output, database and reason', async (t) => {
  const folder = await logWithLetters(t)
  const { code, out } = await run(folder, {})
  assert.equal(code, 0)
  assert.match(
    out(),
    new RegExp(
      [
        '^output "a": 3 letters, 4 lines, [\\d.]+ kB on disk',
        '  oldest 2023-11-14T22:14:20.000Z, newest 2023-11-14T22:23:20.000Z',
        '  letters  lines  status  database       reason',
        '        2      3     400  telegraf.week  partial write: field type conflict',
        '        1      1     422  telegraf.week  unable to parse\\\\x07: x{98}.*…',
        'output "b": 1 letter, 1 line, [\\d.]+ kB on disk',
      ].join('\\n'),
    ),
  )
  const json = (await run(folder, { isJson: true, output: 'a' })).out().trimEnd().split('\n')
  assert.equal(json.length, 1)
  const summary = JSON.parse(json[0] ?? '')
  assert.deepEqual(
    [summary.output, summary.letters, summary.lines, summary.oldest, summary.groups[0].letters],
    ['a', 3, 4, '2023-11-14T22:14:20.000Z', 2],
  )
})

test('list tells of damage, of many reasons, and of nothing at all', async (t) => {
  const folder = await temporaryFolder(t)
  assert.equal((await run(folder, {})).out(), `no dead letters in ${folder}\n`)
  assert.equal(
    (await run(folder, { output: 'z' })).out(),
    `no dead letters of output "z" in ${folder}\n`,
  )
  assert.equal((await run(folder, { isJson: true })).out(), '')
  {
    await using store = await openStore(folder, 'a')
    const letters = Array.from({ length: 1100 }, (_, index) =>
      store.append(deadLetter('m v=1 1\n', { reason: `reason ${index}`, status: 0 })),
    )
    await Promise.all(letters)
  }
  const path = join(deadFolder(folder, 'a'), '0000000000000001.seg')
  const bytes = await readFile(path)
  bytes[1100] = (bytes[1100] ?? 0) ^ 1
  await writeFile(path, bytes)
  await writeFile(join(deadFolder(folder, 'a'), '00000000000000ff.seg'), 'x'.repeat(2000))
  await mkdir(join(folder, 'dead', 'empty'))
  const { out } = await run(folder, {})
  assert.match(out(), /1099 letters/)
  assert.match(out(), /\n +99 +99 +- +\(other reasons\)\n/)
  assert.match(out(), /\n {2}… and 981 more; -json has all\n/)
  assert.match(out(), /\n {2}note: 00000000000000ff\.seg has no intact header/)
  assert.match(out(), /\n {2}note: 2\.\d kB of damage was passed over\n/)
})

test('show prints letters with their lines, harmless to a terminal', async (t) => {
  const folder = await logWithLetters(t)
  const { out, err } = await run(folder, { action: 'show', output: 'a', limit: 2 })
  assert.equal(
    out(),
    `output "a", letter 1
  database "telegraf", retention policy "week", precision s
  received 2023-11-14T22:13:20.000Z, refused 2023-11-14T22:14:20.000Z, after 2 tries
  400 partial write: field type conflict
    cpu,host=x usage="full" 1
output "a", letter 2
  database "telegraf", retention policy "week", precision s
  received 2023-11-14T22:13:20.000Z, refused 2023-11-14T22:14:20.000Z, after 2 tries
  400 partial write: field type conflict
    cpu,host=y usage="full" 2
    cpu usage="\\x1b[31m" 3
`,
  )
  assert.equal(err(), 'there are more than 2; -limit N shows more\n')
  const none = await run(folder, { action: 'show', output: 'z' })
  assert.deepEqual([none.out(), none.err()], ['', `no dead letters of output "z" in ${folder}\n`])
})

test('show as JSON has every byte', async (t) => {
  const folder = await logWithLetters(t)
  const { out } = await run(folder, { action: 'show', isJson: true })
  const letters = out()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal(letters.length, 4)
  assert.deepEqual(letters[2], {
    relay: '',
    output: 'a',
    number: 3,
    sequence: 17,
    kind: 'lines',
    database: 'telegraf',
    retentionPolicy: 'week',
    precision: 's',
    status: 422,
    reason: `unable to parse\u0007: ${'x'.repeat(500)}`,
    tries: 1,
    receivedAt: '2023-11-14T22:13:20.000Z',
    deadAt: '2023-11-14T22:23:20.000Z',
    lineCount: 1,
    body: 'odd 1 1\n',
  })
  assert.equal(letters[3].bodyBase64, '/wo=')
})

test('an opaque body is named, not printed', async (t) => {
  const folder = await temporaryFolder(t)
  {
    await using store = await openStore(folder, 'a')
    const credentials = { authorization: SECRET, query: '' }
    const target = writeTarget({ database: 'd', retentionPolicy: '', precision: 'ns', credentials })
    const base = { target, body: Buffer.from([1, 2, 3]), lineCount: 1, receivedAtMs: 0 }
    const write = { kind: 'opaque' as const, ...base, headers: {} }
    await store.append(deadLetter('', { write, status: 0, tries: 1, deadAtMs: 1e300 }))
  }
  const { out } = await run(folder, { action: 'show' })
  assert.match(out(), /database "d", precision ns\n.*refused unknown, after 1 try\n {2}partial/)
  assert.match(out(), /\n {4}\(3 bytes; -json has them\)\n/)
})

test('purge deletes the letters of one output, once it is confirmed', async (t) => {
  const folder = await logWithLetters(t)
  const asked = await run(folder, { action: 'purge', output: 'a' })
  assert.equal(asked.code, 1)
  assert.match(
    asked.err(),
    /^relay: this deletes all dead letters of output "a" for good; add -yes/,
  )
  const young = await run(folder, {
    ...{ action: 'purge', output: 'a', isConfirmed: true },
    ageMinMs: systemClock.wallMs() - 1_700_000_500_000,
  })
  assert.equal(young.out(), 'deleted 2 letters with 3 lines of output "a"\n')
  const all = await run(folder, { action: 'purge', output: 'a', isConfirmed: true })
  assert.deepEqual([all.code, all.out()], [0, 'deleted 1 letter with 1 line of output "a"\n'])
  assert.match((await run(folder, {})).out(), /^output "b": 1 letter/)
  const none = await run(folder, { action: 'purge', output: 'z', isConfirmed: true })
  assert.deepEqual(
    [none.code, none.err()],
    [1, `relay: no dead letters of output "z" in ${folder}\n`],
  )
})

test('purge writes nothing into a folder of another user', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('only root may give a folder away')
  const folder = await logWithLetters(t)
  await chown(folder, 54_321, 54_321)
  const { code, err } = await run(folder, { action: 'purge', output: 'a', isConfirmed: true })
  assert.equal(code, 1)
  assert.match(err(), /belongs to another user: run this as that user\n$/)
  assert.match((await run(folder, { output: 'a' })).out(), /^output "a": 3 letters/)
})

const CONFIG = `
[admin]
bind-addr = "127.0.0.1:PORT"
[[http]]
name = "r"
bind-addr = "127.0.0.1:9096"
output = [{ name = "a", location = "http://127.0.0.1:8086/write" }]
[[http]]
name = "memory"
bind-addr = "127.0.0.1:9196"
output = [{ name = "a", location = "http://127.0.0.1:8086/write" }]
`

/** As a configuration with `log-dir` for relay "r" would have it. */
async function configured(t: TestContext, logFolder: string, port: number) {
  const path = join(await temporaryFolder(t), 'relay.toml')
  await writeFile(path, CONFIG.replace('PORT', `${port}`))
  const { config } = loadConfig(path, {})
  const http = config.http.map((relay) =>
    relay.name === 'r' ? { ...relay, logDir: logFolder } : relay,
  )
  return { ...config, http }
}

async function placesFor(
  t: TestContext,
  logFolder: string,
  port: number,
  output = 'a',
): Promise<DeadPlaces> {
  const config = await configured(t, logFolder, port)
  const places = await placesOf(config, { relay: undefined, output }, files)
  assert(typeof places !== 'string')
  return places
}

/** Holds the folder as a relay does, and answers as one. */
async function runningRelay(logFolder: string, handlers: DeadLetterHandlers) {
  const lock = await lockFolder({
    ...{ folder: logFolder, clock: systemClock, logger: silentLogger, randomBytes },
    onLost: () => {},
  })
  const snapshot = serviceSnapshot({
    relays: [relaySnapshot({ name: 'r', outputs: [outputSnapshot({ name: 'a' })] })],
  })
  const admin = await openAdmin({
    clock: systemClock,
    ...{
      bindAddress: { kind: 'tcp', host: '127.0.0.1', port: 0 },
      isConfigured: true,
      logger: silentLogger,
    },
    snapshot: () => snapshot,
    deadLetters: handlers,
  })
  assert(admin)
  return {
    port: admin.address.port,
    async [Symbol.asyncDispose]() {
      await admin[Symbol.asyncDispose]()
      await lock[Symbol.asyncDispose]()
    },
  }
}

test('beside a running relay, list and show read, and purge asks it', async (t) => {
  const logFolder = await logWithLetters(t)
  await using store = await openStore(logFolder, 'a')
  const purge = async (_relay: string, _output: string, beforeMs: number | undefined) => {
    const removal = await store.purge(beforeMs)
    return 'failed' in removal ? { problem: String(removal.failed) } : removal
  }
  const replay = async () => ({ problem: 'not here' })
  await using relay = await runningRelay(logFolder, { purge, replay })
  const places = await placesFor(t, logFolder, relay.port)
  const io = capturedIo()
  assert.equal(await deadAt(places, { ...NONE, action: 'show' }, io), 0)
  assert.match(io.out(), /^output "a" of relay "r", letter 1\n/)

  const byFolder = await run(logFolder, { action: 'purge', output: 'a', isConfirmed: true })
  assert.equal(byFolder.code, 1)
  assert.match(
    byFolder.err(),
    /nothing was deleted: a running relay has the folder; give its -config/,
  )
  assert.equal((await bodiesOf(store)).length, 3)

  const options = { ...NONE, action: 'purge' as const, output: 'a', isConfirmed: true }
  const old = capturedIo()
  const ageMinMs = systemClock.wallMs() - 1_700_000_500_000
  assert.equal(await deadAt(places, { ...options, ageMinMs }, old), 0)
  assert.equal(old.out(), 'deleted 2 letters with 3 lines of output "a" of relay "r"\n')
  assert.equal(await deadAt(places, options, capturedIo()), 0)
  assert.deepEqual(await bodiesOf(store), [])

  const orphan = capturedIo()
  assert.equal(await deadAt(await placesFor(t, logFolder, relay.port, 'b'), options, orphan), 1)
  assert.match(orphan.err(), /nothing was deleted: relay "r" has no output "b"; it has: "a"\n$/)
})

test('replay warns, needs a yes, and has the running relay do it', async (t) => {
  const logFolder = await logWithLetters(t)
  const calls: string[][] = []
  let answer: { writes: number; lines: number } | { problem: string } = { writes: 3, lines: 4 }
  const replay = async (...names: string[]) => {
    calls.push(names)
    return answer
  }
  await using relay = await runningRelay(logFolder, {
    replay,
    purge: async () => ({ problem: '' }),
  })
  const places = await placesFor(t, logFolder, relay.port)
  const options = { ...NONE, action: 'replay' as const, output: 'a' }
  const asked = capturedIo()
  assert.equal(await deadAt(places, options, asked), 1)
  assert.match(asked.err(), /^warning: 3 letters with 4 lines would be written again to output "a"/)
  assert.match(
    asked.err(),
    /the old values replace the newer ones\nrelay: nothing was done; add -yes/,
  )
  assert.deepEqual(calls, [])

  const done = capturedIo()
  assert.equal(await deadAt(places, { ...options, isConfirmed: true }, done), 0)
  assert.match(done.out(), /^4 lines in 3 writes now wait for output "a" of relay "r"/)
  assert.deepEqual(calls, [['r', 'a']])

  answer = { problem: 'the backlog is full' }
  const full = capturedIo()
  assert.equal(await deadAt(places, { ...options, isConfirmed: true }, full), 1)
  assert.match(full.err(), /\nrelay: the backlog is full\n$/)

  const none = capturedIo()
  assert.equal(await deadAt({ ...places, places: [] }, options, none), 1)
  assert.match(none.err(), /^relay: no dead letters of output "a" in/)
})

test('replay says when there is nobody to ask', async (t) => {
  const logFolder = await logWithLetters(t)
  const places = await placesFor(t, logFolder, 0)
  const options = { ...NONE, action: 'replay' as const, output: 'a', isConfirmed: true }
  const off = capturedIo()
  assert.equal(await deadAt(places, options, off), 1)
  assert.match(
    off.err(),
    /the running relay cannot be asked: \[admin\] bind-addr names no fixed port\n$/,
  )
  const gone = capturedIo()
  const adminAddress = { kind: 'tcp', host: '127.0.0.1', port: 1 } as const
  assert.equal(await deadAt({ ...places, adminAddress }, options, gone), 1)
  assert.match(gone.err(), /http:\/\/127\.0\.0\.1:1 did not answer \(.+\); does the relay run\?\n$/)
})

test('a stranger at the admin address is told from a relay', async (t) => {
  const { createServer } = await import('node:http')
  const server = createServer((_request, response) => response.writeHead(404).end('<html>'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const answer = await postToAdmin(`http://127.0.0.1:${port}`, '/x', {})
  assert.match('problem' in answer ? answer.problem : '', /answered 404; is it a relay\?$/)
})

test('places come from the configuration, or from the folder of a log', async (t) => {
  const logFolder = await logWithLetters(t)
  const config = await configured(t, logFolder, 9097)
  const find = (relay?: string, output?: string) => placesOf(config, { relay, output }, files)
  const both = await find()
  assert(typeof both !== 'string')
  assert.deepEqual(
    both.places.map(({ relay, output }) => [relay, output]),
    [
      ['r', 'a'],
      ['r', 'b'],
    ],
  )
  assert.equal(await find('x'), 'there is no relay "x"; there are: "r", "memory"')
  assert.match(String(await find('memory')), /^without log-dir there are no dead letters/)

  const twice = {
    ...both,
    places: both.places.map((place, at) => ({ ...place, relay: `r${at}`, output: 'a' })),
  }
  const several = capturedIo()
  assert.equal(
    await deadAt(twice, { ...NONE, action: 'purge', output: 'a', isConfirmed: true }, several),
    1,
  )
  assert.match(
    several.err(),
    /several relays have an output "a" \("r0", "r1"\); choose one with -relay/,
  )

  const missing = await run(join(logFolder, 'none'), {})
  assert.equal(missing.code, 1)
  assert.match(missing.err(), /^relay: cannot read -dir .*none: ENOENT/)
  const path = join(await temporaryFolder(t), 'relay.toml')
  await writeFile(path, CONFIG.replace('PORT', '9097'))
  const found = await findPlaces({ ...NONE, configPath: path }, capturedIo(), files)
  assert.match(String(found), /^without log-dir/)
})

test('a folder that cannot be read is said, not thrown', async (t) => {
  const folder = await temporaryFolder(t)
  await symlink('dead', join(folder, 'dead'))
  const { code, err } = await run(folder, {})
  assert.equal(code, 1)
  assert.match(err(), /^relay: cannot use the dead letters: ELOOP: [^\n]+\n$/)
})

test('a time that is none is said to be unknown', () => {
  assert.equal(renderTime(Number.NaN), 'unknown')
})
