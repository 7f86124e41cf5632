import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Entry } from '../../src/log/entry.ts'
import { MemoryLog, residentStreamBytes } from '../../src/log/memory-log.ts'
import { systemClock } from '../../src/std/clock.ts'
import type { MemoryBudget } from '../../src/std/memory-budget.ts'
import { NO_CREDENTIALS, type Write, writeTarget } from '../../src/write/write.ts'
import { writeMemory } from '../support/write-memory.ts'

function writeTo(database: string): Write {
  const target = writeTarget({
    database,
    retentionPolicy: '',
    precision: 'ns',
    credentials: NO_CREDENTIALS,
  })
  return { kind: 'lines', target, body: Buffer.from('m v=1 1\n'), lineCount: 1, receivedAtMs: 0 }
}

function openLog(limitBytes = 1e9): { log: MemoryLog; memory: MemoryBudget } {
  const memory = writeMemory(limitBytes)
  return { log: new MemoryLog({ memory, clock: systemClock, outputCount: 2 }), memory }
}

function append(log: MemoryLog, database: string, pendingAtCount = 1): Entry {
  const entry = log.prepare(writeTo(database))
  assert(entry)
  log.push(entry, pendingAtCount)
  return entry
}

test('sequence numbers rise over all streams, positions within each', () => {
  const { log } = openLog()
  const entries = ['a', 'b', 'a'].map((database) => append(log, database))
  assert.deepEqual(
    entries.map(({ sequence, position }) => [sequence, position]),
    [
      [1, 0],
      [2, 0],
      [3, 1],
    ],
  )
})

test('an entry leaves with its bytes when the last output is through with it', () => {
  const { log, memory } = openLog()
  const entry = append(log, 'a', 2)
  log.release(entry)
  assert.equal(log.entryCount, 1)
  log.release(entry)
  assert.equal(log.entryCount, 0)
  assert.equal(log.streamCount, 0)
  assert.equal(memory.usedBytes, 0)
  assert.throws(() => log.release(entry), /BUG/)
})

test('at the memory bound nothing is appended and nothing is changed', () => {
  const { log, memory } = openLog(residentStreamBytes(2) + 1000)
  append(log, 'a')
  const usedBytes = memory.usedBytes
  assert.equal(log.prepare(writeTo('a')), undefined)
  assert.equal(memory.usedBytes, usedBytes)
  assert.equal(log.entryCount, 1)
})

test('whatever the order of releases, a cursor finds exactly what is still owed', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3000), { maxLength: 3000 }), (releases) => {
      const { log, memory } = openLog()
      const stream = log.stream('a')
      const entries = Array.from({ length: 3000 }, () => append(log, 'a'))
      const released = new Set<number>()
      for (const index of releases) {
        const entry = entries[index]
        if (entry === undefined || released.has(index)) continue
        released.add(index)
        log.release(entry)
      }
      for (const [index, entry] of entries.entries()) {
        assert.equal(stream.at(entry.position), released.has(index) ? undefined : entry)
      }
      assert.equal(log.entryCount, 3000 - released.size)
      const left = entries.filter((_, index) => !released.has(index))
      const leftBytes = left.reduce((sum, entry) => sum + entry.residentBytes, 0)
      const streamBytes = left.length > 0 ? residentStreamBytes(2) : 0
      assert.equal(memory.usedBytes, leftBytes + streamBytes)
    }),
    { numRuns: 20 },
  )
})
