/**
 * The search for statements that stand unread in the log: it finds what is owed there, each record
 * once, whatever happens to the folder meanwhile.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backlog } from '../../../src/delivery/backlog.ts'
import { OwedRecords } from '../../../src/delivery/catch-up/owed-records.ts'
import { StatementSearch } from '../../../src/delivery/catch-up/statement-search.ts'
import { OutputMessages } from '../../../src/delivery/reporting/output-messages.ts'
import { DoneRanges } from '../../../src/log/cursors/done-ranges.ts'
import { OwedStatements } from '../../../src/log/cursors/owed-statements.ts'
import { MemoryLog } from '../../../src/log/memory-log.ts'
import type { StoredLog, StoredRecord } from '../../../src/log/stored-log.ts'
import { MemoryBudget } from '../../../src/std/memory-budget.ts'
import { keepingLogger } from '../../support/disk-log-fixture.ts'
import { statementOf } from '../../support/fresh-server.ts'
import { ManualClock, turns } from '../../support/manual-clock.ts'
import { writeOf } from '../../support/scripted-relay.ts'

const STATEMENTS_MAX = 1_000

function recordOf(sequence: number, isStatement: boolean, output?: string): StoredRecord {
  return { sequence, write: isStatement ? statementOf('db') : writeOf('m v=1 1\n'), output }
}

/** @param records of earlier processes, in one window each, and one of this process */
function open(records: readonly StoredRecord[]) {
  const { logger, lines } = keepingLogger()
  const clock = new ManualClock()
  const log = new OutputMessages({
    name: 'b',
    clock,
    logger,
    formerLag: () => ({ writes: 0, bytes: 0 }),
  })
  const backlog = new Backlog({
    ...{ boundBytes: 1e6, batchMaxBytes: 1e6, keepsLetters: true },
    onSettled() {},
    givesWay: () => true,
    onFull() {},
    onDropped() {},
  })
  const own = records.length + 1
  const disk = {
    ...{ records: [...records, recordOf(own, true)], openReaders: 0 },
    ...{ isReadable: true, isLost: false, readBelow: 1 },
  }
  const read: number[] = []
  const stored: StoredLog = {
    done: new DoneRanges(1),
    statements: new OwedStatements([]),
    firstOwnSequence: own,
    ownership: {
      get isLost() {
        return disk.isLost
      },
      ...{ isOurs: true, isHandedOver: () => false, look: async () => {} },
    },
    openReader(from) {
      disk.openReaders++
      let next = from
      return {
        async read() {
          if (!disk.isReadable) throw new Error('scripted')
          const record = disk.records[next++ - 1]
          if (record !== undefined) read.push(record.sequence)
          return record === undefined ? [] : [record]
        },
        async [Symbol.asyncDispose]() {
          disk.openReaders--
        },
      }
    },
    noteWritten() {},
    isDoneElsewhere: () => false,
    formerLag: () => ({ writes: 0, bytes: 0 }),
    recordGap: async () => {},
  }
  const found: number[] = []
  const ends: number[] = []
  const owed = new OwedRecords({ name: 'b', backlog, stored })
  const search = new StatementSearch({
    ...{ backlog, stored, owed, clock, messages: log },
    readBelow: () => disk.readBelow,
    onFound: (sequence) => found.push(sequence),
    onEnd: () => ends.push(read.length),
  })
  return { search, stored, disk, backlog, clock, read, found, ends, lines }
}

test('it finds what is owed to this output, of earlier processes only, and reads each record once', async () => {
  const { search, stored, disk, read, found, ends } = open([
    recordOf(1, true),
    recordOf(2, false),
    recordOf(3, true, 'a'),
    recordOf(4, true),
    recordOf(5, true, 'b'),
    recordOf(6, true),
  ])
  stored.done.add(4)
  disk.readBelow = 2
  assert.equal(search.begin(), true)
  assert.equal(search.begin(), true, 'it is going on')
  await turns()
  assert.deepEqual(found, [5, 6])
  assert.deepEqual(read, [2, 3, 4, 5, 6])
  assert.equal(ends.length, 1)
  assert.equal(search.begin(), false, 'nothing is left')
  assert.equal(disk.openReaders, 0)
})

test('a statement that the output has read in its turn meanwhile is not found', async () => {
  const { search, disk, found } = open([recordOf(1, false), recordOf(2, true), recordOf(3, true)])
  search.begin()
  disk.readBelow = 3
  await turns()
  assert.deepEqual(found, [3])
})

test('a folder that cannot be read is read again, from where the search was', async () => {
  const { search, disk, clock, read, found, ends, lines } = open([
    recordOf(1, false),
    recordOf(2, true),
  ])
  disk.isReadable = false
  search.begin()
  await turns()
  assert.equal(search.begin(), true, 'it is going on')
  assert.deepEqual([ends.length, disk.openReaders], [0, 0])
  assert.equal(lines.filter((line) => line.includes('scripted')).length, 1)
  disk.isReadable = true
  await clock.advance(5_000)
  assert.deepEqual([read, found, ends.length], [[1, 2], [2], 1])
})

test('a lost folder is not reported again, and the search waits for it', async () => {
  const { search, disk, clock, found, lines } = open([recordOf(1, true)])
  Object.assign(disk, { isReadable: false, isLost: true })
  search.begin()
  await clock.advance(60_000)
  assert.deepEqual([search.begin(), lines], [true, []])
  Object.assign(disk, { isReadable: true, isLost: false })
  await clock.advance(5_000)
  assert.deepEqual(found, [1])
})

test('without room for another statement it stops, and the next search goes on there', async () => {
  const { search, backlog, read, found, ends } = open([
    recordOf(1, true),
    recordOf(2, true),
    recordOf(3, true),
  ])
  const memory = new MemoryBudget(1e8)
  const log = new MemoryLog({ memory, clock: new ManualClock(), outputCount: 1 })
  const entries = Array.from({ length: STATEMENTS_MAX }, (_, i) =>
    log.appendStored(statementOf('x'), 10 + i),
  )
  const [first] = entries
  assert(first)
  for (const entry of entries) backlog.counters.accept(entry)
  assert.equal(search.begin(), true, 'what is further on is still to be searched')
  await turns()
  assert.deepEqual([read, ends.length], [[], 0])
  backlog.counters.settle(first, { kind: 'delivered', body: '' }, 0)
  assert.equal(search.begin(), true)
  backlog.counters.accept(first)
  await turns()
  assert.deepEqual([found, ends.length], [[], 1])
  assert.equal(search.begin(), true)
  backlog.counters.settle(first, { kind: 'delivered', body: '' }, 0)
  assert.equal(search.begin(), true)
  await turns()
  assert.deepEqual(found, [1, 2, 3])
  assert.deepEqual(read, [1, 1, 2, 3])
})

test('closed, it reads no further and reports nothing', async () => {
  const { search, disk, read, ends, clock } = open([recordOf(1, true), recordOf(2, true)])
  search.begin()
  search.close()
  await turns()
  await clock.advance(60_000)
  assert.equal(ends.length, 0)
  assert(read.length <= 1)
  assert.equal(disk.openReaders, 0)
  assert.equal(search.begin(), false)
})
