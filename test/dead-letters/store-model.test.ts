// Goal: whatever happens to process, machine and disk, a letter that was kept is there until it is
// removed, and one that was removed does not come back. Method: random appends, removals, faults,
// kills, power cuts and reopenings against a list, with files of a few letters.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { DeadLetters } from '../../src/dead-letters/store.ts'
import {
  deadLetter,
  lettersOf,
  openTestDeadLetters,
  readBodies,
} from '../support/dead-letter-fixture.ts'
import { SimulatedFileSystem } from '../support/simulated-file-system.ts'

type Action =
  | { readonly kind: 'append'; readonly count: number; readonly isAwaited: boolean }
  | { readonly kind: 'remove'; readonly share: number }
  | { readonly kind: 'purge' | 'reopen' | 'kill' }
  | { readonly kind: 'fault'; readonly call: 'write' | 'sync' | 'rename' | 'open' | 'unlink' }
  | { readonly kind: 'power-cut'; readonly chances: number }

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      count: fc.integer({ min: 1, max: 5 }),
      isAwaited: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('remove' as const),
      share: fc.double({ min: 0, max: 1.2, noNaN: true }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('purge' as const, 'reopen' as const, 'kill' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      call: fc.constantFrom('write', 'sync', 'rename', 'open', 'unlink'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('power-cut' as const), chances: fc.nat() }),
  },
)

class Run {
  #files = new SimulatedFileSystem()
  #dead: DeadLetters | undefined
  #appends: Promise<void>[] = []
  #count = 0
  /** By body, in the order of the appends: those that must be there. */
  readonly #kept = new Set<string>()
  /** They must not come back. */
  readonly #removed = new Set<string>()

  async do(action: Action): Promise<void> {
    const dead = await this.#opened()
    switch (action.kind) {
      case 'append':
        for (let left = action.count; left > 0; left--) this.#append(dead)
        if (action.isAwaited) await this.#settled()
        return
      case 'remove': {
        const letters = await lettersOf(dead)
        const at = Math.floor(action.share * letters.length)
        const number = letters[at]?.number ?? Number.MAX_SAFE_INTEGER
        const meant = letters.slice(0, at).map(({ write }) => write.body.toString())
        if (number === Number.MAX_SAFE_INTEGER) return
        return await this.#remove(meant, () => dead.removeBelow(number))
      }
      case 'purge': {
        await this.#settled()
        return await this.#remove([...this.#kept], () => dead.purge(undefined))
      }
      case 'fault':
        this.#files.fault = (call) => (call === action.call ? { code: 'EIO' } : undefined)
        for (let left = 2; left > 0; left--) this.#append(dead)
        await this.#settled()
        await this.#remove(undefined, () => dead.purge(undefined))
        this.#files.fault = () => undefined
        return
      case 'reopen':
        await this.#settled()
        await dead[Symbol.asyncDispose]()
        this.#dead = undefined
        return
      case 'kill':
        return this.#restart(this.#files.afterKill())
      case 'power-cut': {
        let bits = action.chances
        const chooses = () => {
          bits = (bits * 1_103_515_245 + 12_345) % 2 ** 31
          return bits > 2 ** 30
        }
        return this.#restart(this.#files.afterPowerCut(this.#files.trace.length, chooses))
      }
    }
  }

  async check(): Promise<void> {
    await this.#settled()
    const dead = await this.#opened()
    const letters = await lettersOf(dead)
    const bodies = letters.map(({ write }) => write.body.toString())
    assert.deepEqual(
      bodies.map(Number),
      bodies.map(Number).sort((a, b) => a - b),
      'in order',
    )
    assert.equal(new Set(bodies).size, bodies.length, 'once')
    const found = new Set(bodies)
    for (const body of this.#kept) assert(found.has(body), `${body} was kept`)
    for (const body of this.#removed) assert(!found.has(body), `${body} was removed`)
    const { bodies: read, reader } = await readBodies(this.#files)
    assert.deepEqual(read, bodies, 'a reader without a lock sees the same')
    assert.deepEqual(reader.problems, [])
    await dead.removeBelow(0)
    assert.equal(dead.snapshot().letters, bodies.length, 'counted')
  }

  async close(): Promise<void> {
    await this.#settled()
    await this.#dead?.[Symbol.asyncDispose]()
  }

  #append(dead: DeadLetters): void {
    const body = `${this.#count++}\n`
    const files = this.#files
    const append = async () => {
      const result = await dead.append(deadLetter(body))
      // After a kill nobody is told any more.
      if (result === 'kept' && this.#files === files) this.#kept.add(body)
    }
    this.#appends.push(append())
  }

  /** @param meant `undefined` = all that are there */
  async #remove(
    meant: readonly string[] | undefined,
    remove: () => ReturnType<DeadLetters['purge']>,
  ): Promise<void> {
    const bodies = meant ?? [...this.#kept]
    const removal = await remove()
    for (const body of bodies) {
      // One that failed may have been carried out all the same, as is seen after a restart.
      this.#kept.delete(body)
      if (!('failed' in removal)) this.#removed.add(body)
    }
  }

  async #opened(): Promise<DeadLetters> {
    if (this.#dead !== undefined) return this.#dead
    this.#dead = await openTestDeadLetters(this.#files, { fileBytes: 2_200 })
    // Waits for the count of what is there, which a fault would spoil.
    await this.#dead.removeBelow(0)
    return this.#dead
  }

  async #settled(): Promise<void> {
    await Promise.all(this.#appends.splice(0))
  }

  #restart(files: SimulatedFileSystem): void {
    this.#files = files
    this.#dead = undefined
    this.#appends = []
  }
}

test('letters are kept until they are removed, through faults, kills and power cuts', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 25 }), async (actions) => {
      const run = new Run()
      for (const each of actions) await run.do(each)
      await run.check()
      await run.close()
    }),
    { numRuns: 300 },
  )
})
