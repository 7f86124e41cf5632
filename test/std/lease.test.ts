import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lease } from '../../src/std/lease.ts'
import { MemoryBudget } from '../../src/std/memory-budget.ts'
import { detachedText, free, trimmed } from '../../src/std/unpooled.ts'

test('a lease grows up to the bound, never in part, and is given back once', () => {
  const freed: number[] = []
  const memory = new MemoryBudget(800, (bytes) => freed.push(bytes))
  const lease = new Lease(memory)
  assert.equal(lease.tryGrowTo(500), true)
  assert.equal(lease.tryGrowTo(400), true, 'it holds as much already')
  assert.equal(lease.tryGrowTo(701), false)
  assert.deepEqual([lease.bytes, memory.usedBytes], [500, 500])
  lease.end()
  lease.end()
  assert.deepEqual([memory.usedBytes, freed], [0, [500]])
})

test('what is handed on is no garbage', () => {
  const freed: number[] = []
  const lease = new Lease(new MemoryBudget(800, (bytes) => freed.push(bytes)))
  lease.setTo(900) // It is there: nobody can say no any more.
  lease.transfer()
  assert.deepEqual([lease.bytes, freed], [0, []])
})

test('the last eighth of the budget is for clients', () => {
  const memory = new MemoryBudget(800)
  assert.equal(memory.tryTake(701), false)
  assert.equal(memory.tryTake(700), true)
  assert.equal(memory.tryTake(1), false)
  assert.equal(memory.clients.tryTake(100), true)
  assert.equal(memory.clients.tryTake(1), false)
  assert.deepEqual([memory.usedBytes, memory.clients.usedBytes], [800, 100])
  memory.clients.giveBack(100)
  memory.giveBack(700)
  assert.deepEqual([memory.usedBytes, memory.clients.usedBytes], [0, 0])
})

test('clients alone cannot take the memory of all writes', () => {
  const memory = new MemoryBudget(800)
  assert.equal(memory.clients.tryTake(401), false)
  assert.equal(memory.clients.tryTake(400), true)
  assert.equal(memory.tryTake(300), true)
})

test('a large buffer is freed at once when nobody shares its memory, and no other is', () => {
  const large = Buffer.allocUnsafeSlow(100_000)
  const view = Buffer.allocUnsafeSlow(200_000).subarray(0, 100_000)
  const small = Buffer.allocUnsafeSlow(1000)
  assert.deepEqual([free(large), free(view), free(small)], [0, 100_000, 1000])
  assert.deepEqual([large.length, view.length, small.length], [0, 100_000, 1000])
})

test('what is trimmed has the same bytes, and memory that is hardly larger', () => {
  const bytes = Buffer.allocUnsafeSlow(100_000).fill('x')
  const start = trimmed(bytes, 70_000)
  assert.deepEqual([start.length, start.buffer.byteLength], [70_000, 70_000])
  assert.deepEqual(start, Buffer.alloc(70_000, 'x'))
  assert.equal(bytes.length, 0)
})

test('a text of its own is the same text, whatever is in it', () => {
  for (const text of ['', 'a', 'é😀', '\udc80 a lone one', '\0"\\\u2028']) {
    assert.equal(detachedText(text), text)
  }
})
