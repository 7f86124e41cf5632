import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { openHeap } from '../../src/std/v8-heap.ts'
import { until } from '../support/wait.ts'

const MEGABYTE = 1024 * 1024
const heap = openHeap()

function bodies(megabytes: number): Buffer[] {
  return Array.from({ length: megabytes }, () => Buffer.allocUnsafeSlow(MEGABYTE))
}

test('bodies that die young are collected with the young', async () => {
  heap.restoreYoung()
  heap.collectYoung()
  const before = heap.heldBytes
  let young: Buffer[] = bodies(16)
  assert(heap.heldBytes - before >= young.length * MEGABYTE)
  young = []
  await nextTurn()
  heap.collectYoung()
  assert.equal(young.length, 0)
  assert(heap.heldBytes - before < 4 * MEGABYTE)
})

test('bodies that have become old are collected when marking is asked for', async () => {
  const before = heap.heldBytes
  let old: Buffer[] = bodies(100)
  for (let times = 0; times < 20; times++) {
    heap.collectYoung()
    await nextTurn() // V8 finds them in use, for which it lets the heap grow.
  }
  old = []
  await nextTurn()
  heap.collectYoung()
  assert.equal(old.length, 0)
  assert(heap.heldBytes - before > 80 * MEGABYTE, 'it would not have happened by itself')
  heap.startMarking()
  const isCollected = async () => heap.heldBytes - before < 10 * MEGABYTE
  await until(isCollected, { what: 'the old are collected' })
})
