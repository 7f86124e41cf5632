import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { BodyGarbage } from '../../src/process/garbage-collection.ts'
import type { Heap } from '../../src/process/v8-heap.ts'

const MEGABYTE = 1024 * 1024
const OWN_BYTES = 20 * MEGABYTE

class ScriptedHeap implements Heap {
  heldBytes = OWN_BYTES
  collections = 0
  marks = 0
  collectYoung = () => {
    this.collections++
  }
  startMarking = () => {
    this.marks++
  }
  restoreYoung(): void {}
}

async function collect(garbage: BodyGarbage): Promise<void> {
  garbage.add(16 * MEGABYTE)
  await nextTurn()
}

test('the young are collected once for every 16 MB of bodies, and not in the same turn', async () => {
  const heap = new ScriptedHeap()
  const garbage = new BodyGarbage(heap, () => ({ usedBytes: 0, limitBytes: 1e9 }))
  for (let megabytes = 0; megabytes < 15; megabytes++) garbage.add(MEGABYTE)
  await nextTurn()
  assert.equal(heap.collections, 0)
  garbage.add(MEGABYTE)
  assert.equal(heap.collections, 0, 'whoever let go of it may still have it on the stack')
  await nextTurn()
  assert.equal(heap.collections, 1)
  garbage.add(40 * MEGABYTE)
  await nextTurn()
  assert.equal(heap.collections, 2)
})

test('all is marked when more than 48 MB are dead and were not young, and only then', async () => {
  const heap = new ScriptedHeap()
  let usedBytes = 0
  const garbage = new BodyGarbage(heap, () => ({ usedBytes, limitBytes: 1e9 }))
  heap.heldBytes = OWN_BYTES + 48 * MEGABYTE
  await collect(garbage)
  assert.equal(heap.marks, 0, 'not yet')
  heap.heldBytes = OWN_BYTES + 300 * MEGABYTE
  usedBytes = 280 * MEGABYTE
  await collect(garbage)
  assert.equal(heap.marks, 0, 'a backlog is not dead')
  usedBytes = 100 * MEGABYTE
  await collect(garbage)
  assert.equal(heap.marks, 1, 'most of it is')
})

test('the less of the budget is left, the less may be dead', async () => {
  const heap = new ScriptedHeap()
  const garbage = new BodyGarbage(heap, () => ({ usedBytes: 90e6, limitBytes: 100e6 }))
  heap.heldBytes = OWN_BYTES + 90e6
  await collect(garbage)
  heap.heldBytes = OWN_BYTES + 90e6 + 10e6
  await collect(garbage)
  assert.equal(heap.marks, 0)
  heap.heldBytes = OWN_BYTES + 90e6 + 10e6 + 1
  await collect(garbage)
  assert.equal(heap.marks, 1)
})

test('what a mark has left is in use, and not marked for again until more has come', async () => {
  const heap = new ScriptedHeap()
  const garbage = new BodyGarbage(heap, () => ({ usedBytes: 0, limitBytes: 1e9 }))
  heap.heldBytes = OWN_BYTES + 100 * MEGABYTE
  for (let times = 0; times < 10; times++) await collect(garbage)
  assert.equal(heap.marks, 1)
  heap.heldBytes = OWN_BYTES + 60 * MEGABYTE
  await collect(garbage)
  heap.heldBytes = OWN_BYTES + 108 * MEGABYTE
  await collect(garbage)
  assert.equal(heap.marks, 1)
  heap.heldBytes = OWN_BYTES + 109 * MEGABYTE
  await collect(garbage)
  assert.equal(heap.marks, 2)
})

test('however much is let go of in one turn, it is collected once', async () => {
  const heap = new ScriptedHeap()
  const garbage = new BodyGarbage(heap, () => ({ usedBytes: 0, limitBytes: 1e9 }))
  for (let megabytes = 0; megabytes < 200; megabytes++) garbage.add(MEGABYTE)
  await nextTurn()
  assert.equal(heap.collections, 1)
})
