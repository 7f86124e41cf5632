import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import type { FileOutputConfig } from '../../../src/config/config.ts'
import type { Destination, Payload } from '../../../src/destinations/destination.ts'
import { openFileDestination } from '../../../src/destinations/file/file-destination.ts'
import { systemClock } from '../../../src/std/clock.ts'
import { RelayError } from '../../../src/std/errors.ts'
import type { Logger } from '../../../src/std/logger.ts'
import { Arrivals } from '../../support/arrivals.ts'
import { lines, other } from '../../support/batches.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const events = { onTimeout() {} }
const DELIVERED = { kind: 'delivered', body: '', lost: [] }

interface Output {
  readonly path: string
  readonly destination: Destination
  readonly log: Arrivals<string>
  /** Makes the checks that come once a second due. */
  passSecond(): void
  text(age?: number): Promise<string>
}

async function openOutput(
  t: TestContext,
  change: Partial<FileOutputConfig> & { folder?: string } = {},
): Promise<Output> {
  const {
    folder = await temporaryFolder(t),
    path = join(folder, 'sub', 'out.lp'),
    ...rest
  } = change
  const log = new Arrivals<string>((text) => text)
  const push = (_: unknown, message: string) => log.push(message)
  const logger: Logger = { debug: push, info: push, warn: push, error: push }
  const config: FileOutputConfig = {
    ...{ kind: 'file', name: 'o', location: `file:${path}`, path },
    ...{ bufferBytes: 1, batchMaxBytes: 1, timeoutMs: 1, delayMaxMs: 1, filters: [] },
    ...{ rotateBytes: 1_000_000, keepFiles: 3, ...rest },
  }
  let laterMs = 0
  const clock = { ...systemClock, monotonicMs: () => laterMs }
  const destination = await openFileDestination({ config, clock, logger })
  t.after(() => destination[Symbol.asyncDispose]())
  const text = (age = 0) => readFile(age === 0 ? path : `${path}.${age}`, 'utf8')
  return { path, destination, log, text, passSecond: () => (laterMs += 1000) }
}

const send = ({ destination }: Output, payload: Payload) => destination.send(payload, events)

test('lines stand below the database and retention policy they belong to, named when they change', async (t) => {
  const output = await openOutput(t)
  assert.deepEqual(await send(output, lines(['a v=1 1\n', 'b v=1 2\n'])), DELIVERED)
  await send(output, lines(['c v=1 3\n']))
  await send(output, lines(['d v=1 4\n'], { db: 'e e', rp: 'week' }))
  await send(output, lines(['e v=1 5\n']))
  assert.equal(
    await output.text(),
    `# DML
# CONTEXT-DATABASE: d
# CONTEXT-RETENTION-POLICY:
a v=1 1
b v=1 2
c v=1 3
# CONTEXT-DATABASE: e e
# CONTEXT-RETENTION-POLICY: week
d v=1 4
# CONTEXT-DATABASE: d
# CONTEXT-RETENTION-POLICY:
e v=1 5
`,
  )
})

test('timestamps are written in nanoseconds', async (t) => {
  const output = await openOutput(t)
  await send(output, lines(['a v=1 1500\n'], { precision: 'ms' }))
  await send(output, lines(['a v=1 1501\n'], { precision: 'ns' }))
  assert.match(await output.text(), /POLICY:\na v=1 1500000000\na v=1 1501\n$/)
})

test('streams that send side by side are appended whole, one after the other', async (t) => {
  const output = await openOutput(t, { rotateBytes: 10_000_000 })
  const sent = Array.from({ length: 50 }, (_, index) => {
    const line = `m,i=${index} v="${'x'.repeat(2000)}" 1\n`
    return send(output, lines([line.repeat(20)], { db: `d${index % 5}` }))
  })
  for (const verdict of await Promise.all(sent)) assert.deepEqual(verdict, DELIVERED)
  const text = await output.text()
  let database = ''
  const counts = new Map<string, number>()
  for (const line of text.trimEnd().split('\n')) {
    database = /^# CONTEXT-DATABASE: (.*)/.exec(line)?.[1] ?? database
    const index = /^m,i=(\d+) v="x{2000}" 1$/.exec(line)?.[1]
    assert(index !== undefined || line.startsWith('# '), line)
    if (index === undefined) continue
    assert.equal(database, `d${Number(index) % 5}`)
    counts.set(index, (counts.get(index) ?? 0) + 1)
  }
  assert.deepEqual([...counts.values()], Array(50).fill(20))
})

test('a file opened again goes on with a context of its own', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await openOutput(t, { folder })
  await send(first, lines(['a v=1 1\n']))
  await first.destination[Symbol.asyncDispose]()
  const second = await openOutput(t, { folder })
  await send(second, lines(['b v=1 2\n']))
  const context = '# CONTEXT-DATABASE: d\n# CONTEXT-RETENTION-POLICY:\n'
  assert.equal(await second.text(), `# DML\n${context}a v=1 1\n${context}b v=1 2\n`)
})

test('a torn tail is cut on opening, and told', async (t) => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'out.lp')
  await writeFile(path, '# DML\na v=1 1\nb v=')
  const output = await openOutput(t, { path })
  assert.equal(await output.text(), '# DML\na v=1 1\n')
  assert.match(output.log.items.join(), /ended within a line; its last 4 B are cut off/)
})

test('a full file is renamed, keepFiles are kept, and each begins with its own context', async (t) => {
  const output = await openOutput(t, { rotateBytes: 200, keepFiles: 3 })
  const context = '# DML\n# CONTEXT-DATABASE: d\n# CONTEXT-RETENTION-POLICY:\n'
  const line = (name: string) => `${name},t=${'x'.repeat(91)} v=1 1\n`
  // Left by a configuration that kept more.
  await writeFile(`${output.path}.3`, 'old')
  await writeFile(`${output.path}.4`, 'older')
  for (const name of ['a', 'b', 'c', 'd']) await send(output, lines([line(name)]))
  assert.deepEqual((await readdir(join(output.path, '..'))).sort(), [
    'out.lp',
    'out.lp.1',
    'out.lp.2',
  ])
  assert.equal(await output.text(0), context + line('d'))
  assert.equal(await output.text(1), context + line('c'))
  assert.equal(await output.text(2), context + line('b'))
  assert.equal(output.log.items.filter((each) => each.includes('is full')).length, 3)
})

test('a batch that fills the file to the last byte stays in it, one byte more begins a new one', async (t) => {
  const first = 'a v=1 1\n'
  const head = '# DML\n# CONTEXT-DATABASE: d\n# CONTEXT-RETENTION-POLICY:\n'
  const rotateBytes = head.length + 2 * first.length
  const output = await openOutput(t, { rotateBytes, keepFiles: 1 })
  await send(output, lines([first]))
  await send(output, lines([first]))
  assert.equal(await output.text(), head + first + first)
  // With only one file to keep, the new one takes its place.
  await send(output, lines(['b v=1 1\n']))
  assert.equal(await output.text(), `${head}b v=1 1\n`)
  assert.deepEqual(await readdir(join(output.path, '..')), ['out.lp'])
})

test('when the file cannot be renamed it keeps growing, and the log says so', async (t) => {
  const output = await openOutput(t, { rotateBytes: 100, keepFiles: 2 })
  const line = `a,t=${'x'.repeat(60)} v=1 1\n`
  // No file can be renamed to a folder with something in it.
  await mkdir(join(`${output.path}.1`, 'x'), { recursive: true })
  for (let sends = 0; sends < 3; sends++) {
    assert.deepEqual(await send(output, lines([line])), DELIVERED)
  }
  assert.equal((await output.text()).split(line).length - 1, 3)
  assert.equal(output.log.items.filter((each) => each.includes('keeps growing')).length, 1)
})

test('CREATE statements stand before the lines, of this file and of every later one, once', async (t) => {
  const output = await openOutput(t, { rotateBytes: 400, keepFiles: 9 })
  const statement = (text: string) => send(output, other('statement', text))
  assert.deepEqual(await statement('CREATE DATABASE "d"'), DELIVERED)
  assert.deepEqual(await statement('create database\n e ;\n'), DELIVERED)
  assert.deepEqual(await statement('CREATE DATABASE "d"'), DELIVERED)
  const ddl = '# DDL\nCREATE DATABASE "d"\ncreate database e\n'
  assert.equal(await output.text(), ddl)
  await send(output, lines(['a v=1 1\n']))
  const context = '# CONTEXT-DATABASE: d\n# CONTEXT-RETENTION-POLICY:\n'
  assert.equal(await output.text(), `${ddl}# DML\n${context}a v=1 1\n`)
  // Known: nothing to be done. New: below `# DML` it would be taken for a line, so a new file.
  assert.deepEqual(await statement('CREATE DATABASE "d"'), DELIVERED)
  assert.deepEqual(await statement('CREATE DATABASE "f"'), DELIVERED)
  assert.equal(await output.text(), `${ddl}CREATE DATABASE "f"\n`)
  assert.equal(await output.text(1), `${ddl}# DML\n${context}a v=1 1\n`)
  const long = `a v="${'x'.repeat(300)}" 1\n`
  await send(output, lines([long]))
  await send(output, lines([long]))
  assert.equal(await output.text(), `${ddl}CREATE DATABASE "f"\n# DML\n${context}${long}`)
})

test('statements that a file begins with are known after opening it again', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await openOutput(t, { folder })
  await send(first, other('statement', 'CREATE DATABASE "d"'))
  await send(first, lines(['a v=1 1\n']))
  await first.destination[Symbol.asyncDispose]()
  const second = await openOutput(t, { folder })
  await send(second, other('statement', 'CREATE DATABASE "d"'))
  assert.deepEqual(await readdir(join(second.path, '..')), ['out.lp'])
})

test('what the form cannot hold is refused for good, in clear words', async (t) => {
  const output = await openOutput(t)
  const check = async (payload: Payload, error: RegExp) => {
    const verdict = await send(output, payload)
    assert(verdict.kind === 'refused', JSON.stringify(verdict))
    assert.equal(verdict.reply.status, 400)
    assert.match(verdict.reply.error, error)
    assert.equal(verdict.isUnconfirmed, false)
  }
  await check(other('opaque', '\u0001'), /line protocol only/)
  await check(other('statement', 'DROP DATABASE d'), /only CREATE statements/)
  await check(other('statement', 'CREATE DATABASE d -- x\n; DROP'), /only CREATE statements/)
  await check(other('statement', 'CREATE DATABASE d; DROP DATABASE e'), /only CREATE statements/)
  await check(lines(['a v=1 1\n'], { db: 'a:b' }), /cannot name this database/)
  await check(lines(['a v=1 1\n'], { db: 'a\n# DML' }), /cannot name this database/)
  await check(lines(['a v=1 1\n'], { rp: ' x' }), /cannot name this database/)
  assert.equal(await output.text(), '')
})

test('statements are bounded in number', async (t) => {
  const output = await openOutput(t)
  for (let count = 0; count < 64; count++) {
    const verdict = await send(output, other('statement', `CREATE DATABASE d${count}`))
    assert.deepEqual(verdict, DELIVERED)
  }
  const verdict = await send(output, other('statement', 'CREATE DATABASE d64'))
  assert.equal(verdict.kind, 'refused')
})

test('a string with a newline cannot pass for a line or a context: nothing is kept until it is alone', async (t) => {
  const output = await openOutput(t)
  const bad = 'm s="x\n# CONTEXT-DATABASE: other\nn v=1 1" 1\n'
  for (const texts of [['a v=1 1\n', bad], [`a v=1 1\n${bad}b v=1 1\n`], [bad]]) {
    const verdict = await send(output, lines(texts))
    assert(verdict.kind === 'split')
    assert.equal(verdict.downTo, 'line')
    assert.match(verdict.reply.error, /newline/)
  }
  assert.equal(await output.text(), '')
})

test('a file that was renamed or removed by others is begun anew', async (t) => {
  const output = await openOutput(t)
  await send(output, lines(['a v=1 1\n']))
  await rename(output.path, `${output.path}.moved`)
  output.passSecond()
  await send(output, lines(['b v=1 1\n']))
  assert.match(await output.text(), /^# DML\n# CONTEXT-DATABASE: d\n.*\nb v=1 1\n$/)
  await unlink(output.path)
  output.passSecond()
  await send(output, lines(['c v=1 1\n']))
  assert.match(await output.text(), /^# DML\n# CONTEXT-DATABASE: d\n.*\nc v=1 1\n$/)
  assert.match(await readFile(`${output.path}.moved`, 'utf8'), /POLICY:\na v=1 1\n$/)
})

test('a file that was cut by others gets its context again', async (t) => {
  const output = await openOutput(t)
  await send(output, lines(['a v=1 1\n']))
  await truncate(output.path, 0)
  output.passSecond()
  await send(output, lines(['b v=1 1\n']))
  assert.match(await output.text(), /^# DML\n# CONTEXT-DATABASE: d\n.*\nb v=1 1\n$/)
})

test('a full disk means try again, and leaves nothing half-written', async (t) => {
  const output = await openOutput(t)
  await send(output, lines(['a v=1 1\n']))
  const before = await output.text()
  const handles = await fileHandles(output.path)
  // Half of the first buffer fits: as the disk fills up in the middle of a batch.
  let hasRoom = true
  async function half(this: FileHandle, buffers: Buffer[]): Promise<never> {
    const [first] = buffers
    if (hasRoom && first !== undefined) await this.write(first.subarray(0, first.length / 2))
    hasRoom = false
    throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
  }
  const full = t.mock.method(handles, 'writev', half)
  const verdict = await send(output, lines(['b v=1 1\n'], { db: 'e' }))
  full.mock.restore()
  assert.deepEqual(verdict, {
    kind: 'retry',
    why: `${output.path}: ENOSPC: no space left on device`,
    retryAfterMs: undefined,
    hasBegun: false,
    isDown: false,
    evidence: 'none',
  })
  assert.equal(await output.text(), before)
  assert.deepEqual(await send(output, lines(['b v=1 1\n'], { db: 'e' })), DELIVERED)
  const context = '# CONTEXT-DATABASE: e\n# CONTEXT-RETENTION-POLICY:\n'
  assert.equal(await output.text(), `${before}${context}b v=1 1\n`)
})

// Goal: taking a failed append back must not lengthen the file, which would fill it with NULs.
// Method: others cut the file (logrotate, copytruncate) just before an append that fails half-way.
test('a file that was cut by others during a failing append is begun anew, without NULs', async (t) => {
  const output = await openOutput(t)
  for (let sends = 0; sends < 9; sends++) await send(output, lines(['a v=1 1\n']))
  const handles = await fileHandles(output.path)
  async function cutByOthers(this: FileHandle, buffers: Buffer[]): Promise<never> {
    await truncate(output.path, 0)
    await this.write(Buffer.concat(buffers).subarray(0, 3))
    throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
  }
  const full = t.mock.method(handles, 'writev', cutByOthers)
  assert.equal((await send(output, lines(['b v=1 1\n']))).kind, 'retry')
  full.mock.restore()
  assert(!(await output.text()).includes('\0'))
  assert.deepEqual(await send(output, lines(['b v=1 1\n'])), DELIVERED)
  const head = '# DML\n# CONTEXT-DATABASE: d\n# CONTEXT-RETENTION-POLICY:\n'
  assert.equal(await output.text(), `${head}b v=1 1\n`)
})

test('a device may be written to; a full one means try again', async (t) => {
  const none = await openOutput(t, { path: '/dev/null', rotateBytes: 10 })
  for (let sends = 0; sends < 3; sends++) {
    assert.deepEqual(await send(none, lines(['a v=1 1\n'])), DELIVERED)
  }
  const full = await openOutput(t, { path: '/dev/full' })
  const verdict = await send(full, lines(['a v=1 1\n']))
  assert(verdict.kind === 'retry')
  assert.match(verdict.why, /ENOSPC/)
  assert((await stat('/dev/null')).isCharacterDevice())
})

test('a place that cannot be written to is told on opening', async (t) => {
  const folder = await temporaryFolder(t)
  const check = async (path: string) =>
    await assert.rejects(openOutput(t, { path }), (error) => {
      assert(error instanceof RelayError)
      assert.equal(error.code, 'RELAY_OUTPUT_UNUSABLE')
      assert(error.message.includes(path))
      return true
    })
  await check(folder)
  await writeFile(join(folder, 'file'), '')
  await check(join(folder, 'file', 'below'))
  // Nobody reads it: a write would wait for ever.
  await promisify(execFile)('mkfifo', [join(folder, 'pipe')])
  await check(join(folder, 'pipe'))
})

test('it is always there, and closing waits for what was sent', async (t) => {
  const output = await openOutput(t)
  assert.equal((await output.destination.probe()).isAnswered, true)
  const sent = send(output, lines(['a v=1 1\n']))
  await output.destination[Symbol.asyncDispose]()
  assert.deepEqual(await sent, DELIVERED)
  assert.match(await output.text(), /a v=1 1\n$/)
})

/** What all open files have in common, for faults that no test can bring about on a real disk. */
async function fileHandles(path: string): Promise<{ writev(buffers: Buffer[]): Promise<unknown> }> {
  await using handle = await open(path, 'r')
  return Object.getPrototypeOf(handle)
}
