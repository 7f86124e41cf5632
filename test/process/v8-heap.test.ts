import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { getHeapSpaceStatistics } from 'node:v8'
import { openHeap } from '../../src/process/v8-heap.ts'
import { until } from '../support/wait.ts'

const MEGABYTE = 1024 * 1024
const heap = openHeap()

function bodies(megabytes: number): Buffer[] {
  return Array.from({ length: megabytes }, () => Buffer.allocUnsafeSlow(MEGABYTE))
}

/** Of buffers alone: what the test runner makes and drops meanwhile is none of our business. */
function bufferMegabytes(): number {
  return process.memoryUsage().arrayBuffers / MEGABYTE
}

function youngMegabytes(): number {
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')
  return ((young?.space_used_size ?? 0) + (young?.space_available_size ?? 0)) / MEGABYTE
}

test('the young generation has 4 MB, and keeps them whatever survives', () => {
  assert.equal(Math.round(youngMegabytes()), 4)
  const survivors: object[] = []
  for (let times = 0; times < 20; times++) {
    for (let i = 0; i < 30_000; i++) survivors.push({ i })
    heap.collectYoung()
  }
  assert(survivors.length > 0)
  heap.restoreYoung()
  assert.equal(Math.round(youngMegabytes()), 4)
})

test('bodies that die young are collected with the young', async () => {
  heap.collectYoung()
  const before = bufferMegabytes()
  let young: Buffer[] = bodies(4)
  assert(bufferMegabytes() - before > young.length - 1)
  young = []
  await nextTurn()
  heap.collectYoung()
  assert.equal(young.length, 0)
  const isCollected = async () => bufferMegabytes() - before < 1
  await until(isCollected, { what: 'the young are collected' })
})

test('bodies that have become old are collected when marking is asked for', async () => {
  const before = bufferMegabytes()
  let old: Buffer[] = bodies(100)
  for (let times = 0; times < 20; times++) {
    heap.collectYoung()
    await nextTurn() // V8 finds them in use, for which it lets the heap grow.
  }
  old = []
  await nextTurn()
  heap.collectYoung()
  assert.equal(old.length, 0)
  // V8 marks by itself as well, at a time of its own: then it has only been earlier than we are.
  heap.startMarking()
  const isCollected = async () => bufferMegabytes() - before < 10
  await until(isCollected, { what: 'the old are collected' })
})
