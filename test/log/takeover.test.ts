/** What another process has got that has taken the folder over: by what stands in it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SegmentLog } from '../../src/log/segments/segment-log.ts'
import { inspectTakeover, type Takeover } from '../../src/log/takeover.ts'
import { appendDurably, LOG_FOLDER as folder, openTestLog } from '../support/disk-log-fixture.ts'
import { SimulatedFileSystem } from '../support/simulated-file-system.ts'

const SMALL = { segmentBytes: 2048 }

/** Its records are apart: of three segments. */
async function openFormer(files: SimulatedFileSystem): Promise<SegmentLog> {
  const log = await openTestLog(files, SMALL)
  for (let n = 0; n < 3; n++) {
    await appendDurably(log, `m v=${n}\n`)
    await log.beginSegment()
  }
  return log
}

/** First numbers of the segments that are in no log, and whether cursors went over. */
async function seen(
  files: SimulatedFileSystem,
  former: SegmentLog,
  parts: { readonly isOurFolder?: boolean; readonly missing?: readonly number[] } = {},
): Promise<[number[], boolean]> {
  const { isOurFolder = true, missing = [] } = parts
  const { list: segments, nextSequence } = former
  const known = segments.all().filter(({ header }) => missing.includes(header.firstSequence))
  const options = { files, folder, segments, nextSequence, missing: known, isOurFolder }
  const { lost, isInherited }: Takeover = await inspectTakeover(options)
  return [lost.map(({ header }) => header.firstSequence), isInherited]
}

async function removeSegments(files: SimulatedFileSystem): Promise<void> {
  for (const { name } of await files.list(folder)) {
    if (name.endsWith('.seg')) await files.unlink(`${folder}/${name}`)
  }
}

const firstOf = (log: SegmentLog) => log.list.all().map(({ header }) => header.firstSequence)

test('a new owner of our folder has all, also what it has trimmed since', async () => {
  const files = new SimulatedFileSystem()
  await using former = await openFormer(files)
  assert.deepEqual(await seen(files, former), [[], true])
  await using next = await openTestLog(files, SMALL)
  assert.deepEqual(await seen(files, former), [[], true])
  await appendDurably(next, 'm v=9\n')
  await next.trimBelow(next.nextSequence)
  assert.equal((await files.list(folder)).filter(({ name }) => name.endsWith('.seg')).length, 1)
  assert.deepEqual(await seen(files, former), [[], true])
  await next.beginSegment()
  await appendDurably(next, 'm v=10\n')
  await next.trimBelow(next.nextSequence)
  assert.deepEqual(await seen(files, former), [[], true])
})

test('what was missing from our folder before is in no log', async () => {
  const files = new SimulatedFileSystem()
  await using former = await openFormer(files)
  const [, second = 0] = firstOf(former)
  assert.deepEqual(await seen(files, former, { missing: [second] }), [[second], true])
})

test('a log that was begun in our folder after it was emptied has nothing of ours', async () => {
  const files = new SimulatedFileSystem()
  await using former = await openFormer(files)
  await removeSegments(files)
  assert.deepEqual(await seen(files, former), [firstOf(former), false])
  await using next = await openTestLog(files, SMALL)
  await appendDurably(next, 'm v=9\n')
  assert.deepEqual(await seen(files, former), [firstOf(former), false])
  // Its numbers go on behind ours where cursors were left, and still it has read none of ours.
  await removeSegments(files)
  await using third = await openTestLog(files, { ...SMALL, sequenceAtLeast: 1000 })
  await appendDurably(third, 'm v=9\n')
  assert.deepEqual(await seen(files, former), [firstOf(former), false])
})

test('of another folder only what stands in it whole counts', async () => {
  const files = new SimulatedFileSystem()
  await using former = await openFormer(files)
  const elsewhere = { isOurFolder: false }
  assert.deepEqual(await seen(files, former, elsewhere), [[], true])
  const [first = 0, second = 0, ...later] = firstOf(former)
  const [one, two] = former.list.all()
  await files.unlink(`${folder}/${one?.name}`)
  const file = await files.open(`${folder}/${two?.name}`, 'update')
  await file.truncate((two?.end() ?? 0) - 1)
  await file.close()
  assert.deepEqual(await seen(files, former, elsewhere), [[first, second], true])
  await removeSegments(files)
  await using next = await openTestLog(files, SMALL)
  await appendDurably(next, 'm v=9\n')
  assert.deepEqual(await seen(files, former, elsewhere), [[first, second, ...later], false])
})

test('what cannot be read is not there', async () => {
  const files = new SimulatedFileSystem()
  await using former = await openFormer(files)
  files.fault = (call) => (call === 'open' || call === 'read' ? { code: 'EIO' } : undefined)
  assert.deepEqual(await seen(files, former), [firstOf(former), false])
})
