import assert from 'node:assert/strict'
import {
  appendFile,
  copyFile,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { type FileSystem, nodeFileSystem } from '../../../src/log/file-system.ts'
import { type LogFolder, listLogFolder } from '../../../src/log/inspect/log-folder.ts'
import { type LogStep, readLog } from '../../../src/log/inspect/offline-reader.ts'
import { isSegmentName, segmentName } from '../../../src/log/segments/segment-names.ts'
import { systemClock } from '../../../src/std/clock.ts'
import { bodyOf } from '../../support/disk-log-fixture.ts'
import { type LogOnDisk, openLogOnDisk, recordOf } from '../../support/log-on-disk.ts'

/** Room for the headers and two or three records. */
const TINY = 1250
const files = nodeFileSystem
const clock = systemClock

const list = (folder: string) => listLogFolder({ files, folder, clock })

function read(folder: string, { segments }: LogFolder, fromSequence = 0) {
  return readLog({ files, folder, clock, segments, fromSequence })
}

async function stepsOf(folder: string, fromSequence = 0): Promise<LogStep[]> {
  return await collect(read(folder, await list(folder), fromSequence))
}

async function collect(given: AsyncIterable<LogStep>): Promise<LogStep[]> {
  const steps: LogStep[] = []
  for await (const step of given) steps.push(step)
  return steps
}

/** Numbers of records; of the rest the kind. */
function brief(steps: readonly LogStep[]): (number | string)[] {
  return steps.map((step) => (step.kind === 'record' ? step.record.sequence : step.kind))
}

async function fill(log: LogOnDisk, count: number): Promise<void> {
  for (let number = 1; number <= count; number++) {
    await log.append(recordOf({ body: `m v=${number} 1\n` }))
  }
}

async function segmentsIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter(isSegmentName).sort()
}

/** The folder's files with their content: what must be the same after a look at it. */
async function contentsOf(folder: string): Promise<[string, string][]> {
  const names = (await readdir(folder, { recursive: true })).sort()
  return await Promise.all(
    names.map(async (name): Promise<[string, string]> => {
      const path = join(folder, name)
      const isFile = (await stat(path)).isFile()
      return [name, isFile ? (await readFile(path)).toString('base64') : '']
    }),
  )
}

test('all records over all segments, in order, and nothing in the folder has changed', async (t) => {
  const log = await openLogOnDisk(t, { segmentBytes: TINY })
  await fill(log, 10)
  const before = await contentsOf(log.folder)
  const steps = await stepsOf(log.folder)
  assert.deepEqual(brief(steps), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  const [first] = steps
  assert(first?.kind === 'record')
  assert.equal(bodyOf(first.record), 'm v=1 1\n')
  assert((await segmentsIn(log.folder)).length > 3)
  assert.deepEqual(brief(await stepsOf(log.folder, 8)), [8, 9, 10])
  assert.deepEqual(await contentsOf(log.folder), before)
})

test('a log that is appended to and trimmed meanwhile: what is owed comes, once, in order', async (t) => {
  const log = await openLogOnDisk(t, { segmentBytes: 64 * 1024 })
  let isDone = false
  const relay = async () => {
    for (let count = 0; !isDone; count++) {
      // Of many sizes, so that the reader runs into half of a group.
      const sizes = [10, 300, 40_000, 2, 9_000]
      const bodies = sizes.map((size) => `m v="${'x'.repeat(size)}" ${count}\n`)
      await Promise.all(bodies.map((body) => log.append(recordOf({ body }))))
      await log.log.trimBelow(log.log.syncedBelow - 30)
    }
  }
  const running = relay()
  try {
    for (let round = 0; round < 150; round++) {
      const syncedBelow = log.log.syncedBelow
      let last = 0
      for await (const step of read(log.folder, await list(log.folder))) {
        assert.notEqual(step.kind, 'damage')
        if (step.kind !== 'record') continue
        const { sequence } = step.record
        // Trimming takes the oldest only; between any two that are there none is left out.
        assert(last === 0 || sequence === last + 1 || sequence < log.log.firstSequence + 30)
        last = sequence
      }
      assert(last >= syncedBelow - 1, `read to ${last}, synced below ${syncedBelow}`)
    }
  } finally {
    isDone = true
    await running
  }
})

test('damage is said with file and offset, and the records around it are read', async (t) => {
  const log = await openLogOnDisk(t)
  await fill(log, 3)
  const [name = ''] = await segmentsIn(log.folder)
  const path = join(log.folder, name)
  const bytes = await readFile(path)
  const at = bytes.indexOf('m v=2')
  bytes[at] = 0x6e
  await writeFile(path, bytes)
  const steps = await stepsOf(log.folder)
  assert.deepEqual(brief(steps), [1, 'damage', 3])
  const [, damage] = steps
  assert(damage?.kind === 'damage')
  assert.equal(damage.segment, name)
  assert(damage.at < at && at < damage.at + damage.bytes)
})

test('what is behind the last record is a tail in the newest segment, damage in others', async (t) => {
  const log = await openLogOnDisk(t, { segmentBytes: TINY })
  await fill(log, 6)
  await log.log[Symbol.asyncDispose]()
  const names = await segmentsIn(log.folder)
  await appendFile(join(log.folder, names.at(-1) ?? ''), 'torn')
  assert.deepEqual(brief(await stepsOf(log.folder)).slice(-2), [6, 'tail'])
  await appendFile(join(log.folder, names[0] ?? ''), Buffer.alloc(5000))
  assert(!brief(await stepsOf(log.folder)).includes('damage'), 'zeros are room')
  await appendFile(join(log.folder, names[0] ?? ''), 'torn')
  assert.equal(brief(await stepsOf(log.folder)).filter((each) => each === 'damage').length, 1)
})

test('a segment that goes after it was listed is said to have gone', async (t) => {
  const log = await openLogOnDisk(t, { segmentBytes: TINY })
  await fill(log, 6)
  const listing = await list(log.folder)
  const [first] = listing.segments
  await rm(join(log.folder, first?.name ?? ''))
  const steps = await collect(read(log.folder, listing))
  assert.deepEqual(brief(steps).slice(0, 1), ['gone'])
  assert.equal(brief(steps).at(-1), 6)
})

test('a listing names what is no segment, what is missing, and what was kept aside', async (t) => {
  const log = await openLogOnDisk(t, { segmentBytes: TINY })
  await fill(log, 12)
  await log.log[Symbol.asyncDispose]()
  const names = await segmentsIn(log.folder)
  const [first = '', second = '', , fourth = ''] = names
  const path = (name: string) => join(log.folder, name)
  await rm(path(second))
  await writeFile(path(fourth), Buffer.alloc(3000, 0x78))
  await copyFile(path(first), path(segmentName(4000)))
  await writeFile(path(segmentName(5000)), '')
  await writeFile(path(`${fourth}.torn`), 'torn')
  await files.makeFolder(join(log.folder, 'quarantine'))
  await writeFile(join(log.folder, 'quarantine', 'x.bad'), 'damaged')
  const listing = await list(log.folder)
  assert.deepEqual(
    listing.segments.map(({ name }) => name),
    names.filter((name) => name !== second && name !== fourth),
  )
  assert.deepEqual(
    listing.oddFiles.map(({ name }) => name),
    [fourth, segmentName(4000)],
  )
  assert.deepEqual(listing.missing, [second])
  assert.deepEqual(listing.tornFiles, { count: 1, bytes: 4 })
  assert.deepEqual(listing.quarantine, { count: 1, bytes: 7 })
})

test('a renamed segment is read in its place', async (t) => {
  const log = await openLogOnDisk(t, { segmentBytes: TINY })
  await fill(log, 6)
  const [first = ''] = await segmentsIn(log.folder)
  await rename(join(log.folder, first), join(log.folder, segmentName(9000)))
  assert.deepEqual(brief(await stepsOf(log.folder)), [1, 2, 3, 4, 5, 6])
})

test('a segment of a newer version is refused, and left alone', async (t) => {
  const log = await openLogOnDisk(t)
  await fill(log, 1)
  const [name = ''] = await segmentsIn(log.folder)
  const handle = await open(join(log.folder, name), 'r+')
  await handle.write(newerHeader(await readFile(join(log.folder, name))), 0, 512, 0)
  await handle.close()
  await assert.rejects(list(log.folder), { code: 'RELAY_LOG_NEWER', message: /format 2/ })
})

function newerHeader(bytes: Buffer): Buffer {
  const head = Buffer.from(bytes.subarray(0, 512))
  head.writeUInt32LE(2, 16)
  head.writeUInt32LE(crc32(head.subarray(12, head.readUInt32LE(12))), 8)
  return head
}

/** As a reader sees a write that is under way: the first look at these bytes shows zeros. */
function withFirstLook(hidden: { readonly from: number; readonly to: number }): FileSystem {
  return {
    ...files,
    async open(path, mode) {
      const file = await files.open(path, mode)
      let isFirst = true
      return {
        ...file,
        async read(into, at) {
          const bytes = await file.read(into, at)
          // Not the header, which is read by itself.
          if (at < 1024 || !isFirst) return bytes
          isFirst = false
          const clamp = (to: number) => Math.min(Math.max(0, to - at), into.length)
          into.fill(0, clamp(hidden.from), clamp(hidden.to))
          return bytes
        },
      }
    },
  }
}

test('what looks damaged or torn while it is written is read at the second look', async (t) => {
  const log = await openLogOnDisk(t)
  await fill(log, 3)
  const { folder } = log
  const listing = await list(folder)
  const bytes = await readFile(join(folder, listing.segments[0]?.name ?? ''))
  const check = async (from: number, to: number) => {
    const hiding = withFirstLook({ from, to })
    const { segments } = listing
    const steps = readLog({ files: hiding, folder, clock, segments, fromSequence: 0 })
    assert.deepEqual(brief(await collect(steps)), [1, 2, 3])
  }
  const second = bytes.indexOf('m v=2')
  await check(second - 10, second + 4)
  await check(bytes.indexOf('m v=3'), bytes.length)
})
