import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type MemoryHolder, ReclaimingMemory } from '../../src/log/reclaiming-memory.ts'
import type { MemoryBudget } from '../../src/std/memory-budget.ts'
import { writeMemory } from '../support/write-memory.ts'

/** Gives back what waits, then what was taken; notes in `asked` when it is asked. */
class Holder implements MemoryHolder {
  readonly #name: string
  readonly #budget: MemoryBudget
  readonly #asked: string[]
  #waiting: number
  #taken: number

  constructor(name: string, bytes: { waiting: number; taken: number }, setup: Setup) {
    this.#name = name
    this.#budget = setup.budget
    this.#asked = setup.asked
    this.#waiting = bytes.waiting
    this.#taken = bytes.taken
    this.#budget.take(this.reclaimableBytes)
  }

  get reclaimableBytes(): number {
    return this.#waiting + this.#taken
  }

  reclaim(isAll: boolean): void {
    this.#asked.push(`${this.#name} ${isAll ? 'all' : 'waiting'}`)
    this.#budget.giveBack(this.#waiting + (isAll ? this.#taken : 0))
    this.#waiting = 0
    if (isAll) this.#taken = 0
  }
}

interface Setup {
  readonly budget: MemoryBudget
  readonly asked: string[]
}

function setup(): Setup & { readonly memory: ReclaimingMemory; readonly holders: MemoryHolder[] } {
  const budget = writeMemory(100)
  const holders: MemoryHolder[] = []
  return { budget, asked: [], holders, memory: new ReclaimingMemory(budget, () => holders) }
}

test('while there is room nobody is asked', () => {
  const { memory, asked, holders, ...rest } = setup()
  holders.push(new Holder('a', { waiting: 50, taken: 0 }, { asked, ...rest }))
  assert(memory.tryTake(50))
  assert.deepEqual([memory.usedBytes, memory.limitBytes, asked.length], [100, 100, 0])
})

test('the one with the most gives way first, and no more of them than is needed', () => {
  const { memory, asked, holders, ...rest } = setup()
  holders.push(new Holder('a', { waiting: 20, taken: 10 }, { asked, ...rest }))
  holders.push(new Holder('b', { waiting: 50, taken: 10 }, { asked, ...rest }))
  memory.take(10)
  assert(memory.tryTake(40))
  assert.deepEqual(asked, ['b waiting'])
  assert(memory.tryTake(25))
  assert.deepEqual(asked, ['b waiting', 'a waiting'])
})

test('what was tried before, and waits, is given back only when the rest does not do', () => {
  const { memory, asked, holders, ...rest } = setup()
  holders.push(new Holder('a', { waiting: 20, taken: 30 }, { asked, ...rest }))
  holders.push(new Holder('b', { waiting: 10, taken: 30 }, { asked, ...rest }))
  memory.take(10)
  assert(memory.tryTake(60))
  assert.deepEqual(asked, ['a waiting', 'b waiting', 'a all'])
})

test('where all of them have less than is missing, nobody is asked', () => {
  const { memory, asked, holders, ...rest } = setup()
  holders.push(new Holder('a', { waiting: 20, taken: 0 }, { asked, ...rest }))
  memory.take(80)
  assert.equal(memory.tryTake(21), false)
  assert.deepEqual([asked.length, memory.usedBytes], [0, 100])
  assert(memory.tryTake(20))
  memory.giveBack(100)
  assert.equal(memory.usedBytes, 0)
})
