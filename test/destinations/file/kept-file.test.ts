// A file output with a log on disk: what a process that dies has written behind its cursor is cut
// off by the next one, in whatever file it stands by then, and nothing else ever is.
//
// Method: real files and a real cursor. A process that dies is one that is left alone: what it has
// open stays open, and another one is opened beside it.
import assert from 'node:assert/strict'
import {
  appendFile,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { FileOutputConfig } from '../../../src/config/config.ts'
import type { Destination, Payload, Verdict } from '../../../src/destinations/destination.ts'
import { openFileDestination } from '../../../src/destinations/file/file-destination.ts'
import { nodeOutputFiles, type OutputFiles } from '../../../src/destinations/file/output-files.ts'
import { CursorFile } from '../../../src/log/cursors/cursor-file.ts'
import { DoneRanges } from '../../../src/log/cursors/done-ranges.ts'
import { OutputCursor } from '../../../src/log/cursors/output-cursor.ts'
import { nodeFileSystem } from '../../../src/log/file-system.ts'
import { systemClock } from '../../../src/std/clock.ts'
import { lines, other } from '../../support/batches.ts'
import { keepingLogger } from '../../support/disk-log-fixture.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { until } from '../../support/wait.ts'

const CONTEXT = '# CONTEXT-DATABASE: d\n# CONTEXT-RETENTION-POLICY:\n'
const HEAD = `# DML\n${CONTEXT}`
/** Of files in which two lines of LONG find no room. */
const ROTATE_BYTES = 200
const LONG = 'x'.repeat(100)
/** Above all that is written here: something is always owed. */
const NEXT_SEQUENCE = 1_000

interface Options extends Partial<FileOutputConfig> {
  readonly files?: OutputFiles
  readonly nextSequence?: number
}

interface Kept {
  readonly destination: Destination
  readonly place: OutputCursor
  readonly log: readonly string[]
  send(payload: Payload): Promise<Verdict>
  /** Sends it and settles its record, as an output does. */
  write(sequence: number, payload: Payload | string): Promise<void>
  save(): Promise<void>
  /** Makes the checks that come once a second due. */
  passSecond(): void
}

/** The next process, in the same folder: `log/` and `out.lp`. */
async function open(t: TestContext, folder: string, options: Options = {}): Promise<Kept> {
  const { files = nodeOutputFiles, nextSequence = NEXT_SEQUENCE, ...changes } = options
  const isOwner = async () => true
  const cursors = { files: nodeFileSystem, folder: join(folder, 'log'), output: 'o', isOwner }
  const file = new CursorFile(cursors)
  const loaded = await file.load()
  const found = loaded.kind === 'loaded' ? loaded.cursor : undefined
  const done = new DoneRanges(found?.doneBelow ?? 1, found?.done)
  const inLog = { firstSequence: 1, nextSequence }
  const place = new OutputCursor({
    ...{ output: 'o', isConfigured: true, boundBytes: 1, since: 0 },
    ...{ done, file, found, log: inLog },
  })
  const { logger, lines: log } = keepingLogger()
  const path = join(folder, 'out.lp')
  const config: FileOutputConfig = {
    ...{ kind: 'file', name: 'o', location: `file:${path}`, path },
    ...{ bufferBytes: 1, batchMaxBytes: 1, timeoutMs: 1, delayMaxMs: 1, filters: [] },
    ...{ rotateBytes: 1_000_000, keepFiles: 5, ...changes },
  }
  let laterMs = 0
  const clock = { ...systemClock, monotonicMs: () => laterMs }
  const destination = await openFileDestination({ config, clock, logger, keeper: place, files })
  t.after(() => destination[Symbol.asyncDispose]())
  place.begin(destination.checkpoint)
  const send = (payload: Payload) => destination.send(payload, { onTimeout() {} })
  return {
    ...{ destination, place, log, send },
    async write(sequence, given) {
      const verdict = await send(typeof given === 'string' ? lines([given]) : given)
      assert(verdict.kind === 'delivered', JSON.stringify(verdict))
      place.done.add(sequence)
      if (verdict.checkpoint !== undefined) place.noteWritten(verdict.checkpoint, [sequence])
    },
    save: async () => assert.equal(await place.save(), undefined),
    passSecond: () => {
      laterMs += 1000
    },
  }
}

/** Name and content of all the output's files. */
async function filesIn(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter((name) => name.startsWith('out.lp')).sort()
  const read = async (name: string) => [name, await readFile(join(folder, name), 'utf8')]
  return Object.fromEntries(await Promise.all(names.map(read)))
}

const long = (name: string) => `${name},t=${LONG} v=1 1\n`

test('lines behind the saved cursor are cut off, which is told, and come again', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await open(t, folder)
  await first.write(1, 'a v=1 1\n')
  await first.save()
  await first.write(2, 'b v=1 2\n')
  const second = await open(t, folder)
  assert.deepEqual(await filesIn(folder), { 'out.lp': `${HEAD}a v=1 1\n` })
  assert.equal(
    second.log.join(),
    `output "o": the last 8 B of ${folder}/out.lp are newer than its cursor: ` +
      'they are cut off and written again',
  )
  await second.write(2, 'b v=1 2\n')
  assert.deepEqual(await filesIn(folder), { 'out.lp': `${HEAD}a v=1 1\n${CONTEXT}b v=1 2\n` })
})

test('before a cursor was ever saved, all that was appended is cut off', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'out.lp'), 'from a time without log-dir\n')
  const first = await open(t, folder)
  await first.write(1, 'a v=1 1\n')
  await open(t, folder)
  assert.deepEqual(await filesIn(folder), { 'out.lp': 'from a time without log-dir\n' })
})

test('files that were begun after the cursor was saved are emptied, the one before is cut', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await open(t, folder, { rotateBytes: ROTATE_BYTES })
  await first.write(1, other('statement', 'CREATE DATABASE "d"'))
  await first.write(2, 'a v=1 1\n')
  await first.save()
  await first.write(3, 'b v=1 1\n')
  for (const [index, name] of ['c', 'd'].entries()) await first.write(4 + index, long(name))
  assert.deepEqual(Object.keys(await filesIn(folder)), ['out.lp', 'out.lp.1', 'out.lp.2'])
  const second = await open(t, folder, { rotateBytes: ROTATE_BYTES })
  const ddl = '# DDL\nCREATE DATABASE "d"\n'
  const before = { 'out.lp.1': '', 'out.lp.2': `${ddl}${HEAD}a v=1 1\n` }
  assert.deepEqual(await filesIn(folder), { 'out.lp': '', ...before })
  // The statement stands at the head of every file, and is known to do so.
  await second.write(3, 'b v=1 1\n')
  assert.deepEqual(await filesIn(folder), { 'out.lp': `${ddl}${HEAD}b v=1 1\n`, ...before })
})

test('a statement that was cut off is written when it comes again', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await open(t, folder)
  await first.write(1, 'a v=1 1\n')
  await first.save()
  await first.write(2, other('statement', 'CREATE DATABASE "d"'))
  assert.deepEqual(Object.keys(await filesIn(folder)), ['out.lp', 'out.lp.1'])
  const second = await open(t, folder)
  await second.write(2, other('statement', 'CREATE DATABASE "d"'))
  assert.equal((await filesIn(folder))['out.lp'], '# DDL\nCREATE DATABASE "d"\n')
})

test('a file that others have renamed while it was written to is cut all the same', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await open(t, folder)
  await first.write(1, 'a v=1 1\n')
  await first.save()
  await first.write(2, 'b v=1 1\n')
  await rename(join(folder, 'out.lp'), join(folder, 'out.lp.1'))
  first.passSecond()
  await first.write(3, 'c v=1 1\n')
  await open(t, folder)
  assert.deepEqual(await filesIn(folder), { 'out.lp': '', 'out.lp.1': `${HEAD}a v=1 1\n` })
})

test('a file that the cursor does not know is left alone, and that lines may come twice is told', async (t) => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'out.lp')
  const first = await open(t, folder)
  await first.write(1, 'a v=1 1\n')
  await first.save()
  await first.write(2, 'b v=1 1\n')
  // Of the same content, and it may well get the number that the inode of the other one had.
  await copyFile(path, `${path}.kept`)
  await first.destination[Symbol.asyncDispose]()
  await rm(path)
  await writeFile(path, await readFile(`${path}.kept`))
  const before = await filesIn(folder)
  const second = await open(t, folder)
  assert.deepEqual(await filesIn(folder), before)
  assert.match(
    second.log.join(),
    /file that its cursor knows is no longer at .*; the last lines of that file may/,
  )
})

test('a file that others have cut is never lengthened, which is told', async (t) => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'out.lp')
  const first = await open(t, folder)
  for (const sequence of [1, 2, 3]) await first.write(sequence, 'a v=1 1\n')
  await first.save()
  await truncate(path, HEAD.length + 8)
  const second = await open(t, folder)
  assert.deepEqual(await filesIn(folder), { 'out.lp': `${HEAD}a v=1 1\n` })
  assert.match(second.log.join(), /out\.lp is 16 B shorter than its cursor says$/)
  await second.write(4, 'b v=1 1\n')
  await open(t, folder)
  // From here on, its length now is what counts.
  assert.deepEqual(await filesIn(folder), { 'out.lp': `${HEAD}a v=1 1\n` })
})

test('nothing is cut where nothing is owed: what others have appended would not come again', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await open(t, folder)
  await first.write(1, 'a v=1 1\n')
  await first.save()
  await appendFile(join(folder, 'out.lp'), 'of others\n')
  const second = await open(t, folder, { nextSequence: 2 })
  await second.write(2, 'b v=1 1\n')
  const text = `${HEAD}a v=1 1\nof others\n`
  assert.deepEqual(await filesIn(folder), { 'out.lp': `${text}${CONTEXT}b v=1 1\n` })
  await open(t, folder)
  assert.deepEqual(await filesIn(folder), { 'out.lp': text })
})

test('an output that goes on in another file leaves the former one as it is', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await open(t, folder)
  await first.write(1, 'a v=1 1\n')
  await first.save()
  await first.write(2, 'b v=1 1\n')
  const before = await filesIn(folder)
  const second = await open(t, folder, { path: join(folder, 'new.lp') })
  await second.write(2, 'b v=1 1\n')
  assert.deepEqual(await filesIn(folder), before)
  await open(t, folder, { path: join(folder, 'new.lp') })
  assert.equal(await readFile(join(folder, 'new.lp'), 'utf8'), '')
})

test('with one file to keep, what took the place of the full one is cut like any other', async (t) => {
  const folder = await temporaryFolder(t)
  const options = { rotateBytes: ROTATE_BYTES, keepFiles: 1 }
  const first = await open(t, folder, options)
  await first.write(1, long('a'))
  await first.save()
  await first.write(2, long('b'))
  assert.deepEqual(await filesIn(folder), { 'out.lp': HEAD + long('b') })
  await open(t, folder, options)
  assert.deepEqual(await filesIn(folder), { 'out.lp': '' })
})

test('nothing is appended before the cursor on the disk knows of the file', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'log'), 'no folder for cursors')
  const kept = await open(t, folder)
  const verdict = await kept.send(lines(['a v=1 1\n']))
  assert(verdict.kind === 'retry', JSON.stringify(verdict))
  assert.match(verdict.why, /ENOTDIR|EEXIST/)
  assert.deepEqual(await filesIn(folder), { 'out.lp': '' })
  await rm(join(folder, 'log'))
  await mkdir(join(folder, 'log'))
  await kept.write(1, 'a v=1 1\n')
  assert.deepEqual(await filesIn(folder), { 'out.lp': `${HEAD}a v=1 1\n` })
})

/** Files whose syncs go as the test says. */
function filesWithSync(sync: (real: () => Promise<void>) => Promise<void>): OutputFiles {
  return {
    ...nodeOutputFiles,
    async open(path) {
      const file = await nodeOutputFiles.open(path)
      return { ...file, sync: () => sync(() => file.sync()) }
    },
  }
}

test('a batch is delivered once it is synced; all that waited together go by one sync', async (t) => {
  const folder = await temporaryFolder(t)
  const gate = Promise.withResolvers<void>()
  let syncs = 0
  const files = filesWithSync(async (real) => {
    syncs++
    await gate.promise
    await real()
  })
  const { send } = await open(t, folder, { files })
  let delivered = 0
  const sent = Array.from({ length: 50 }, async (_, index) => {
    const verdict = await send(lines([`m,i=${index} v=1 1\n`], { db: `d${index}` }))
    assert.equal(verdict.kind, 'delivered')
    delivered++
  })
  await until(() => syncs > 0, { what: 'it is synced' })
  assert.equal(delivered, 0)
  gate.resolve()
  await Promise.all(sent)
  assert.equal(syncs, 1)
  const { 'out.lp': text = '' } = await filesIn(folder)
  assert.equal(text.match(/^m,i=\d+ v=1 1$/gm)?.length, 50)
})

test('what cannot be synced is taken back and tried again: another sync would prove nothing', async (t) => {
  const folder = await temporaryFolder(t)
  let isFailing = false
  const files = filesWithSync((real) =>
    isFailing ? Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' })) : real(),
  )
  const { send, write } = await open(t, folder, { files, rotateBytes: 2 * ROTATE_BYTES })
  await write(1, 'a v=1 1\n')
  const before = await filesIn(folder)
  isFailing = true
  const batches = [lines(['b v=1 1\n'], { db: 'e' }), lines([long('c')]), lines([long('d')])]
  for (const verdict of await Promise.all(batches.map(send))) {
    assert(verdict.kind === 'retry', JSON.stringify(verdict))
    assert.match(verdict.why, /out\.lp: EIO/)
  }
  assert.deepEqual(await filesIn(folder), before)
  isFailing = false
  for (const [index, payload] of batches.entries()) await write(2 + index, payload)
  const text = Object.values(await filesIn(folder)).join('')
  for (const name of ['b ', 'c,', 'd,']) assert.equal(text.split(`\n${name}`).length, 2)
  assert.match(text, /# CONTEXT-DATABASE: e\n# CONTEXT-RETENTION-POLICY:\nb v=1 1\n/)
})

test('a device is written to as ever, and the cursor knows nothing of it', async (t) => {
  const folder = await temporaryFolder(t)
  const { destination, write, save, place } = await open(t, folder, { path: '/dev/null' })
  await write(1, 'a v=1 1\n')
  await save()
  assert.equal(destination.checkpoint, undefined)
  assert.equal(place.savedBelow, 2)
  assert.deepEqual((await open(t, folder, { path: '/dev/null' })).place.extents, [])
})
