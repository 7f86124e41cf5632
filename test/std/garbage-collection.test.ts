import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { BodyGarbage } from '../../src/std/garbage-collection.ts'

const MEGABYTE = 1024 * 1024

test('garbage is collected once for every 16 MB of bodies, and not in the same turn', async () => {
  let collections = 0
  const garbage = new BodyGarbage(() => collections++)
  for (let megabytes = 0; megabytes < 15; megabytes++) garbage.add(MEGABYTE)
  await nextTurn()
  assert.equal(collections, 0)
  garbage.add(MEGABYTE)
  assert.equal(collections, 0, 'whoever let go of it may still have it on the stack')
  await nextTurn()
  assert.equal(collections, 1)
  garbage.add(40 * MEGABYTE)
  await nextTurn()
  assert.equal(collections, 2)
})

test('bodies that nobody has any more give their memory back', async () => {
  const garbage = new BodyGarbage()
  const { arrayBuffers: before } = process.memoryUsage()
  let peak = 0
  for (let turn = 0; turn < 100; turn++) {
    for (let i = 0; i < 16; i++) garbage.add(Buffer.allocUnsafeSlow(MEGABYTE / 8).length)
    await nextTurn()
    peak = Math.max(peak, process.memoryUsage().arrayBuffers - before)
  }
  assert(peak < 40 * MEGABYTE, `${peak} bytes of 200 MB were held at once`)
})
