import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import {
  type Cursor,
  CursorFile,
  cursorName,
  highestSequence,
  loadAllCursors,
  parseCursor,
  renderCursor,
} from '../../../src/log/cursors/cursor-file.ts'
import { DoneRanges } from '../../../src/log/cursors/done-ranges.ts'
import { RelayError } from '../../../src/std/errors.ts'
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts'

const FOLDER = '/log/cursors'

function openCursor(files: SimulatedFileSystem, output = 'a', isOurs = true): CursorFile {
  return new CursorFile({ files, folder: FOLDER, output, isOwner: async () => isOurs })
}

function cursorAt(doneBelow: number, output = 'a'): Cursor {
  return { output, doneBelow, done: [], files: [] }
}

const range = fc
  .tuple(fc.nat(1000), fc.nat(1000))
  .map(([from, length]) => [from, from + length] as const)

const extent = fc
  .tuple(fc.string({ unit: 'binary' }), fc.maxSafeNat())
  .map(([file, bytes]) => ({ file, bytes }))

const cursor: fc.Arbitrary<Cursor> = fc
  .tuple(
    fc.string({ unit: 'binary' }),
    fc.maxSafeNat(),
    fc.array(range, { maxLength: 5 }),
    fc.array(extent, { maxLength: 3 }),
    fc.option(fc.record({ since: fc.maxSafeNat() }), { nil: {} }),
  )
  .map(([output, doneBelow, done, files, since]) => {
    return { output, doneBelow, done, files, ...since }
  })

test('what was saved is loaded', async () => {
  const property = fc.asyncProperty(cursor, async (given) => {
    const files = new SimulatedFileSystem()
    const file = openCursor(files, given.output)
    assert.deepEqual(await file.save(given), { kind: 'saved' })
    assert.deepEqual(await file.load(), { kind: 'loaded', cursor: given })
  })
  await fc.assert(property)
})

test('a cursor with any byte changed, and one cut at any length, is unreadable', () => {
  const text = renderCursor({
    output: 'a',
    doneBelow: 7,
    done: [[9, 12]],
    files: [{ file: '7-1', bytes: 100 }],
  })
  for (let at = 0; at < text.length; at++) {
    const char = String.fromCharCode(text.charCodeAt(at) ^ 1)
    assert.equal(typeof parseCursor(text.slice(0, at) + char + text.slice(at + 1)), 'string')
    assert.equal(typeof parseCursor(text.slice(0, at)), 'string')
  }
})

test('a cursor without files is one of an output without files; what is odd among them is passed over', () => {
  const parse = (fields: string) => {
    const json = `{"output":"a","doneBelow":7,"done":[[9,12]]${fields}}\n`
    return parseCursor(`line-relay cursor 1 ${crc32(json).toString(16).padStart(8, '0')}\n${json}`)
  }
  const cursorWith = (...files: Cursor['files']): Cursor => {
    return { output: 'a', doneBelow: 7, done: [[9, 12]], files }
  }
  assert.deepEqual(parse(''), cursorWith())
  // As it was before files were known.
  assert.deepEqual(parse(',"destinationBytes":null'), cursorWith())
  assert.deepEqual(parse(',"files":{}'), cursorWith())
  const odd = '[null,{},7,{"file":7,"bytes":1},{"file":"x","bytes":-1},{"file":"y","bytes":2}]'
  assert.deepEqual(parse(`,"files":${odd},"more":1`), cursorWith({ file: 'y', bytes: 2 }))
})

test('whatever stands in the file, loading says what it is and does not fail', async () => {
  const check = async (content: Buffer | undefined, kind: string) => {
    const files = new SimulatedFileSystem()
    if (content !== undefined) files.put(`${FOLDER}/a.cursor`, content)
    assert.equal((await openCursor(files).load()).kind, kind)
  }
  await check(undefined, 'missing')
  await check(Buffer.from(renderCursor(cursorAt(1))), 'loaded')
  await check(Buffer.alloc(0), 'unreadable')
  await check(Buffer.alloc(4096), 'unreadable')
  await check(Buffer.alloc(100, 0xff), 'unreadable')
  await check(Buffer.from(renderCursor(cursorAt(1, 'b'))), 'unreadable')
})

test('a cursor that is a link or cannot be read is unreadable', async () => {
  const files = new SimulatedFileSystem()
  files.fault = (call) => (call === 'open' ? { code: 'ELOOP' } : undefined)
  const loaded = await openCursor(files).load()
  assert(loaded.kind === 'unreadable')
  assert.match(loaded.why, /ELOOP/)
})

test('a save that fails leaves the former cursor, and says so', async () => {
  for (const call of ['open', 'write', 'sync', 'rename'] as const) {
    const files = new SimulatedFileSystem()
    const file = openCursor(files)
    await file.save(cursorAt(1))
    files.fault = (each) => (each === call ? { code: 'ENOSPC' } : undefined)
    assert.equal((await file.save(cursorAt(2))).kind, 'failed')
    files.fault = () => undefined
    const loaded = await file.load()
    assert(loaded.kind === 'loaded' && loaded.cursor.doneBelow === 1, call)
    assert.equal(files.openFiles, 0)
    assert.equal((await file.save(cursorAt(3))).kind, 'saved')
  }
})

test('saves are done one after the other; the last one stays', async () => {
  const files = new SimulatedFileSystem()
  const file = openCursor(files)
  const saves = [1, 2, 3, 4, 5].map((doneBelow) => file.save(cursorAt(doneBelow)))
  await Promise.all(saves)
  const loaded = await file.load()
  assert(loaded.kind === 'loaded')
  assert.equal(loaded.cursor.doneBelow, 5)
})

test('what is saved is the cursor as it was when that was asked for', async () => {
  const files = new SimulatedFileSystem()
  const file = openCursor(files)
  const done = new DoneRanges(5, [[9, 12]])
  const saved = file.save({ ...cursorAt(done.below), done: done.ranges })
  // Of one stream, say: if 7 came again and 14 did not, the older would overwrite the newer.
  done.addRange(5, 7)
  done.add(14)
  await saved
  const loaded = await file.load()
  assert.deepEqual(loaded.kind === 'loaded' && loaded.cursor.done, [[9, 12]])
})

test('after a power cut there is the former cursor or the new one, and the new one once saved', async () => {
  const files = new SimulatedFileSystem()
  const file = openCursor(files)
  const savedAt = [0]
  for (let doneBelow = 1; doneBelow <= 4; doneBelow++) {
    await file.save(cursorAt(doneBelow))
    savedAt.push(files.trace.length)
  }
  for (let at = 0; at <= files.trace.length; at++) {
    const atLeast = savedAt.findLastIndex((saved) => saved <= at)
    let isOdd = false
    const alternates = () => {
      isOdd = !isOdd
      return isOdd
    }
    for (const chooses of [() => true, () => false, alternates]) {
      const loaded = await openCursor(files.afterPowerCut(at, chooses)).load()
      const doneBelow = loaded.kind === 'loaded' ? loaded.cursor.doneBelow : 0
      assert.notEqual(loaded.kind, 'unreadable')
      assert(doneBelow === atLeast || doneBelow === atLeast + 1, `cut at ${at}`)
    }
  }
})

test('nothing is saved once the folder is another’s', async () => {
  const files = new SimulatedFileSystem()
  const result = await openCursor(files, 'a', false).save(cursorAt(1))
  assert(result.kind === 'failed' && result.error instanceof RelayError)
  assert.equal(result.error.code, 'RELAY_LOG_LOCKED')
  assert.deepEqual(files.trace, [])
})

test('all cursors are found, with a note on those that cannot be read', async () => {
  const files = new SimulatedFileSystem()
  assert.deepEqual(await loadAllCursors(files, FOLDER), { cursors: [], notes: [] })
  for (const [output, doneBelow] of [
    ['a', 1],
    ['an output that is gone', 2],
  ] as const) {
    await openCursor(files, output).save(cursorAt(doneBelow, output))
  }
  files.put(`${FOLDER}/broken.cursor`, Buffer.from('x'))
  files.put(`${FOLDER}/b.cursor.new`, Buffer.from('half a sa'))
  const { cursors, notes } = await loadAllCursors(files, FOLDER)
  assert.deepEqual(
    cursors.map(({ output }) => output),
    ['a', 'an output that is gone'],
  )
  assert.equal(notes.length, 1)
  assert.match(notes[0] ?? '', /broken\.cursor: it does not begin/)
})

test('each output has a file name of its own, whatever it is called', () => {
  const names = ['a', 'A', '', '.', '..', 'a/b', 'a%2Fb', '~', '\0', 'ü', 'x'.repeat(200), '\ud800']
  names.push('x'.repeat(201), 'x'.repeat(202), '😀'.repeat(100), 'a.cursor', '*', "'")
  const files = names.map(cursorName)
  assert.equal(new Set(files).size, names.length)
  for (const file of files) {
    assert.match(file, /^[\w%~-]*\.cursor$/)
    assert(file.length <= 210)
  }
})

test('the highest sequence of a cursor is above all that it has seen', () => {
  assert.equal(highestSequence(cursorAt(0)), -1)
  assert.equal(highestSequence(cursorAt(7)), 6)
  const ahead: Cursor = { ...cursorAt(7), done: [[9, 12]] }
  assert.equal(highestSequence(ahead), 12)
})
