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
