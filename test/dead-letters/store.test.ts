// Goal: what an output refused for good is on the disk before anybody says so, is read whatever
// happens to the files, and is bounded. Method: a disk in memory with faults; real files last.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { deadFolder, findDeadFolders } from '../../src/dead-letters/folder.ts'
import { decodeLetter, letterContent } from '../../src/dead-letters/letter.ts'
import { replayLetters } from '../../src/dead-letters/replay.ts'
import { nodeFileSystem } from '../../src/log/file-system.ts'
import { writeTarget } from '../../src/write/write.ts'
import {
  bodiesOf,
  deadLetter,
  lettersOf,
  openTestDeadLetters,
  readBodies,
} from '../support/dead-letter-fixture.ts'
import { keepingLogger, LOG_FOLDER } from '../support/disk-log-fixture.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { SimulatedFileSystem } from '../support/simulated-file-system.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'

const FOLDER = deadFolder(LOG_FOLDER, 'a')
const FIRST = `${FOLDER}/0000000000000001.seg`
const BODIES = ['m v=1 1\n', 'm v=2 2\n', 'm v=3 3\nm v=4 4\n']

async function threeLetters(): Promise<Buffer> {
  const files = new SimulatedFileSystem()
  await using dead = await openTestDeadLetters(files)
  for (const body of BODIES) assert.equal(await dead.append(deadLetter(body)), 'kept')
  await dead[Symbol.asyncDispose]()
  return files.content(FIRST)
}

/** Where each record ends, found by its mark. */
function recordEnds(file: Buffer): number[] {
  const mark = file.subarray(1024, 1032)
  const starts: number[] = []
  for (let at = 1024; at >= 0; at = file.indexOf(mark, at + 1)) starts.push(at)
  return [...starts.slice(1), file.length]
}

test('a letter comes back as it was, with all that belongs to it', async () => {
  const files = new SimulatedFileSystem()
  await using dead = await openTestDeadLetters(files)
  const target = writeTarget({
    database: 'a "b"\u00e4',
    retentionPolicy: '',
    precision: 'us',
    credentials: { authorization: '', query: 'u=a&p=b' },
  })
  const base = { target, body: Buffer.from([0, 255, 10]), lineCount: 1, receivedAtMs: 12.5 }
  const letters = [
    deadLetter('m v=1 1\n'),
    deadLetter('', { write: { kind: 'statement', ...base } }),
    deadLetter('', { write: { kind: 'opaque', ...base, headers: { 'content-type': 'x' } } }),
  ]
  for (const letter of letters) assert.equal(await dead.append(letter), 'kept')
  const read = await lettersOf(dead)
  assert.deepEqual(
    read,
    letters.map((letter, index) => ({ number: index + 1, ...letter })),
  )
})

test('records that are no letters are passed over', () => {
  const content = letterContent(deadLetter('m v=1 1\n'))
  assert(content.kind === 'carried')
  const decode = (change: object) =>
    decodeLetter({ sequence: 1, bytes: 1, content: { ...content, ...change } })
  assert.notEqual(decode({}), undefined)
  for (const header of ['', 'x', '[]', 'null', '{}', '{"kind":"lines","precision":"w"}']) {
    assert.equal(decode({ header: Buffer.from(header) }), undefined, header)
  }
  assert.equal(decode({ version: 2 }), undefined)
  assert.equal(decode({ kindByte: 5 }), undefined)
  const cut = decodeLetter({
    sequence: 1,
    bytes: 1,
    content: letterContent(deadLetter('m v=1 1\n', { reason: 'x'.repeat(100_000) })),
  })
  assert.equal(cut?.reason.length, 4000)
})

test('a store without a letter leaves nothing behind', async () => {
  const files = new SimulatedFileSystem()
  await using dead = await openTestDeadLetters(files)
  assert.deepEqual(await bodiesOf(dead), [])
  assert.deepEqual(await dead.purge(undefined), { letters: 0, lines: 0 })
  assert.deepEqual(files.names(), [])
})

test('any one byte flipped costs at most the letter that it is in', async () => {
  const file = await threeLetters()
  const ends = recordEnds(file)
  for (let at = 0; at < file.length; at++) {
    const files = new SimulatedFileSystem()
    const flipped = Buffer.from(file)
    flipped[at] = (file[at] ?? 0) ^ (at % 2 === 0 ? 0xff : 0x01)
    files.put(FIRST, flipped)
    const lost = at < 1024 ? -1 : ends.findIndex((end) => at < end)
    const expected = BODIES.filter((_, index) => index !== lost)
    assert.deepEqual((await readBodies(files)).bodies, expected, `reader, byte ${at}`)
    await using dead = await openTestDeadLetters(files)
    assert.deepEqual(await bodiesOf(dead), expected, `store, byte ${at}`)
    assert.equal(await dead.append(deadLetter('new\n')), 'kept')
    assert.deepEqual(await bodiesOf(dead), [...expected, 'new\n'])
  }
})

test('a file cut at any length gives the letters before the cut', async () => {
  const file = await threeLetters()
  const ends = recordEnds(file)
  for (let length = 0; length <= file.length; length++) {
    const files = new SimulatedFileSystem()
    files.put(FIRST, file.subarray(0, length))
    const expected = BODIES.filter((_, index) => (ends[index] ?? 0) <= length)
    assert.deepEqual((await readBodies(files)).bodies, expected, `reader, cut at ${length}`)
    await using dead = await openTestDeadLetters(files)
    assert.deepEqual(await bodiesOf(dead), expected, `store, cut at ${length}`)
  }
})

test('damage is counted by whoever reads', async () => {
  const file = await threeLetters()
  const files = new SimulatedFileSystem()
  const damaged = Buffer.from(file)
  damaged[1100] = (file[1100] ?? 0) ^ 1
  files.put(FIRST, damaged)
  files.put(`${FOLDER}/0000000000000100.seg`, Buffer.alloc(2000, 'x'))
  files.put(`${FOLDER}/0000000000000200.seg`, Buffer.alloc(0))
  files.put(`${FOLDER}/note.txt`, Buffer.from('not ours'))
  const { bodies, reader } = await readBodies(files)
  assert.deepEqual(bodies, BODIES.slice(1))
  assert(reader.damagedBytes > 2000)
  assert.match(reader.problems.join(), /^0000000000000100\.seg has no intact header/)
  await using dead = await openTestDeadLetters(files)
  assert.deepEqual(await bodiesOf(dead), BODIES.slice(1))
  assert(dead.snapshot().damagedBytes > 0)
})

test('a newer version is refused by the store, and said by the reader', async () => {
  const newer = Buffer.from(await threeLetters())
  newer.writeUInt32LE(2, 16)
  newer.writeUInt32LE(crc32(newer.subarray(12, newer.readUInt32LE(12))), 8)
  const files = new SimulatedFileSystem()
  files.put(FIRST, newer)
  await assert.rejects(openTestDeadLetters(files), { code: 'RELAY_LOG_NEWER' })
  assert.deepEqual(files.trace, [])
  const { bodies, reader } = await readBodies(files)
  assert.deepEqual(bodies, [])
  assert.match(reader.problems.join(), /is in format 2, of a newer version: passed over/)
})

test('a letter is kept only once it is synced; all that wait go down with one sync', async () => {
  const files = new SimulatedFileSystem()
  await using dead = await openTestDeadLetters(files)
  await dead.append(deadLetter('first\n'))
  const before = files.trace.length
  const results = await Promise.all(BODIES.map((body) => dead.append(deadLetter(body))))
  assert.deepEqual(results, ['kept', 'kept', 'kept'])
  const syncs = files.trace.slice(before).filter(({ kind }) => kind === 'sync')
  assert.equal(syncs.length, 1)
  const after = files.afterPowerCut(files.trace.length, () => false)
  assert.deepEqual((await readBodies(after)).bodies, ['first\n', ...BODIES])
})

test('whenever the power fails, every letter that was kept is there', async () => {
  const files = new SimulatedFileSystem()
  await using dead = await openTestDeadLetters(files, { fileBytes: 2000 })
  const keptAt: number[] = []
  for (let count = 0; count < 12; count++) {
    assert.equal(await dead.append(deadLetter(`m v=${count} 1\n`)), 'kept')
    keptAt.push(files.trace.length)
  }
  for (let length = 0; length <= files.trace.length; length++) {
    const random = randomBytes(1000)
    let at = 0
    const after = files.afterPowerCut(length, () => ((random[at++ % 1000] ?? 0) & 1) === 1)
    const { bodies } = await readBodies(after)
    const kept = keptAt.filter((traceLength) => traceLength <= length)
    const expected = kept.map((_, count) => `m v=${count} 1\n`)
    assert.deepEqual(bodies.slice(0, expected.length), expected, `after ${length} operations`)
  }
})

test('a failed write or sync is told, and nothing of it is taken for kept', async () => {
  for (const call of ['write', 'sync', 'open'] as const) {
    const files = new SimulatedFileSystem()
    await using dead = await openTestDeadLetters(files)
    await dead.append(deadLetter('first\n'))
    if (call === 'open') await dead.purge(undefined)
    const there = call === 'open' ? [] : ['first\n']
    files.fault = (name) => (name === call ? { code: 'EIO' } : undefined)
    const results = await Promise.all(BODIES.map((body) => dead.append(deadLetter(body))))
    for (const result of results) assert(result !== 'kept' && /EIO/.test(String(result.failed)))
    assert.equal(dead.snapshot().letters, there.length)
    files.fault = () => undefined
    assert.deepEqual(await bodiesOf(dead), there, call)
    assert.equal(await dead.append(deadLetter('again\n')), 'kept')
    assert.deepEqual(await bodiesOf(dead), [...there, 'again\n'])
    assert.deepEqual((await readBodies(files)).bodies, [...there, 'again\n'])
  }
})

test('a letter that is larger than a record may be is told so', async () => {
  await using dead = await openTestDeadLetters(new SimulatedFileSystem())
  const result = await dead.append(deadLetter(Buffer.alloc(32 * 1024 * 1024 + 1)))
  assert(result !== 'kept')
  assert.match(String(result.failed), /larger than a record may be/)
})

test('over the bound the oldest files go, counted and logged; the newest letters stay', async () => {
  const files = new SimulatedFileSystem()
  const { logger, lines } = keepingLogger()
  const bounds = { fileBytes: 2_500, limitBytes: 8_000 }
  await using dead = await openTestDeadLetters(files, { ...bounds, logger })
  for (let count = 0; count < 60; count++) {
    assert.equal(await dead.append(deadLetter(`m v=${count} 1\n`)), 'kept')
    // Removals run behind the appends; this one waits for them.
    await dead.removeBelow(0)
    assert(dead.snapshot().bytes <= bounds.limitBytes + bounds.fileBytes)
  }
  const { letters, lines: lineCount, removed } = dead.snapshot()
  const bodies = await bodiesOf(dead)
  assert(bodies.length >= 3 && bodies.length < 30, `${bodies.length} letters`)
  assert.equal(bodies.at(-1), 'm v=59 1\n')
  assert.deepEqual(
    [letters, lineCount, removed.dropped],
    [bodies.length, bodies.length, { letters: 60 - bodies.length, lines: 60 - bodies.length }],
  )
  assert.match(
    lines.join('\n'),
    /output "a": dead letters: the bound of 8\.0 kB is reached: dropped/,
  )
  assert.deepEqual((await readBodies(files)).bodies, bodies)
})

test('what cannot be dropped is kept, and dropped later', async () => {
  const files = new SimulatedFileSystem()
  await using dead = await openTestDeadLetters(files, { fileBytes: 2_500, limitBytes: 3_000 })
  files.fault = (call) => (call === 'unlink' ? { code: 'EACCES' } : undefined)
  for (let count = 0; count < 12; count++) await dead.append(deadLetter(`m v=${count} 1\n`))
  await dead.removeBelow(0)
  assert.equal((await bodiesOf(dead)).length, 12)
  files.fault = () => undefined
  await dead.append(deadLetter('last\n'))
  await dead.removeBelow(0)
  const bodies = await bodiesOf(dead)
  assert(bodies.length < 12)
  assert.equal(dead.snapshot().letters, bodies.length)
})

test('letters of former runs are counted, and their numbers not used again', async () => {
  const files = new SimulatedFileSystem()
  for (let run = 0; run < 3; run++) {
    await using dead = await openTestDeadLetters(files)
    for (const body of BODIES) await dead.append(deadLetter(body))
  }
  await using dead = await openTestDeadLetters(files)
  assert.equal(dead.snapshot().isCounting, true)
  await dead.append(deadLetter('new\n'))
  await dead.removeBelow(0)
  const { letters, lines, isCounting } = dead.snapshot()
  assert.deepEqual([letters, lines, isCounting], [10, 13, false])
  const numbers = (await lettersOf(dead)).map(({ number }) => number)
  assert.deepEqual(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
})

test('the age is that of the oldest letter, and what is removed is counted by who removed it', async () => {
  const files = new SimulatedFileSystem()
  const clock = new ManualClock()
  const bornAt = (ageMs: number) => ({ deadAtMs: clock.wallMs() - ageMs })
  const none = { letters: 0, lines: 0 }
  {
    await using dead = await openTestDeadLetters(files, { clock })
    assert.equal(dead.snapshot().oldestAgeMs, 0)
    for (const ageMs of [9000, 8000, 7000, 6000]) {
      await dead.append(deadLetter('m v=1 1\n', bornAt(ageMs)))
    }
    assert.equal(dead.snapshot().oldestAgeMs, 9000)
    await dead.removeBelow(2)
    assert.equal(dead.snapshot().oldestAgeMs, 8000)
    await dead.purge(clock.wallMs() - 7500)
    assert.equal(dead.snapshot().oldestAgeMs, 7000)
    const one = { letters: 1, lines: 1 }
    const removed = { dropped: none, replayed: one, purged: one, lost: none }
    assert.deepEqual(dead.snapshot().removed, removed)
  }
  await using dead = await openTestDeadLetters(files, { clock })
  await dead.append(deadLetter('m v=1 1\n', bornAt(0)))
  await dead.removeBelow(0) // Waits for the count of former runs.
  const { letters, oldestAgeMs, removed, limitBytes } = dead.snapshot()
  assert.deepEqual([letters, oldestAgeMs, limitBytes], [3, 7000, 1_000_000])
  assert.deepEqual(removed, { dropped: none, replayed: none, purged: none, lost: none })
  await dead.purge(undefined)
  assert.equal(dead.snapshot().oldestAgeMs, 0)
  await dead.append(deadLetter('m v=1 1\n', bornAt(500)))
  assert.equal(dead.snapshot().oldestAgeMs, 500)
})

test('purge removes all, files included, and stays done over restarts', async () => {
  const files = new SimulatedFileSystem()
  {
    await using dead = await openTestDeadLetters(files)
    for (const body of BODIES) await dead.append(deadLetter(body))
    assert.deepEqual(await dead.purge(undefined), { letters: 3, lines: 4 })
    assert.deepEqual(await dead.purge(undefined), { letters: 0, lines: 0 })
    assert(!files.names().some((name) => name.endsWith('.seg')))
    assert.deepEqual(await bodiesOf(dead), [])
    const { letters, lines, bytes } = dead.snapshot()
    assert.deepEqual([letters, lines, bytes], [0, 0, 0])
    await dead.append(deadLetter('new\n'))
  }
  await using dead = await openTestDeadLetters(files)
  const [letter] = await lettersOf(dead)
  assert.deepEqual([letter?.number, letter?.write.body.toString()], [4, 'new\n'])
})

test('purge with a time removes the letters that died before it', async () => {
  const files = new SimulatedFileSystem()
  await using dead = await openTestDeadLetters(files, { fileBytes: 2_000 })
  for (const [index, body] of BODIES.entries()) {
    await dead.append(deadLetter(body, { deadAtMs: index * 1000 }))
  }
  assert.deepEqual(await dead.purge(0), { letters: 0, lines: 0 })
  assert.deepEqual(await dead.purge(1000), { letters: 1, lines: 1 })
  assert.deepEqual(await bodiesOf(dead), BODIES.slice(1))
  assert.deepEqual((await readBodies(files)).bodies, BODIES.slice(1))
  await using again = await openTestDeadLetters(files)
  assert.deepEqual(await bodiesOf(again), BODIES.slice(1))
})

test('files that are taken away: what is gone is counted once, the rest and the order stay', async () => {
  const files = new SimulatedFileSystem()
  const { logger, lines } = keepingLogger()
  const clock = new ManualClock()
  await using dead = await openTestDeadLetters(files, { fileBytes: 1, logger, clock })
  const bodies = [1, 2, 3, 4, 5].map((n) => `m v=${n} ${n}\n`)
  for (const body of bodies) assert.equal(await dead.append(deadLetter(body)), 'kept')
  await dead.removeBelow(2) // The first is not wanted any more.
  const names = (await files.list(FOLDER)).map(({ name }) => name).filter((n) => /seg$/.test(n))
  assert.equal(names.length, 4)
  for (const name of [names[1], names[3]]) await files.unlink(`${FOLDER}/${name}`)
  await clock.advance(1000)
  await dead.look()
  const lost = () => dead.snapshot().removed.lost
  await until(() => lost().letters > 0, { what: 'the loss is counted' })
  // The last file is open: it can still be read.
  assert.deepEqual(lost(), { letters: 1, lines: 1 })
  assert(lines.some((line) => line.includes('lost 1 letter with 1 line: their files were removed')))
  assert.equal(dead.snapshot().letters, 3)
  const left = [bodies[1], bodies[3], bodies[4]]
  assert.deepEqual(await bodiesOf(dead), left)
  assert.deepEqual((await readBodies(files)).bodies, left)
  assert.equal(await dead.append(deadLetter('m v=6 6\n')), 'kept')
  await dead.look()
  assert.deepEqual((await readBodies(files)).bodies, [...left, 'm v=6 6\n'])
  assert.equal(dead.snapshot().letters, 4)
  assert.equal(lost().letters, 1)
})

test('a look before the end takes nothing from a look a moment ago, and ends when all is counted', async () => {
  const files = new SimulatedFileSystem()
  await using dead = await openTestDeadLetters(files, { fileBytes: 1, clock: new ManualClock() })
  for (const body of BODIES) await dead.append(deadLetter(body))
  await dead.look()
  const names = (await files.list(FOLDER)).map(({ name }) => name).filter((n) => /seg$/.test(n))
  await files.unlink(`${FOLDER}/${names[0]}`)
  await dead.look()
  assert.equal(dead.snapshot().removed.lost.letters, 0, 'the files are not looked at all the time')
  await dead.look(true)
  assert.equal(dead.snapshot().removed.lost.letters, 1)
  assert.deepEqual(await bodiesOf(dead), BODIES.slice(1))
})

test('without a readable cursor removed letters come back, which is said; none is lost', async () => {
  const files = new SimulatedFileSystem()
  {
    await using dead = await openTestDeadLetters(files)
    for (const body of BODIES) await dead.append(deadLetter(body))
    assert.deepEqual(await dead.removeBelow(3), { letters: 2, lines: 2 })
  }
  files.put(`${FOLDER}/a.cursor`, Buffer.from('damaged'))
  const { bodies, reader } = await readBodies(files)
  assert.deepEqual(bodies, BODIES)
  assert.match(reader.problems.join(), /^its cursor is not readable/)
  const { logger, lines } = keepingLogger()
  await using dead = await openTestDeadLetters(files, { logger })
  assert.match(lines.join('\n'), /output "a": dead letters: .*; removed ones may come back/)
  assert.deepEqual(await bodiesOf(dead), BODIES)
})

test('a removal that cannot be written down changes nothing', async () => {
  const files = new SimulatedFileSystem()
  await using dead = await openTestDeadLetters(files)
  for (const body of BODIES) await dead.append(deadLetter(body))
  files.fault = (call) => (call === 'rename' ? { code: 'ENOSPC' } : undefined)
  const removal = await dead.purge(undefined)
  assert('failed' in removal && /ENOSPC/.test(String(removal.failed)))
  assert.deepEqual(await bodiesOf(dead), BODIES)
  assert.equal(dead.snapshot().letters, 3)
})

test('letters that come while all are removed are kept, whoever is first', async () => {
  const files = new SimulatedFileSystem()
  await using dead = await openTestDeadLetters(files)
  const kept: string[] = []
  let removed = 0
  for (let round = 0; round < 30; round++) {
    const bodies = [1, 2, 3].map((part) => `m v=${round} ${part}\n`)
    const appends = bodies.slice(0, 2).map((body) => dead.append(deadLetter(body)))
    const purging = dead.purge(undefined)
    for (let turn = 0; turn < round % 7; turn++) await new Promise(setImmediate)
    appends.push(dead.append(deadLetter(bodies[2] ?? '')))
    assert.deepEqual(await Promise.all(appends), ['kept', 'kept', 'kept'])
    const removal = await purging
    assert('letters' in removal)
    removed += removal.letters
    kept.push(...bodies)
    assert.deepEqual(await bodiesOf(dead), kept.slice(removed), `round ${round}`)
    assert.equal(dead.snapshot().letters, kept.length - removed)
  }
  assert(removed > 0)
})

test('a reader beside the store sees a beginning of what is appended, in order', async () => {
  const files = new SimulatedFileSystem()
  await using dead = await openTestDeadLetters(files, { fileBytes: 3_000 })
  let isDone = false
  const appending = (async () => {
    for (let count = 0; count < 200; count++) await dead.append(deadLetter(`m v=${count} 1\n`))
    isDone = true
  })()
  let reads = 0
  while (!isDone) {
    const keptBefore = dead.snapshot().letters
    const { bodies, reader } = await readBodies(files)
    assert.deepEqual(
      bodies,
      bodies.map((_, count) => `m v=${count} 1\n`),
    )
    assert(bodies.length >= keptBefore)
    assert.deepEqual([reader.damagedBytes, reader.problems], [0, []])
    reads++
    await new Promise(setImmediate)
  }
  await appending
  assert(reads > 3)
})

test('replay hands every letter on in order, and removes those that were taken', async () => {
  const files = new SimulatedFileSystem()
  await using dead = await openTestDeadLetters(files)
  for (const body of BODIES) await dead.append(deadLetter(body))
  const taken: string[] = []
  const replay = replayLetters(dead, async ({ write }) => {
    taken.push(write.body.toString())
    // One that is refused again: it is for the next replay.
    await dead.append(deadLetter('again\n'))
    return 'appended'
  })
  assert.deepEqual(await replayLetters(dead, async () => 'appended'), {
    problem: 'a replay is under way already; nothing was done',
  })
  assert.deepEqual(await replay, { writes: 3, lines: 4 })
  assert.deepEqual(taken, BODIES)
  assert.deepEqual(await bodiesOf(dead), ['again\n', 'again\n', 'again\n'])
})

test('replay stops at what is not taken, and keeps the rest', async () => {
  const files = new SimulatedFileSystem()
  await using dead = await openTestDeadLetters(files)
  for (const body of BODIES) await dead.append(deadLetter(body))
  const takesOne = async ({ number }: { number: number }) =>
    number === 1 ? ('appended' as const) : { problem: 'the backlog is full' }
  assert.deepEqual(await replayLetters(dead, takesOne), {
    problem: 'the backlog is full; 1 letter was already replayed',
  })
  assert.deepEqual(await bodiesOf(dead), BODIES.slice(1))
  const throws = async () => {
    throw new Error('no')
  }
  assert.deepEqual(await replayLetters(dead, throws), {
    problem: 'no; 0 letters were already replayed',
  })
  files.fault = (call) => (call === 'rename' ? { code: 'EIO' } : undefined)
  const unremoved = await replayLetters(dead, async () => 'appended')
  assert.match(
    'problem' in unremoved ? unremoved.problem : '',
    /^cannot remove the replayed letters/,
  )
})

test('real files: readable by their owner only, found by name, however the output is called', async (t) => {
  const logFolder = await temporaryFolder(t)
  const files = nodeFileSystem
  const names = ['b', 'a/../b', '..', 'x'.repeat(300)]
  for (const output of names) {
    await using dead = await openTestDeadLetters(files, { logFolder, output })
    assert.equal(await dead.append(deadLetter(`${output}\n`)), 'kept')
  }
  const found = await findDeadFolders(files, logFolder)
  assert.deepEqual(found.map(({ output }) => output).sort(), [...names].sort())
  for (const { folder, output } of found) {
    assert(folder.startsWith(`${logFolder}/dead/`))
    const { bodies } = await readBodies(files, folder)
    assert.deepEqual(bodies, [`${output}\n`])
    assert.equal((await stat(folder)).mode & 0o777, 0o700)
    const [file] = await files.list(folder)
    assert.equal((await stat(`${folder}/${file?.name}`)).mode & 0o777, 0o600)
  }
  assert.deepEqual(await findDeadFolders(files, `${logFolder}/none`), [])
})
