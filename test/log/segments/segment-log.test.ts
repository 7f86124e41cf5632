import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PAYLOAD_MAX_BYTES } from '../../../src/log/segments/record.ts'
import { isSegmentName } from '../../../src/log/segments/segment-names.ts'
import { RelayError } from '../../../src/std/errors.ts'
import {
  appendDurably,
  bodyOf,
  contentOf,
  keepingLogger,
  LOG_FOLDER,
  openTestLog,
  readAll,
} from '../../support/disk-log-fixture.ts'
import { type CallName, SimulatedFileSystem } from '../../support/simulated-file-system.ts'

/** Room for the header and two or three records. */
const TINY = 1300

function segmentsIn(files: SimulatedFileSystem): string[] {
  return files.names().filter((path) => isSegmentName(path.slice(LOG_FOLDER.length + 1)))
}

test('appends that come together go down with one sync, in order', async () => {
  const files = new SimulatedFileSystem()
  await using log = await openTestLog(files)
  await appendDurably(log, 'first\n')
  const before = files.trace.length
  const order: number[] = []
  await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const appending = log.append(contentOf(`m v=${index}\n`))
      assert.equal(appending?.sequence, index + 2)
      assert.deepEqual(await appending?.result, { kind: 'durable' })
      order.push(index)
    }),
  )
  assert.deepEqual(
    files.trace.slice(before).map(({ kind }) => kind),
    ['write', 'sync'],
  )
  assert.deepEqual(order, [...order.keys()])
  assert.equal(log.syncedBelow, 22)
  assert.equal(log.syncedGroups, 2)
})

test('appends that come while a sync runs go down together with the next one', async () => {
  const files = new SimulatedFileSystem()
  await using log = await openTestLog(files)
  await appendDurably(log, 'first\n')
  const first = log.append(contentOf('second\n'))
  let later: Promise<unknown> | undefined
  files.fault = (call) => {
    if (call !== 'sync' || later !== undefined) return undefined
    later = Promise.all([3, 4, 5].map((number) => log.append(contentOf(`m v=${number}\n`))?.result))
    return undefined
  }
  await first?.result
  await later
  assert.equal(log.syncedGroups, 3)
})

test('a full segment is followed by another; a reader goes through all of them', async () => {
  const files = new SimulatedFileSystem()
  await using log = await openTestLog(files, { segmentBytes: TINY })
  const expected: [number, string][] = []
  for (let number = 1; number <= 30; number++) {
    const body = `m v=${'x'.repeat(number * 7)}\n`
    expected.push([await appendDurably(log, body), body])
  }
  assert(log.sizes.length > 10)
  for (const from of [0, 1, 7, 29, 30, 31]) {
    assert.deepEqual(
      await readAll(log, from),
      expected.filter(([sequence]) => sequence >= from),
    )
  }
  // But for the last, which has room left.
  for (const path of segmentsIn(files).slice(0, -1)) {
    assert(files.content(path).length <= TINY || path.endsWith('.seg'))
  }
})

test('a group does not run over the end of its segment', async () => {
  const files = new SimulatedFileSystem()
  await using log = await openTestLog(files, { segmentBytes: TINY })
  const appends = Array.from({ length: 40 }, (_, index) => log.append(contentOf(`m v=${index}\n`)))
  for (const appending of appends) assert.equal((await appending?.result)?.kind, 'durable')
  for (const path of segmentsIn(files)) assert(files.content(path).length <= TINY)
  assert.equal((await readAll(log)).length, 40)
})

test('a reader at the end goes on when more has been appended, also in the next segment', async () => {
  const files = new SimulatedFileSystem()
  await using log = await openTestLog(files, { segmentBytes: TINY })
  await using reader = log.openReader(0)
  assert.deepEqual(await reader.read(), [])
  for (let number = 1; number <= 20; number++) {
    await appendDurably(log, `m v=${number}\n`)
    assert.deepEqual((await reader.read()).map(bodyOf), [`m v=${number}\n`])
    assert.deepEqual(await reader.read(), [])
  }
})

test('a reader whose segment is trimmed reads it to its end, then goes on', async () => {
  const files = new SimulatedFileSystem()
  await using log = await openTestLog(files, { segmentBytes: TINY })
  for (let number = 1; number <= 3; number++) await appendDurably(log, `m v=${number}\n`)
  await using reader = log.openReader(0)
  const first = await reader.read()
  for (let number = 4; number <= 30; number++) await appendDurably(log, `m v=${number}\n`)
  await log.trimBelow(20)
  let last = first.at(-1)?.sequence ?? 0
  for (;;) {
    const records = await reader.read()
    if (records.length === 0) break
    for (const { sequence } of records) {
      assert(sequence > last)
      last = sequence
    }
  }
  assert.equal(last, 30)
})

test('trimming deletes whole segments below the sequence, and never the last', async () => {
  const files = new SimulatedFileSystem()
  await using log = await openTestLog(files, { segmentBytes: TINY })
  for (let number = 1; number <= 30; number++) await appendDurably(log, `m v=${number}\n`)
  await log.trimBelow(0)
  assert.equal(log.firstSequence, 1)
  await log.trimBelow(15)
  assert(log.firstSequence <= 15 && log.firstSequence > 10)
  assert.deepEqual((await readAll(log, 15))[0], [15, 'm v=15\n'])
  await log.trimBelow(1000)
  assert.equal(log.sizes.length, 1)
  assert.equal(segmentsIn(files).length, 1)
  // So numbers do not begin anew, even with all cursors lost.
  await log[Symbol.asyncDispose]()
  await using again = await openTestLog(files)
  assert.equal(again.nextSequence, 31)
})

test('numbers are above those that the caller knows of', async () => {
  const files = new SimulatedFileSystem()
  await using log = await openTestLog(files, { sequenceAtLeast: 1000 })
  assert.equal(await appendDurably(log, 'm v=1\n'), 1000)
})

test('a record larger than a segment gets one of its own; one too large is refused', async () => {
  const files = new SimulatedFileSystem()
  await using log = await openTestLog(files, { segmentBytes: TINY })
  const large = 'x'.repeat(5000)
  for (const body of ['a\n', large, 'b\n']) await appendDurably(log, body)
  assert.equal(log.append(contentOf(Buffer.alloc(PAYLOAD_MAX_BYTES + 1))), undefined)
  assert.equal(log.nextSequence, 4)
  assert.deepEqual(
    (await readAll(log)).map(([, body]) => body),
    ['a\n', large, 'b\n'],
  )
  assert.equal(log.sizes.length, 3)
})

test('after a failed write or sync nothing of the group is acknowledged, the next is', async () => {
  const check = async (call: CallName, code: string) => {
    const files = new SimulatedFileSystem()
    await using log = await openTestLog(files)
    await appendDurably(log, 'before\n')
    let isDue = true
    files.fault = (each) => {
      if (each !== call || !isDue) return undefined
      isDue = false
      return { code }
    }
    const group = [1, 2, 3].map((number) => log.append(contentOf(`failed ${number}\n`)))
    for (const appending of group) {
      const result = await appending?.result
      assert(result?.kind === 'failed')
      assert.equal(result.failuresInRow, 1)
      assert.match(String(result.error), new RegExp(code))
    }
    assert.equal(log.isFailing, false)
    await appendDurably(log, 'after\n')
    assert.equal(log.sizes.length, 2)
    const bodies = (await readAll(log)).map(([, body]) => body)
    assert.deepEqual(bodies, ['before\n', 'after\n'], `${call} ${code}`)
    await log[Symbol.asyncDispose]()
    await using again = await openTestLog(files)
    assert.deepEqual(
      (await readAll(again)).map(([, body]) => body),
      ['before\n', 'after\n'],
    )
  }
  await check('write', 'ENOSPC')
  await check('write', 'EIO')
  await check('sync', 'EIO')
})

test('three failed groups in a row are said; a probe finds when the disk is well again', async () => {
  const files = new SimulatedFileSystem()
  const { logger, lines } = keepingLogger()
  await using log = await openTestLog(files, { logger })
  await appendDurably(log, 'before\n')
  files.fault = (call) => (call === 'write' ? { code: 'ENOSPC' } : undefined)
  for (const failures of [1, 2, 3, 4]) {
    const result = await log.append(contentOf('m v=1\n'))?.result
    assert(result?.kind === 'failed' && result.failuresInRow === failures)
    assert.equal(log.isFailing, failures >= 3)
  }
  assert.equal(lines.length, 3)
  assert.match(lines[2] ?? '', /3 times in a row/)
  await log.beginSegment()
  assert(log.isFailing)
  assert.equal(segmentsIn(files).length, 1, 'a full disk does not fill up with empty segments')
  // What there is can be read all the while.
  assert.equal((await readAll(log)).length, 1)
  files.fault = () => undefined
  await log.beginSegment()
  assert.equal(log.isFailing, false)
  await appendDurably(log, 'after\n')
  assert.equal((await readAll(log)).length, 2)
  assert.equal(log.sizes.length, 2, 'the probe’s segment is the one that is used')
})

test('a new segment that cannot be begun is a failure of the disk, as a write is', async () => {
  const files = new SimulatedFileSystem()
  const { logger, lines } = keepingLogger()
  await using log = await openTestLog(files, { logger })
  await appendDurably(log, 'before\n')
  files.fault = (call) => (call === 'open' ? { code: 'EMFILE' } : undefined)
  for (const failures of [1, 2, 3, 4]) {
    await log.beginSegment()
    assert.equal(log.isFailing, failures >= 3)
  }
  assert.equal(lines.length, 3)
  assert.match(lines[0] ?? '', /cannot begin a segment in \S+: .*EMFILE.*; the next group/)
  assert.match(lines[2] ?? '', /3 times in a row/)
  files.fault = () => undefined
  await log.beginSegment()
  assert.equal(log.isFailing, false)
  await appendDurably(log, 'after\n')
  assert.equal((await readAll(log)).length, 2)
})

test('a short write is continued', async () => {
  const files = new SimulatedFileSystem()
  files.fault = (call) => (call === 'write' ? { shortBytes: 5 } : undefined)
  await using log = await openTestLog(files, { segmentBytes: 4096 })
  for (const body of ['m v=1 1\n', 'm v=2 2\n']) await appendDurably(log, body)
  assert.equal((await readAll(log)).length, 2)
})

test('nothing is written into a new segment once the folder is another’s', async () => {
  const files = new SimulatedFileSystem()
  let isOurs = true
  await using log = await openTestLog(files, { segmentBytes: TINY, isOwner: async () => isOurs })
  await appendDurably(log, 'm v=1\n')
  isOurs = false
  const results = []
  for (let count = 0; count < 10; count++) {
    results.push(await log.append(contentOf('m v="a longer line than before"\n'))?.result)
  }
  const last = results.at(-1)
  assert(last?.kind === 'failed' && last.error instanceof RelayError)
  assert.equal(last.error.code, 'RELAY_LOG_LOST')
  assert.equal(segmentsIn(files).length, 1)
})

test('damage that could not be copied keeps its segment from being deleted', async () => {
  const files = new SimulatedFileSystem()
  await using log = await openTestLog(files, { segmentBytes: TINY })
  for (let number = 1; number <= 20; number++) await appendDurably(log, `m v=${number}\n`)
  const [first = ''] = segmentsIn(files)
  const damaged = Buffer.from(files.content(first))
  damaged[1100] = 0xff
  files.put(first, damaged)
  files.fault = (call, path) =>
    call === 'open' && path.includes('quarantine') ? { code: 'ENOSPC' } : undefined
  await readAll(log)
  await log.trimBelow(20)
  assert.deepEqual(files.content(first.replace(LOG_FOLDER, `${LOG_FOLDER}/quarantine`)), damaged)
})

test('every file is given back', async () => {
  const files = new SimulatedFileSystem()
  {
    await using log = await openTestLog(files, { segmentBytes: TINY })
    for (let number = 1; number <= 20; number++) await appendDurably(log, `m v=${number}\n`)
    await readAll(log)
    files.fault = (call) => (call === 'sync' ? { code: 'EIO' } : undefined)
    await log.append(contentOf('m v=1\n'))?.result
    await log.append(contentOf('m v=1\n'))?.result
  }
  assert.equal(files.openFiles, 0)
})

test('with faults at random, whatever was acknowledged is there, and nothing was made up', async () => {
  const property = fc.asyncProperty(
    fc.infiniteStream(fc.nat(99)),
    fc.array(fc.nat(4), { minLength: 1, maxLength: 40, size: 'max' }),
    async (chances, groupSizes) => {
      const files = new SimulatedFileSystem()
      const log = await openTestLog(files, { segmentBytes: TINY })
      files.fault = (call) => {
        const chance = Number(chances.next().value)
        if (call === 'write' && chance < 20) return { shortBytes: 1 + chance }
        return call !== 'read' && chance > 90 ? { code: chance % 2 ? 'EIO' : 'ENOSPC' } : undefined
      }
      const sent = new Map<number, string>()
      const acknowledged: number[] = []
      for (const size of groupSizes) {
        const group = Array.from({ length: size }, () => {
          const body = `m v=${log.nextSequence}\n`
          const appending = log.append(contentOf(body))
          assert(appending)
          sent.set(appending.sequence, body)
          return appending
        })
        for (const { sequence, result } of group) {
          if ((await result).kind === 'durable') acknowledged.push(sequence)
        }
        if (log.isFailing) await log.beginSegment()
      }
      const cut = files.afterPowerCut(files.trace.length, () => Number(chances.next().value) < 50)
      for (const disk of [files.afterKill(), cut]) {
        await using again = await openTestLog(disk)
        const read = await readAll(again)
        for (const [sequence, body] of read) assert.equal(sent.get(sequence), body)
        const found = new Set(read.map(([sequence]) => sequence))
        assert.equal(found.size, read.length)
        assert.deepEqual(
          acknowledged.filter((sequence) => !found.has(sequence)),
          [],
        )
      }
    },
  )
  await fc.assert(property, { numRuns: 60 })
})
