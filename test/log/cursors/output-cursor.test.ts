// The rule of an output that writes to files: a cursor on the disk says which records are done and
// how long the file is, and the two belong together.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Cursor, CursorFile } from '../../../src/log/cursors/cursor-file.ts'
import { DoneRanges } from '../../../src/log/cursors/done-ranges.ts'
import type { FileCheckpoint } from '../../../src/log/cursors/file-checkpoint.ts'
import { type LogRange, OutputCursor } from '../../../src/log/cursors/output-cursor.ts'
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts'

const FOLDER = '/log/cursors'

interface Opened {
  readonly files: SimulatedFileSystem
  readonly outputCursor: OutputCursor
  saved(): Promise<Cursor | undefined>
}

const SINCE = 3

/** @param log what is in it: as a rule, all that was ever there and more than is done */
async function open(
  files = new SimulatedFileSystem(),
  log: LogRange = { firstSequence: 1, nextSequence: 100 },
): Promise<Opened> {
  const file = new CursorFile({ files, folder: FOLDER, output: 'a', isOwner: async () => true })
  const load = async () => {
    const loaded = await file.load()
    if (loaded.kind !== 'loaded') return undefined
    const { since, ...cursor } = loaded.cursor
    assert(since === undefined || since === SINCE)
    return cursor
  }
  const found = await load()
  const done = new DoneRanges(found?.doneBelow ?? 1, found?.done)
  const outputCursor = new OutputCursor({
    ...{ output: 'a', isConfigured: true, boundBytes: 1, since: SINCE },
    ...{ done, file, found, log },
  })
  return { files, outputCursor, saved: load }
}

function markAt(bytes: number, file = 'x', generation = 1): FileCheckpoint {
  return { file, bytes, generation }
}

/** Records were appended up to there, and are done. */
function write(
  outputCursor: OutputCursor,
  checkpoint: FileCheckpoint,
  ...sequences: number[]
): void {
  for (const sequence of sequences) outputCursor.done.add(sequence)
  outputCursor.noteWritten(checkpoint, sequences)
}

test('the length that is saved is that of the last verdict, with the records that are done', async () => {
  const { outputCursor, saved } = await open()
  outputCursor.begin(markAt(0))
  write(outputCursor, markAt(10), 1, 2)
  write(outputCursor, markAt(25), 3)
  assert.equal(await outputCursor.save(), undefined)
  const cursor = { output: 'a', doneBelow: 4, done: [], files: [{ file: 'x', bytes: 25 }] }
  assert.deepEqual(await saved(), cursor)
  assert.equal(outputCursor.savedBelow, 4)
})

test('while a record stands in the file and is not done, the cursor stays as it was', async () => {
  const { outputCursor, saved } = await open()
  outputCursor.begin(markAt(0))
  write(outputCursor, markAt(10), 1)
  await outputCursor.save()
  outputCursor.noteWritten(markAt(20), [2]) // Half of it.
  write(outputCursor, markAt(30), 3)
  await outputCursor.save()
  assert.deepEqual((await saved())?.files, [{ file: 'x', bytes: 10 }])
  assert.equal(outputCursor.savedBelow, 2)
  outputCursor.done.add(2) // Its dead letter is on the disk, for example.
  await outputCursor.save()
  assert.deepEqual(await saved(), {
    output: 'a',
    doneBelow: 4,
    done: [],
    files: [{ file: 'x', bytes: 30 }],
  })
})

test('what happens while a save is under way is not in it', async () => {
  const { outputCursor, saved } = await open()
  outputCursor.begin(markAt(0))
  write(outputCursor, markAt(10), 1)
  outputCursor.done.add(5)
  const saving = outputCursor.save()
  await new Promise(setImmediate)
  write(outputCursor, markAt(20), 2, 7)
  await saving
  assert.deepEqual(await saved(), {
    output: 'a',
    doneBelow: 2,
    done: [[5, 5]],
    files: [{ file: 'x', bytes: 10 }],
  })
})

test('a file is noted with what was saved last, and stays until a record in it is done', async () => {
  const { outputCursor, saved } = await open()
  outputCursor.begin(markAt(3))
  await outputCursor.noteOpened(markAt(3))
  assert.deepEqual(await saved(), {
    output: 'a',
    doneBelow: 1,
    done: [],
    files: [{ file: 'x', bytes: 3 }],
  })
  write(outputCursor, markAt(10), 1)
  await outputCursor.save()
  write(outputCursor, markAt(20), 2)
  await outputCursor.noteOpened(markAt(0, 'y', 2))
  const opened = [
    { file: 'x', bytes: 10 },
    { file: 'y', bytes: 0 },
  ]
  assert.deepEqual(await saved(), { output: 'a', doneBelow: 2, done: [], files: opened })
  await outputCursor.save()
  const files = [
    { file: 'x', bytes: 20 },
    { file: 'y', bytes: 0 },
  ]
  assert.deepEqual(await saved(), { output: 'a', doneBelow: 3, done: [], files })
  write(outputCursor, markAt(5, 'y', 2), 3)
  await outputCursor.save()
  assert.deepEqual((await saved())?.files, [{ file: 'y', bytes: 5 }])
})

test('the same file may be noted again, shorter: others have cut it', async () => {
  const { outputCursor, saved } = await open()
  outputCursor.begin(markAt(0))
  write(outputCursor, markAt(10), 1)
  await outputCursor.save()
  await outputCursor.noteOpened(markAt(4, 'x', 2))
  const files = [
    { file: 'x', bytes: 10 },
    { file: 'x', bytes: 4 },
  ]
  assert.deepEqual((await saved())?.files, files)
  write(outputCursor, markAt(8, 'x', 2), 2)
  await outputCursor.save()
  assert.deepEqual((await saved())?.files, [{ file: 'x', bytes: 8 }])
})

test('a file that the cursor knows as it is need not be noted', async () => {
  const before = await open()
  before.outputCursor.begin(markAt(0))
  write(before.outputCursor, markAt(10), 1)
  await before.outputCursor.save()
  const { files, outputCursor } = await open(before.files)
  outputCursor.begin(markAt(10))
  const { length } = files.trace
  await outputCursor.noteOpened(markAt(10))
  assert.equal(files.trace.length, length)
  await outputCursor.noteOpened(markAt(11))
  assert(files.trace.length > length)
})

test('noting fails when the cursor cannot be written, and can be done again', async () => {
  const { files, outputCursor, saved } = await open()
  outputCursor.begin(markAt(0))
  files.fault = (call) => (call === 'sync' ? { code: 'EIO' } : undefined)
  await assert.rejects(outputCursor.noteOpened(markAt(0)), { code: 'EIO' })
  assert.equal(await saved(), undefined)
  assert.equal(outputCursor.savedBelow, 0)
  files.fault = () => undefined
  await outputCursor.noteOpened(markAt(0))
  assert.deepEqual((await saved())?.files, [{ file: 'x', bytes: 0 }])
})

test('until the files are open the cursor keeps what it says of them', async () => {
  const before = await open()
  before.outputCursor.begin(markAt(0))
  write(before.outputCursor, markAt(10), 1)
  await before.outputCursor.save()
  const { outputCursor, saved } = await open(before.files)
  assert.deepEqual(outputCursor.extents, [{ file: 'x', bytes: 10 }])
  outputCursor.done.add(2)
  await outputCursor.save()
  const files = [{ file: 'x', bytes: 10 }]
  assert.deepEqual(await saved(), { output: 'a', doneBelow: 3, done: [], files })
})

test('an output that writes to no file any more forgets those that it had', async () => {
  const before = await open()
  before.outputCursor.begin(markAt(0))
  write(before.outputCursor, markAt(10), 1)
  await before.outputCursor.save()
  const { outputCursor, saved } = await open(before.files)
  outputCursor.begin(undefined)
  await outputCursor.save()
  assert.deepEqual((await saved())?.files, [])
})

test('nothing is to be cut when nothing is owed, or when the log has not all of it: it would not come again', async () => {
  const before = await open()
  before.outputCursor.begin(markAt(0))
  write(before.outputCursor, markAt(10), 1, 2)
  await before.outputCursor.save()
  const check = async (firstSequence: number, nextSequence: number, expected: Cursor['files']) => {
    const { outputCursor } = await open(before.files, { firstSequence, nextSequence })
    assert.deepEqual(outputCursor.extents, expected, `log from ${firstSequence} to ${nextSequence}`)
  }
  await check(1, 3, [])
  await check(1, 4, [{ file: 'x', bytes: 10 }])
  await check(3, 4, [{ file: 'x', bytes: 10 }])
  await check(4, 9, [])
  await check(0, 9, [])
})

test('what a cursor cannot hold is not left out: it stays as it was', async () => {
  const { outputCursor, saved } = await open()
  outputCursor.begin(markAt(0))
  for (let sequence = 2; sequence <= 200_002; sequence += 2) outputCursor.done.add(sequence)
  outputCursor.noteWritten(markAt(10), [])
  await outputCursor.save()
  assert.equal(await saved(), undefined)
  outputCursor.done.add(1)
  await outputCursor.save()
  assert.equal((await saved())?.done.length, 100_000)
})
