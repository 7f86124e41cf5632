/**
 * The cursor in one stream: what of it is here, when some was taken, some is on hold elsewhere, and
 * the rest is given back to be read again.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { filterEntry } from '../../src/delivery/filter.ts'
import { FlowControl } from '../../src/delivery/stream/flow-control.ts'
import { StreamQueue } from '../../src/delivery/stream/stream-queue.ts'
import type { Entry } from '../../src/log/entry.ts'
import { MemoryLog } from '../../src/log/memory-log.ts'
import { MemoryBudget } from '../../src/std/memory-budget.ts'
import { statementOf } from '../support/fresh-server.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { writeOf } from '../support/scripted-relay.ts'

function streamOf(): StreamQueue {
  return new StreamQueue('db', new FlowControl(), 0)
}

function memoryLog(): MemoryLog {
  const memory = new MemoryBudget(1e6)
  return new MemoryLog({ memory, clock: new ManualClock(), outputCount: 1 })
}

/** As from memory, or as read again from the disk. */
function load(stream: StreamQueue, sequences: readonly number[], log = memoryLog()): void {
  for (const sequence of sequences) {
    const entry = log.appendStored(writeOf(`m v=1 ${sequence}\n`), sequence)
    stream.follow(log.stream('db'), entry)
  }
}

/** Takes the first `count`; those with even numbers go on hold. */
function take(stream: StreamQueue, count: number): void {
  let left = count
  const prepare = (entry: Entry) => {
    left--
    return entry.sequence % 2 === 0 ? undefined : filterEntry(entry, [])
  }
  while (left > 0) stream.take({ batchMaxBytes: 1, nowMs: 0, prepare })
}

function giveBack(stream: StreamQueue, isAll: boolean): number[] {
  return stream.giveBack(isAll).map(({ sequence }) => sequence)
}

function delivery(stream: StreamQueue): number[] {
  return [1, 2, 3, 4, 5, 6, 7, 8, 9].filter((sequence) => stream.hasTaken(sequence))
}

test('what was taken and not given back is not to be read again', () => {
  const stream = streamOf()
  load(stream, [1, 2, 3, 4, 5, 6, 7, 8, 9])
  take(stream, 7)
  assert.deepEqual(delivery(stream), [1, 2, 3, 4, 5, 6, 7])
  assert.deepEqual(giveBack(stream, false), [8, 9])
  assert.deepEqual(delivery(stream), [1, 2, 3, 4, 5, 6, 7])
  assert.deepEqual(giveBack(stream, true), [1, 3, 5, 7])
  assert.deepEqual(delivery(stream), [2, 4, 6])
})

test('what is read again is here again, and may be given back any number of times', () => {
  const stream = streamOf()
  load(stream, [1, 2, 3, 4, 5, 6, 7, 8])
  take(stream, 7)
  assert.deepEqual(giveBack(stream, true), [1, 3, 5, 7, 8])
  load(stream, [1, 3, 5])
  take(stream, 1)
  assert.deepEqual(delivery(stream), [1, 2, 3, 4, 5, 6], 'what is on hold has higher numbers')
  assert.deepEqual(giveBack(stream, false), [3, 5])
  assert.deepEqual(delivery(stream), [1, 2, 4, 6])
  load(stream, [3, 5, 7, 8])
  assert.deepEqual(giveBack(stream, true), [1, 3, 5, 7, 8])
  assert.deepEqual(delivery(stream), [2, 4, 6])
})

test('what is under way is never given back', () => {
  const stream = streamOf()
  load(stream, [1, 2, 3, 4])
  take(stream, 3)
  stream.attempts.begin()
  assert.deepEqual(giveBack(stream, true), [4])
  assert.deepEqual(delivery(stream), [1, 2, 3])
})

test('a statement that precedes is sent first and once, and older writes are still to be read', () => {
  const stream = streamOf()
  const log = memoryLog()
  load(stream, [3, 4], log)
  const statement = log.appendStored(statementOf('db'), 9)
  stream.precede(statement)
  load(stream, [5], log)
  assert.equal(stream.oldest, statement)
  assert.deepEqual(giveBack(stream, false), [3, 4, 5], 'the statement stays')
  load(stream, [3, 4, 5], log)
  take(stream, 2)
  const order: number[] = []
  for (const batch of stream.restoreSetAside()) {
    for (const { delivery: sent } of batch.slices) order.push(sent.entry.sequence)
  }
  assert.deepEqual(order, [9, 3, 5])
  assert.deepEqual(delivery(stream), [1, 2, 3, 4, 5])
  assert.deepEqual(giveBack(stream, true), [9, 3, 5])
})
