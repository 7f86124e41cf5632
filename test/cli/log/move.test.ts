/** Export, import and adopt: what moves pending writes from one place to another. */
import assert from 'node:assert/strict'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parseArguments } from '../../../src/cli/arguments/parse-arguments.ts'
import { ImportParser, type ImportPiece } from '../../../src/cli/log/import-parser.ts'
import { runLogCommand } from '../../../src/cli/log/run-log-command.ts'
import { lockFolder } from '../../../src/log/lock/folder-lock.ts'
import { readOwner } from '../../../src/log/lock/lock-file.ts'
import { systemClock } from '../../../src/std/clock.ts'
import { capturedIo } from '../../support/captured-io.ts'
import { silentLogger } from '../../support/disk-log-fixture.ts'
import { openInfluxd, requireInfluxd } from '../../support/influxd.ts'
import { type LogOnDisk, openLogOnDisk, PASSWORD, recordOf } from '../../support/log-on-disk.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const NO_VARIABLES: Readonly<Record<string, string>> = {}

async function relayLog(args: readonly string[], variables = NO_VARIABLES) {
  const parsed = parseArguments(['log', ...args])
  assert(parsed.kind === 'log', JSON.stringify(parsed))
  const io = capturedIo(variables)
  const code = await runLogCommand(parsed.command, io)
  assert(!(io.out() + io.err()).includes(PASSWORD), 'credentials are shown')
  return { code, out: io.out(), err: io.err() }
}

async function refused(args: string[], message: RegExp, code = 'RELAY_USAGE') {
  await assert.rejects(relayLog(args), { name: 'RelayError', code, message })
}

test('export writes what is owed in the form of influx -import, in nanoseconds', async (t) => {
  const log = await openLogOnDisk(t)
  await log.append(recordOf({ body: 'm v=1 1\n' }))
  await log.append(recordOf({ body: 'm v=2 2\n', precision: 's' }))
  await log.append(recordOf({ body: 'm v=3 3\n', precision: 'ms' }))
  await log.append(recordOf({ body: 'm v=4 4\n', database: 'other', retentionPolicy: 'week' }))
  await log.append(recordOf({ body: 'm v=5 5\n', output: 'a' }))
  await log.saveCursor({ output: 'a', doneBelow: 5 })
  await log.saveCursor({ output: 'b', doneBelow: 2, done: [[3, 3]] })

  const { code, out, err } = await relayLog(['export', '-output', 'b', '-config', log.configPath])
  const context = '# CONTEXT-DATABASE: db\n# CONTEXT-RETENTION-POLICY:\n'
  const other = '# CONTEXT-DATABASE: other\n# CONTEXT-RETENTION-POLICY: week\n'
  assert.equal(out, `# DML\n${context}m v=2 2000000000\n${other}m v=4 4\n`)
  assert.match(
    err,
    /^exported 2 writes, 2 lines, 25 B; left out 0 writes and 0 lines of others; dam/,
  )
  assert.equal(code, 0)

  const all = await relayLog(['export', '-config', log.configPath])
  assert.equal(all.out, `# DML\n${context}m v=2 2000000000\n${other}m v=4 4\n${context}m v=5 5\n`)
  await refused(
    ['export', '-output', 'c', '-config', log.configPath],
    /no output "c"; it knows "a", "b"$/,
  )
})

test('what the form cannot hold is left out, counted and named', async (t) => {
  const log = await openLogOnDisk(t)
  await log.append(recordOf({ kind: 'statement', body: 'CREATE DATABASE "x"' }))
  await log.append(recordOf({ kind: 'opaque', body: 'snappy' }))
  await log.append(recordOf({ body: 'm v="a\nb" 1\nm v="c" 2\n', lineCount: 2 }))
  await log.append(recordOf({ body: 'm v="a\nb" 1\n' }))
  await log.append(recordOf({ body: 'm v=1 1\n', database: 'a:b' }))
  const { code, out, err } = await relayLog(['export', '-dir', log.folder])
  assert.match(out, /^# DML\n.*\n.*\nm v="c" 2\n$/)
  assert.match(err, /^record 1 is left out: it is a statement: CREATE DATABASE "x"$/m)
  assert.match(err, /^record 2 is left out: it is a body of 6 B that is no line protocol, for /m)
  assert.match(err, /^record 3: left out 1 line with a newline in a string$/m)
  assert.match(
    err,
    /^record 5 is left out: the form cannot name its database or policy: "a:b", ""$/m,
  )
  assert.match(err, /^exported 1 write, 1 line, 10 B; left out 3 writes and 2 lines of others; /m)
  assert.equal(code, 0)
})

test('an export to a file is for its owner only, and replaces nothing', async (t) => {
  const log = await openLogOnDisk(t)
  await log.append(recordOf({ body: 'm v=1 1\n' }))
  const path = join(await temporaryFolder(t), 'pending.txt')
  const { out } = await relayLog(['export', path, '-dir', log.folder])
  assert.equal(out, '')
  assert.match(await readFile(path, 'utf8'), /\nm v=1 1\n$/)
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  await refused(['export', path, '-dir', log.folder], /pending\.txt exists already and is left/)
})

/** All pieces, whatever the reads that the file comes in. */
function parsed(text: string, fromLine: number, readBytes: number): ImportPiece[] {
  const parser = new ImportParser(fromLine)
  const bytes = Buffer.from(text)
  const pieces: ImportPiece[] = []
  for (let at = 0; at < bytes.length; at += readBytes) {
    pieces.push(...parser.push(bytes.subarray(at, at + readBytes)))
  }
  return [...pieces, ...parser.end()]
}

function briefly(pieces: readonly ImportPiece[]): string[] {
  return pieces.map((piece) => {
    if (piece.kind !== 'lines') return `${piece.kind} ${piece.firstLine}`
    const { database, retentionPolicy, firstLine, lastLine, body } = piece
    return `${database}/${retentionPolicy} ${firstLine}-${lastLine} ${body}`
  })
}

test('a file is cut at its contexts, whatever the reads that it comes in', () => {
  const text = [
    '# DDL',
    'CREATE DATABASE "a"',
    '# DML',
    '# CONTEXT-DATABASE: a',
    'm v=1 1',
    '# a comment',
    'm v=2 2',
    '# CONTEXT-DATABASE: a',
    '',
    'm v=3 3',
    '# CONTEXT-RETENTION-POLICY: week',
    'm v=4 4',
  ].join('\n')
  for (let readBytes = 1; readBytes <= text.length; readBytes++) {
    assert.deepEqual(briefly(parsed(text, 1, readBytes)), [
      'statement 2',
      'a/ 5-10 m v=1 1\nm v=2 2\nm v=3 3\n',
      'a/week 12-12 m v=4 4\n',
    ])
  }
  assert.deepEqual(briefly(parsed(text, 10, 7)), ['a/ 10-10 m v=3 3\n', 'a/week 12-12 m v=4 4\n'])
})

test('a name or a statement that is not UTF-8 is unusable: nothing goes to another database', () => {
  const unusable = (text: string) => {
    const parser = new ImportParser(1)
    const pieces = [...parser.push(Buffer.from(text, 'latin1')), ...parser.end()]
    return pieces.map((piece) => (piece.kind === 'unusable' ? piece.why : piece.kind))
  }
  const head = '# DML\n# CONTEXT-DATABASE: a\n'
  assert.deepEqual(unusable('CREATE DATABASE "k\xf6ln"\n'), ['it is not UTF-8'])
  assert.deepEqual(unusable('# DML\n# CONTEXT-DATABASE: k\xf6ln\n'), ['it is not UTF-8'])
  assert.deepEqual(unusable(`${head}m v=1 1\n# CONTEXT-RETENTION-POLICY: \xff\n`), [
    'lines',
    'it is not UTF-8',
  ])
  assert.deepEqual(unusable(`${head}# a comment: \xff\nm,t=\xff v=1 1\n`), ['lines'])
})

test('a piece has at most 5000 lines and a megabyte; what belongs nowhere is unusable', () => {
  const head = '# DML\n# CONTEXT-DATABASE: a\n'
  const counts = (text: string) =>
    parsed(head + text, 1, 1000).map((piece) => (piece.kind === 'lines' ? piece.lineCount : 0))
  assert.deepEqual(counts('m v=1 1\n'.repeat(12_000)), [5000, 5000, 2000])
  assert.deepEqual(counts(`${'m'.repeat(600_000)} v=1 1\n`.repeat(3)), [1, 1, 1])
  assert.deepEqual(briefly(parsed('# DML\nm v=1 1\n', 1, 5)), ['unusable 2'])
  assert.deepEqual(briefly(parsed('m v=1 1\n', 1, 5)), ['unusable 1'])
  const drop = '# DDL\nDROP DATABASE a\nCREATE DATABASE a; DROP DATABASE b\n# DML\n'
  assert.deepEqual(briefly(parsed(drop, 1, 5)), ['unusable 2', 'unusable 3'])
})

/** A server that answers requests in turn, the last answer for all that follow. */
async function openServer(t: TestContext, answers: readonly [number, string][]) {
  const requests: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const [status, text] = answers[Math.min(requests.length, answers.length - 1)] ?? [500, '']
      const { authorization = '' } = request.headers
      requests.push([request.method, request.url, authorization, body].join(' '))
      response.writeHead(status).end(text)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  // Of a server on TCP the address is never a text.
  const { port } = server.address() as AddressInfo
  return { port, requests }
}

async function importable(t: TestContext): Promise<string> {
  const path = join(await temporaryFolder(t), 'pending.txt')
  const a = '# CONTEXT-DATABASE: a\nm v=1 1\n'
  const b = '# CONTEXT-DATABASE: b\n# CONTEXT-RETENTION-POLICY: week\nm v=2 2\n'
  await writeFile(path, `# DDL\nCREATE DATABASE "a"\n# DML\n${a}${b}`)
  return path
}

test('import stops at the first failure, says where, and goes on from there', async (t) => {
  const path = await importable(t)
  const failing = await openServer(t, [
    [200, '{"results":[{"statement_id":0}]}'],
    [204, ''],
    [400, '{"error":"partial write: \x1b[2J"}'],
  ])
  const url = `http://127.0.0.1:${failing.port}`
  const { code, out, err } = await relayLog(['import', path, url])
  assert.deepEqual([code, out], [1, ''])
  assert.match(
    err,
    /^relay: stopped at line 8 of .*pending\.txt \(lines 8 to 8, for database "b"\): /,
  )
  assert.match(err, /answered 400: {"error":"partial write: \\x1b\[2J"}; before it were sent /)
  assert.match(
    err,
    /1 statement and 1 line, 8 B; some .*\. Go on with: relay log .* -from-line 8\n$/,
  )
  assert.deepEqual(failing.requests, [
    'POST /query  q=CREATE+DATABASE+%22a%22',
    'POST /write?db=a  m v=1 1\n',
    'POST /write?db=b&rp=week  m v=2 2\n',
  ])

  const healed = await openServer(t, [[204, '']])
  const again = ['import', path, `http://127.0.0.1:${healed.port}/write`, '-from-line', '8']
  assert.equal((await relayLog(again)).out, `sent 1 line, 8 B to 127.0.0.1:${healed.port}\n`)
  assert.deepEqual(healed.requests, ['POST /write?db=b&rp=week  m v=2 2\n'])
})

test('a statement that is refused, a redirect and a server that is not there stop an import', async (t) => {
  const path = await importable(t)
  const stops = async (answers: [number, string][], message: RegExp) => {
    const { port } = await openServer(t, answers)
    const { code, err } = await relayLog(['import', path, `http://127.0.0.1:${port}`])
    assert.equal(code, 1)
    assert.match(err, message)
  }
  await stops(
    [[200, '{"results":[{"error":"no"}]}']],
    /line 2 of .*"a": .* answered 200.*\. To go on behind it: relay log import .* -from-line 3\n$/,
  )
  await stops(
    [
      [200, ''],
      [302, ''],
    ],
    /line 5 .* answered 302/,
  )
  await stops(
    [
      [200, ''],
      [503, 'later'],
    ],
    /line 5 .* answered 503: later/,
  )
  const { err } = await relayLog(['import', path, 'http://127.0.0.1:1', '-from-line', '5'])
  assert.match(err, /line 5 .* did not answer: /)
  await refused(
    ['import', path, `me:${PASSWORD}@h`],
    /^the second argument of import must be a URL/,
  )
  await refused(['import', path, `http://%ff:${PASSWORD}@h`], /^the URL has a user or password /)
  await refused(['import', `${path}.none`, 'http://h'], /ENOENT/, 'RELAY_LOG_UNUSABLE')
})

test('credentials come from the URL or the environment, and are not shown', async (t) => {
  const path = await importable(t)
  const basic = `Basic ${Buffer.from(`me:${PASSWORD}`).toString('base64')}`
  const check = async (userinfo: string, variables: Record<string, string>, expected: string) => {
    const { port, requests } = await openServer(t, [[204, '']])
    const url = `http://${userinfo}127.0.0.1:${port}`
    await relayLog(['import', path, url, '-from-line', '8'], variables)
    assert.deepEqual(requests, [`POST /write?db=b&rp=week ${expected} m v=2 2\n`])
  }
  await check(`me:${PASSWORD}@`, {}, basic)
  await check('', { INFLUX_USERNAME: 'me', INFLUX_PASSWORD: PASSWORD }, basic)
  await check('', { INFLUX_TOKEN: PASSWORD }, `Token ${PASSWORD}`)
})

test('what is exported and imported are the same points in a real InfluxDB', async (t) => {
  if (!requireInfluxd(t)) return
  await using influx = await openInfluxd(t)
  const log = await openLogOnDisk(t, { segmentBytes: 4096 })
  await influx.createDatabase('db')
  await influx.createDatabase('copy')
  for (let number = 1; number <= 200; number++) {
    const line = `cpu,host=h\\ ${number % 7} usage=${number},text="x,\\"y" ${1_700_000_000 + number}\n`
    const precision = number % 2 === 0 ? 's' : 'ms'
    await log.append(recordOf({ body: line, precision }))
    const answer = await influx.write(line, `db=copy&precision=${precision}`)
    assert.equal(answer.status, 204)
  }
  const path = join(await temporaryFolder(t), 'pending.txt')
  assert.equal((await relayLog(['export', path, '-dir', log.folder])).code, 0)
  const { code, err } = await relayLog(['import', path, influx.url])
  assert.deepEqual([code, err], [0, ''])
  const points = await influx.points('db')
  assert.equal(points.length, 200)
  assert.deepEqual(points, await influx.points('copy'))
})

/** The cursors' files with their content. */
async function cursorsOf({ folder }: LogOnDisk): Promise<Record<string, string>> {
  const names = await readdir(join(folder, 'cursors'))
  const contents = names.map(async (name): Promise<[string, string]> => {
    return [name, await readFile(join(folder, 'cursors', name), 'utf8')]
  })
  return Object.fromEntries(await Promise.all(contents))
}

test('adopt gives the new output the place of the old one, and nothing else changes', async (t) => {
  const log = await openLogOnDisk(t)
  for (const v of [1, 2, 3, 4]) await log.append(recordOf({ body: `m v=${v} 1\n` }))
  await log.saveCursor({ output: 'a', doneBelow: 4 })
  const files = [{ file: '7-1', bytes: 99 }]
  const place = { doneBelow: 2, done: [[3, 3]] as const, files, since: 1 }
  await log.saveCursor({ ...place, output: 'old' })
  const { code, out } = await relayLog(['adopt', 'old', 'b', '-config', log.configPath])
  assert.equal(code, 0)
  assert.match(out, /^output "b" gets what "old" was owed, from record 2 on, when the relay is /)
  assert.deepEqual(await log.cursorFile('b').load(), {
    kind: 'loaded',
    cursor: { ...place, output: 'b' },
  })
  assert.deepEqual(Object.keys(await cursorsOf(log)), ['a.cursor', 'b.cursor'])
  assert.deepEqual(
    (await readdir(log.folder)).filter((name) => !name.endsWith('.seg')),
    ['cursors', 'lock'],
  )
  assert.equal((await readOwner(log.folder))?.released, true, 'the lock is given back')
  const status = await relayLog(['status', '-config', log.configPath])
  assert.match(status.out, /\n {2}b +2 +2 +16 B/)
  assert.doesNotMatch(status.out, /"old"/)
})

test('adopt that was cut short is finished by doing it again', async (t) => {
  const log = await openLogOnDisk(t)
  for (const output of ['old', 'b']) await log.saveCursor({ output, doneBelow: 7 })
  assert.equal((await relayLog(['adopt', 'old', 'b', '-dir', log.folder])).code, 0)
  assert.deepEqual(Object.keys(await cursorsOf(log)), ['b.cursor'])
})

test('adopt refuses what would lose or repeat something, says what to do, and changes nothing', async (t) => {
  const log = await openLogOnDisk(t)
  await log.saveCursor({ output: 'a', doneBelow: 9 })
  await log.saveCursor({ output: 'old', doneBelow: 5 })
  await writeFile(join(log.folder, 'cursors', 'bad.cursor'), 'nonsense')
  const before = await cursorsOf(log)
  const config = ['-config', log.configPath]
  const unusable = 'RELAY_LOG_UNUSABLE'
  await refused(['adopt', 'old', 'old', ...config], /^OLD and NEW are the same output, "old"$/)
  await refused(
    ['adopt', 'old', 'c', ...config],
    /no output "c" \(it has "a", "b"\); give the output/,
  )
  await refused(['adopt', 'a', 'b', ...config], /^"a" is still configured/)
  await refused(
    ['adopt', 'none', 'b', ...config],
    /^output "none" has no cursor in .*status/,
    unusable,
  )
  await refused(
    ['adopt', 'bad', 'b', ...config],
    /bad\.cursor cannot be read: it does not/,
    unusable,
  )
  await refused(
    ['adopt', 'old', 'a', ...config],
    /^output "a" already has a cursor: .*a\.cursor; remove that file and adopt again/,
    unusable,
  )
  assert.deepEqual(await cursorsOf(log), before)
})

test('adopt keeps off a folder that a running relay has', async (t) => {
  const log = await openLogOnDisk(t)
  await log.saveCursor({ output: 'old', doneBelow: 5 })
  const before = await cursorsOf(log)
  await using _lock = await lockFolder({
    folder: log.folder,
    clock: systemClock,
    logger: silentLogger,
    randomBytes: (count) => Buffer.alloc(count, 7),
    onLost: () => {},
  })
  const config = ['-config', log.configPath]
  await refused(
    ['adopt', 'old', 'b', ...config],
    /in use by another running relay; stop it/,
    'RELAY_LOG_LOCKED',
  )
  assert.deepEqual(await cursorsOf(log), before)
  // Looking needs no lock.
  assert.equal((await relayLog(['status', ...config])).code, 0)
})
