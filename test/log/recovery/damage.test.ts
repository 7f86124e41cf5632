// Goal: whatever happens to the files, the log opens, gives every record that is intact, and counts
// the rest. Method: every byte, every length; each case on a disk in memory.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  encodeRecord,
  prepareRecord,
  RECORD_MAX_BYTES,
  recordSeal,
} from '../../../src/log/segments/record.ts'
import { usedBytes, WINDOW_BYTES } from '../../../src/log/segments/scan-segment.ts'
import { RelayError } from '../../../src/std/errors.ts'
import {
  appendDurably,
  contentOf,
  keepingLogger,
  LOG_FOLDER,
  openTestLog,
  readAll,
} from '../../support/disk-log-fixture.ts'
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts'

const FIRST = `${LOG_FOLDER}/0000000000000001.seg`
const HEADER_BYTES = 1024
const BODIES = ['m v=1 1\n', 'm v=2 2\n', 'm v=3 3\n']
const RECORDS: [number, string][] = BODIES.map((body, index) => [index + 1, body])

/** A closed segment of three records. */
async function threeRecords(): Promise<Buffer> {
  const files = new SimulatedFileSystem()
  await using log = await openTestLog(files)
  for (const body of BODIES) await appendDurably(log, body)
  await log[Symbol.asyncDispose]()
  return files.content(FIRST)
}

interface Opened {
  readonly files: SimulatedFileSystem
  readonly records: [number, string][]
  readonly nextSequence: number
  /** Of damage, torn tails and files that were put away. */
  readonly lostBytes: number
  readonly lostFiles: number
}

async function openWith(contents: Readonly<Record<string, Buffer>>): Promise<Opened> {
  const files = new SimulatedFileSystem()
  for (const [path, content] of Object.entries(contents)) files.put(path, content)
  await using log = await openTestLog(files, { segmentBytes: 4096 })
  const records = await readAll(log)
  const { quarantine, recovered, nextSequence } = log
  // It can be appended to, and what is appended comes last.
  await appendDurably(log, 'new\n')
  assert.deepEqual(await readAll(log), [...records, [nextSequence, 'new\n']])
  const lostBytes = quarantine.damagedBytes + recovered.tornBytes
  const lostFiles = quarantined(files).filter((path) => !path.endsWith('.bad')).length
  return { files, records, nextSequence, lostBytes, lostFiles }
}

/** Files that were put away, and copies (.bad) of damaged parts. */
function quarantined(files: SimulatedFileSystem): string[] {
  return files.names().filter((path) => path.includes('/quarantine/'))
}

/** Index of the record that holds the byte; below 0 in the header. */
function recordAt(segment: Buffer, at: number): number {
  return Math.floor(((at - HEADER_BYTES) * BODIES.length) / (segment.length - HEADER_BYTES))
}

test('any one byte flipped costs at most the record that it is in', async () => {
  const segment = await threeRecords()
  for (let at = 0; at < segment.length; at++) {
    const flipped = Buffer.from(segment)
    flipped[at] = (segment[at] ?? 0) ^ (at % 2 === 0 ? 0xff : 0x01)
    const opened = await openWith({ [FIRST]: flipped })
    const lost = recordAt(segment, at)
    const expected = RECORDS.filter((_, index) => index !== lost)
    assert.deepEqual(opened.records, expected, `byte ${at}`)
    assert.equal(opened.lostBytes > 0, lost >= 0, `byte ${at}`)
    assert.equal(opened.lostFiles, 0)
    assert(opened.nextSequence > (opened.records.at(-1)?.[0] ?? 0))
  }
})

test('a segment cut at any length gives the records before the cut', async () => {
  const segment = await threeRecords()
  const recordBytes = (segment.length - HEADER_BYTES) / BODIES.length
  for (let length = 0; length <= segment.length; length++) {
    const opened = await openWith({ [FIRST]: segment.subarray(0, length) })
    // One copy of the header is enough to know that there is nothing behind it.
    const whole = Math.max(0, Math.floor((length - HEADER_BYTES) / recordBytes))
    assert.deepEqual(opened.records, RECORDS.slice(0, whole), `cut at ${length}`)
    // Zeros at its end cannot be told from unused room.
    const torn = usedBytes(segment.subarray(HEADER_BYTES + whole * recordBytes, length))
    assert.equal(opened.lostBytes, torn, `cut at ${length}`)
  }
})

test('a tail of zeros is unused room: it is cut off, and nothing is counted', async () => {
  const segment = await threeRecords()
  for (const zeros of [1, 7, 511, 4096, WINDOW_BYTES, WINDOW_BYTES * 2 + 5]) {
    const { files, records, lostBytes } = await openWith({
      [FIRST]: Buffer.concat([segment, Buffer.alloc(zeros)]),
    })
    assert.deepEqual(records, RECORDS)
    assert.equal(lostBytes, 0)
    assert.deepEqual(files.content(FIRST), segment)
  }
})

test('a torn tail is cut off, and kept beside the segment', async () => {
  const segment = await threeRecords()
  const torn = Buffer.concat([segment.subarray(HEADER_BYTES, HEADER_BYTES + 60), Buffer.from('x')])
  const { files, records, lostBytes } = await openWith({
    [FIRST]: Buffer.concat([segment, torn, Buffer.alloc(5000)]),
  })
  assert.deepEqual(records, RECORDS)
  assert.equal(lostBytes, torn.length)
  assert.deepEqual(files.content(FIRST), segment)
  assert.deepEqual(files.content(`${FIRST}.torn`), torn)
})

test('damage of any length is skipped, counted, and kept in quarantine', async () => {
  const segment = await threeRecords()
  const recordBytes = (segment.length - HEADER_BYTES) / BODIES.length
  const firstEnd = HEADER_BYTES + recordBytes
  for (const bytes of [1, 3, 700, WINDOW_BYTES - recordBytes, WINDOW_BYTES - 3, WINDOW_BYTES + 9]) {
    const damage = Buffer.alloc(bytes, 0xf7)
    const { files, records, lostBytes } = await openWith({
      [FIRST]: Buffer.concat([segment.subarray(0, firstEnd), damage, segment.subarray(firstEnd)]),
    })
    assert.deepEqual(records, RECORDS)
    assert.equal(lostBytes, bytes)
    const at = firstEnd.toString(16).padStart(16, '0')
    const kept = files.content(`${LOG_FOLDER}/quarantine/0000000000000001.seg-${at}.bad`)
    assert.deepEqual(kept, damage)
  }
})

test('damage in a segment that is not the last is found and kept when it is read', async () => {
  const files = new SimulatedFileSystem()
  await using log = await openTestLog(files, { segmentBytes: 1300 })
  for (let number = 1; number <= 9; number++) await appendDurably(log, `m v=${number}\n`)
  await log[Symbol.asyncDispose]()
  const segment = Buffer.from(files.content(FIRST))
  for (const at of [HEADER_BYTES + 10, segment.length - 1]) segment[at] = (segment[at] ?? 0) ^ 1
  files.put(FIRST, segment)
  await using again = await openTestLog(files)
  const numbers = (await readAll(again)).map(([sequence]) => sequence)
  const lastOfFirst = Number(files.names()[1]?.slice(5, 21)) - 1
  assert.deepEqual(
    numbers,
    [2, 3, 4, 5, 6, 7, 8, 9].filter((number) => number !== lastOfFirst),
  )
  const { damagedBytes } = again.quarantine
  assert(damagedBytes > 0)
  assert.equal(quarantined(files).length, 2)
  await readAll(again)
  assert.equal(
    again.quarantine.damagedBytes,
    damagedBytes,
    'counted once, however often it is read',
  )
  assert.equal(quarantined(files).length, 2)
})

test('a segment without an intact header is put away, and the others are read', async () => {
  const segment = await threeRecords()
  const { files, records, lostFiles } = await openWith({
    [`${LOG_FOLDER}/0000000000000000.seg`]: Buffer.alloc(3000, 'x'),
    [FIRST]: segment,
    [`${LOG_FOLDER}/0000000000000009.seg`]: Buffer.from('cut in its header'),
  })
  assert.deepEqual(records, RECORDS)
  assert.equal(lostFiles, 2)
  assert.equal(quarantined(files).length, 2)
})

test('an empty file and one of zeros are removed: a crash came before there was a header', async () => {
  const segment = await threeRecords()
  const { files, records, lostFiles } = await openWith({
    [FIRST]: segment,
    [`${LOG_FOLDER}/0000000000000007.seg`]: Buffer.alloc(0),
    [`${LOG_FOLDER}/0000000000000008.seg`]: Buffer.alloc(WINDOW_BYTES + 1),
  })
  assert.deepEqual(records, RECORDS)
  assert.equal(lostFiles, 0)
  assert.equal(files.names().filter((path) => path.endsWith('.seg')).length, 2)
})

/** Three segments of three records each, by name, and all of their records. */
async function threeSegments(): Promise<{ paths: string[]; contents: Buffer[]; all: number[] }> {
  const files = new SimulatedFileSystem()
  const contents: Buffer[] = []
  for (let round = 0; round < 3; round++) {
    await using log = await openTestLog(files)
    for (const body of BODIES) await appendDurably(log, body)
  }
  const paths = files.names()
  for (const path of paths) contents.push(files.content(path))
  return { paths, contents, all: [1, 2, 3, 4, 5, 6, 7, 8, 9] }
}

function numbersOf({ records }: Opened): number[] {
  return records.map(([sequence]) => sequence)
}

test('segments with each other’s names are read in the right order', async () => {
  const { paths, contents, all } = await threeSegments()
  const [a = '', b = '', c = ''] = paths
  const [first, second, third] = contents
  assert(first && second && third)
  assert.deepEqual(numbersOf(await openWith({ [a]: second, [b]: first, [c]: third })), all)
  assert.deepEqual(numbersOf(await openWith({ [a]: third, [b]: second, [c]: first })), all)
  assert.deepEqual(numbersOf(await openWith({ [a]: first, [b]: third, [c]: second })), all)
})

test('a second copy of a segment is put away: no record comes twice', async () => {
  const { paths, contents, all } = await threeSegments()
  const [a = '', b = '', c = ''] = paths
  const [first, second, third] = contents
  assert(first && second && third)
  const spare = `${LOG_FOLDER}/00000000000000ff.seg`
  for (const twice of [first, second, third]) {
    const opened = await openWith({ [a]: first, [b]: second, [c]: third, [spare]: twice })
    assert.deepEqual(numbersOf(opened), all)
    assert.equal(opened.lostFiles, 1)
  }
})

test('a missing segment is said, and the others are read', async () => {
  const { paths, contents } = await threeSegments()
  const [a = '', , c = ''] = paths
  const [first, , third] = contents
  assert(first && third)
  const files = new SimulatedFileSystem()
  files.put(a, first)
  files.put(c, third)
  const { logger, lines } = keepingLogger()
  await using log = await openTestLog(files, { logger })
  assert.deepEqual(
    (await readAll(log)).map(([sequence]) => sequence),
    [1, 2, 3, 7, 8, 9],
  )
  assert.equal(log.recovered.missingSegments, 1)
  assert.match(lines.join('\n'), /0000000000000004\.seg is missing/)
})

test('files that are not the log’s are left alone', async () => {
  const segment = await threeRecords()
  const aliens = ['notes.txt', '1.seg', '0000000000000001.seg.bak', 'lock', 'GGGG000000000001.seg']
  const { files, records } = await openWith({
    [FIRST]: segment,
    ...Object.fromEntries(aliens.map((name) => [`${LOG_FOLDER}/${name}`, Buffer.from(name)])),
  })
  assert.deepEqual(records, RECORDS)
  for (const name of aliens) {
    assert.equal(files.content(`${LOG_FOLDER}/${name}`).toString(), name)
  }
})

test('a record forged inside a payload is not found, whatever is damaged before it', async () => {
  // A client that knows the format, but not the nonce.
  const forged = prepareRecord(contentOf('forged v=1 1\n'))
  assert(forged)
  const into = Buffer.alloc(forged.bytes)
  encodeRecord(forged, 2, recordSeal(Buffer.alloc(16)), { into, at: 0 })
  const files = new SimulatedFileSystem()
  await using log = await openTestLog(files)
  await appendDurably(log, Buffer.concat([Buffer.from('m v="'), into, into, Buffer.from('"\n')]))
  await appendDurably(log, 'm v=2 2\n')
  await log[Symbol.asyncDispose]()
  const segment = files.content(FIRST)
  for (let at = HEADER_BYTES; at < segment.length - 60; at++) {
    const damaged = Buffer.from(segment)
    damaged[at] = (segment[at] ?? 0) ^ 0xff
    const { records } = await openWith({ [FIRST]: damaged })
    assert(
      records.every(([, body]) => !body.startsWith('forged')),
      `byte ${at}`,
    )
  }
})

test('a newer version is refused, and nothing at all is changed', async () => {
  const segment = await threeRecords()
  const { crc32 } = await import('node:zlib')
  const newer = Buffer.from(segment)
  newer.writeUInt32LE(2, 16)
  newer.writeUInt32LE(crc32(newer.subarray(12, newer.readUInt32LE(12))), 8)
  const files = new SimulatedFileSystem()
  files.put(FIRST, Buffer.alloc(10, 'x'))
  files.put(`${LOG_FOLDER}/0000000000000004.seg`, newer)
  await assert.rejects(openTestLog(files), (error) => {
    assert(error instanceof RelayError)
    assert.equal(error.code, 'RELAY_LOG_NEWER')
    assert.match(error.message, /0000000000000004\.seg is in format 2/)
    return true
  })
  assert.deepEqual(files.trace, [])
  assert.equal(files.openFiles, 0)
})

test('what the disk cannot read is damage; the records behind it are read', async () => {
  const files = new SimulatedFileSystem()
  await using log = await openTestLog(files)
  const bodies = Array.from({ length: 40 }, (_, index) => `m v="${'x'.repeat(1000)}" ${index}\n`)
  for (const body of bodies) await appendDurably(log, body)
  let reads = 0
  // The window, then the second of its blocks.
  files.fault = (call) => {
    if (call !== 'read') return undefined
    reads++
    return reads === 1 || reads === 3 ? { code: 'EIO' } : undefined
  }
  const read = await readAll(log)
  assert(read.length >= 34 && read.length < 40, `${read.length} records`)
  assert.equal(read.at(-1)?.[0], 40)
})

test('records of all sizes are read, also larger than a window', async () => {
  const sizes = [1, 100, WINDOW_BYTES - 60, WINDOW_BYTES, WINDOW_BYTES + 1, 3 * WINDOW_BYTES, 2]
  const files = new SimulatedFileSystem()
  await using log = await openTestLog(files)
  for (const [index, size] of sizes.entries()) {
    await appendDurably(log, Buffer.alloc(size, index + 65))
  }
  await log[Symbol.asyncDispose]()
  await using again = await openTestLog(files)
  assert(sizes.every((size) => size < RECORD_MAX_BYTES))
  assert.deepEqual(
    (await readAll(again)).map(([, body]) => body.length),
    sizes,
  )
})
