/** What status, verify and dump say of logs in real folders. */
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseArguments } from '../../../src/cli/arguments/parse-arguments.ts'
import { runLogCommand } from '../../../src/cli/log/run-log-command.ts'
import { isSegmentName } from '../../../src/log/segments/segment-names.ts'
import { capturedIo } from '../../support/captured-io.ts'
import {
  configText,
  type LogOnDisk,
  openLogOnDisk,
  PASSWORD,
  recordOf,
} from '../../support/log-on-disk.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

async function relayLog(...args: string[]) {
  const parsed = parseArguments(['log', ...args])
  assert(parsed.kind === 'log', JSON.stringify(parsed))
  const io = capturedIo()
  const code = await runLogCommand(parsed.command, io)
  assert(!(io.out() + io.err()).includes(PASSWORD), 'credentials are shown')
  return { code, out: io.out(), err: io.err() }
}

async function refused(args: string[], message: RegExp, code = 'RELAY_USAGE') {
  await assert.rejects(relayLog(...args), { name: 'RelayError', code, message })
}

/** Four records of two lines; a is owed the last, b all, "old" the last two. */
async function openSample(t: Parameters<typeof openLogOnDisk>[0]): Promise<LogOnDisk> {
  const log = await openLogOnDisk(t)
  for (const number of [1, 2, 3, 4]) {
    const body = `cpu,host=h${number} usage=${number} ${number}\nmem free=1i ${number}\n`
    await log.append(recordOf({ body, lineCount: 2, precision: 's', retentionPolicy: 'week' }))
  }
  await log.saveCursor({ output: 'a', doneBelow: 2, done: [[2, 3]] })
  await log.saveCursor({ output: 'old', doneBelow: 3 })
  return log
}

async function damage(log: LogOnDisk, text: string): Promise<string> {
  const [name = ''] = (await readdir(log.folder)).filter(isSegmentName)
  const path = join(log.folder, name)
  const bytes = await readFile(path)
  bytes[bytes.indexOf(text)] = 0
  await writeFile(path, bytes)
  return path
}

test('status says per output what it is owed, and of which outputs nobody knows any more', async (t) => {
  const log = await openSample(t)
  const { code, out, err } = await relayLog('status', '-config', log.configPath)
  assert.deepEqual([code, err], [0, ''])
  assert.match(out, /^log of relay "main" in .*\n {2}records {5}4, 1 to 4\n/)
  assert.match(out, /\n {2}a +1 +2 +\d+ B +\d+\.\d d +done below 2 and 1 range ahead\n/)
  assert.match(out, /\n {2}b +4 +8 +\d+ B +\d+\.\d d +no cursor: all is sent again\n/)
  assert.match(
    out,
    /not in the configuration:\n {2}"old": is owed 2 writes, 4 lines, \d+ B, oldest/,
  )
  assert.match(out, /relay log adopt "old" NEW -config .*relay\.toml/)
})

test('a statement that only a cursor has any more is owed, and told by status and export', async (t) => {
  const log = await openSample(t)
  const credentials = { authorization: `Token ${PASSWORD}`, query: '' }
  const statement = { sequence: 0, database: 'db', ...credentials, receivedAtMs: 1_700_000_000_000 }
  const statements = [{ ...statement, text: 'CREATE DATABASE "db"' }]
  await log.saveCursor({ output: 'a', doneBelow: 5, statements })
  await log.saveCursor({ output: 'old', doneBelow: 5, statements })
  const { out } = await relayLog('status', '-config', log.configPath)
  assert.match(out, /\n {2}a +1 +1 +20 B +\d+\.\d d +done below 5, 1 statement in its cursor\n/)
  assert.match(out, /\n {2}"old": is owed 1 write, 1 line, 20 B, .*1 statement in its cursor\n/)
  const json = JSON.parse((await relayLog('status', '-json', '-dir', log.folder)).out)
  assert.deepEqual(
    json.outputs.map(
      ({ statementsInCursor }: { statementsInCursor: number }) => statementsInCursor,
    ),
    [1, 0, 1],
  )
  const exported = await relayLog('export', '-config', log.configPath, '-output', 'a')
  assert.match(exported.err, /^record 0 is left out: it is a statement: CREATE DATABASE "db"\n/)
  assert.match(exported.err, /exported 0 writes, 0 lines, 0 B; left out 1 write and 0 lines/)
  const all = await relayLog('export', '-config', log.configPath)
  assert.match(all.err, /exported 4 writes, 8 lines, \d+ B; left out 1 write and 0 lines/)
})

test('status as JSON has every key, for machines', async (t) => {
  const log = await openSample(t)
  await damage(log, 'cpu,host=h3')
  const { out } = await relayLog('status', '-json', '-dir', log.folder)
  const parsed: unknown = JSON.parse(out)
  assert(typeof parsed === 'object' && parsed !== null && 'outputs' in parsed)
  assert.partialDeepStrictEqual(parsed, {
    relay: null,
    folder: log.folder,
    segments: 1,
    records: 3,
    firstSequence: 1,
    lastSequence: 4,
    damage: { count: 1 },
    tornFiles: { count: 0, bytes: 0 },
    notes: [],
  })
  assert(Array.isArray(parsed.outputs))
  assert.partialDeepStrictEqual(parsed.outputs[2], {
    output: 'old',
    isConfigured: false,
    placeFrom: 'cursor',
    pendingWrites: 1,
    pendingLines: 2,
    doneBelow: 3,
  })
})

test('a folder without a log is told from a log without records', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'notes.txt'), 'of somebody else')
  for (const command of ['status', 'verify', 'dump', 'export']) {
    const said = /^there is no log in .*: it has neither segments .*; name the log-dir of a relay$/
    await refused([command, '-dir', folder], said, 'RELAY_LOG_UNUSABLE')
  }
  await writeFile(join(folder, 'lock'), '') // A relay runs, and has got nothing yet.
  const { out } = await relayLog('status', '-dir', folder)
  assert.match(out, /records {5}0\n {2}on disk {5}0 segments, 0 B\n/)
})

test('verify is content with a good log, and names file and offset of each damage', async (t) => {
  const log = await openSample(t)
  const good = await relayLog('verify', '-config', log.configPath)
  assert.match(
    good.out,
    /^no damage; good are 4 records \(\d+ B\) in 1 segment of .*, and 2 cursors/,
  )
  assert.equal(good.code, 0)

  const path = await damage(log, 'cpu,host=h2')
  const { code, out } = await relayLog('verify', '-config', log.configPath)
  const [first = '', last] = out.trimEnd().split('\n')
  assert(first.startsWith(`${path}: byte `))
  assert.match(first, /byte \d+: \d+ bytes are damaged$/)
  assert.match(last ?? '', /^1 problem; good are 3 records/)
  assert.equal(code, 1)
})

test('verify names cursors that cannot be read, and segments that are none', async (t) => {
  const log = await openSample(t)
  await writeFile(join(log.folder, 'cursors', 'x.cursor'), 'nonsense')
  await writeFile(join(log.folder, `${'0'.repeat(15)}9.seg`), 'nonsense')
  const { code, out } = await relayLog('verify', '-config', log.configPath)
  assert.match(out, /9\.seg: its header is damaged/)
  assert.match(out, /x\.cursor: it does not begin like a cursor/)
  assert.equal(code, 1)
})

test('dump shows one record a line, without credentials', async (t) => {
  const log = await openSample(t)
  const { code, out } = await relayLog('dump', '-dir', log.folder)
  const lines = out.trimEnd().split('\n')
  assert.equal(lines.length, 4)
  assert.match(
    lines[0] ?? '',
    /^1 2023-11-14T22:13:20\.000Z lines db="db" rp="week" precision=s lines=2 bytes=\d+ output=all credentials=Token:\*\*\*\+query:\*\*\*$/,
  )
  assert.equal(code, 0)
})

test('dump with lines shows nothing that a terminal would obey, and no password', async (t) => {
  const log = await openLogOnDisk(t)
  await log.append(recordOf({ body: 'm v="\x1b[2J\x9b\u202e" 1\n', database: 'd\x1b[2J\u202e' }))
  const user = `CREATE USER "u" WITH PASSWORD '${PASSWORD}'`
  await log.append(recordOf({ kind: 'statement', body: user }))
  await log.append(recordOf({ kind: 'opaque', body: PASSWORD, hasCredentials: false, output: 'b' }))
  const { out } = await relayLog('dump', '-lines', '-dir', log.folder)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  assert.doesNotMatch(out, /[\x1b\x9b\u202e]/)
  assert.match(out, / {4}m v="\\x1b\[2J/)
  assert.match(out, / {4}CREATE USER "u" WITH PASSWORD \*\*\*\n/)
  assert.match(out, /3 \S+ opaque .* output="b" credentials=none\n$/)
})

test('dump and export tell of damage and go on', async (t) => {
  const log = await openSample(t)
  await damage(log, 'cpu,host=h2')
  const { out, err } = await relayLog('dump', '-dir', log.folder)
  assert.equal(out.trimEnd().split('\n').length, 3)
  assert.match(err, /\.seg: byte \d+: \d+ bytes are no record \(damage\)\n/)
  const exported = await relayLog('export', '-dir', log.folder)
  assert.equal(exported.code, 1)
  assert.match(exported.err, /bytes are damaged; what was stored there is not exported/)
  assert.match(exported.out, /host=h3/)
})

test('what is not there is said with what to do', async (t) => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'relay.toml')
  const write = (...relays: Parameters<typeof configText>[0]) => writeFile(path, configText(relays))
  const outputs = ['a']

  await refused(
    ['status', '-config', join(folder, 'none.toml')],
    /no such file/,
    'RELAY_CONFIG_INVALID',
  )
  await refused(
    ['status', '-dir', join(folder, 'no')],
    /^there is no folder .*no$/,
    'RELAY_LOG_UNUSABLE',
  )
  await write({ name: 'one', folder: undefined, outputs })
  await refused(['status', '-dir', path], /is not a folder; name the one/, 'RELAY_LOG_UNUSABLE')
  await refused(['status', '-config', path], /^no relay in .* has a log-dir: .*-dir FOLDER$/)
  await refused(['status', 'one', '-config', path], /^relay "one" has no log-dir/)
  await refused(
    ['status', 'two', '-config', path],
    /^there is no relay "two" in .*; there is "one"$/,
  )
  const no = join(folder, 'no')
  await write({ name: 'one', folder: no, outputs }, { name: 'two', folder, outputs })
  await refused(
    ['status', '-config', path],
    /have a log-dir: "one", "two"\. Say which: -relay NAME$/,
  )
  await refused(
    ['status', 'one', '-config', path],
    /no, the log-dir of relay "one"; the relay makes it when it is started$/,
    'RELAY_LOG_UNUSABLE',
  )
  await mkdir(join(folder, 'cursors'))
  assert.equal((await relayLog('status', '-relay', 'two', '-config', path)).code, 0)
})

test('a folder that cannot be read is one line, not a stack', async (t) => {
  const log = await openSample(t)
  await rm(join(log.folder, 'cursors'), { recursive: true })
  await writeFile(join(log.folder, 'cursors'), 'a file')
  await refused(['verify', '-dir', log.folder], /^log verify: ENOTDIR/, 'RELAY_LOG_UNUSABLE')
})
