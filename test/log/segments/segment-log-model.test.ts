// Goal: the log is an ordered list that survives whatever happens to its process and its machine.
// Method: random appends, reads, trims, kills, power cuts and reopenings against an array, with
// segments so small that each holds a few records.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { SegmentLog } from '../../../src/log/segments/segment-log.ts'
import { contentOf, openTestLog, readAll } from '../../support/disk-log-fixture.ts'
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts'

type Action =
  | {
      readonly kind: 'append'
      readonly sizes: readonly number[]
      /** Turns of the event loop before the next action; `undefined`: until it is durable. */
      readonly turns: number | undefined
    }
  | { readonly kind: 'read' | 'trim'; readonly share: number }
  | { readonly kind: 'reopen' | 'kill' }
  | { readonly kind: 'power-cut'; readonly chances: number }

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      sizes: fc.array(fc.nat(600), { minLength: 1, maxLength: 6 }),
      turns: fc.option(fc.nat(4), { nil: undefined }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('read' as const, 'trim' as const),
      share: fc.double({ min: 0, max: 1.1, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom({ kind: 'reopen' as const }, { kind: 'kill' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('power-cut' as const), chances: fc.nat() }),
  },
)

/** What may and what must be in the log. */
class Model {
  /** All that was ever sent, by sequence number. */
  readonly sent = new Map<number, string>()
  readonly durable = new Set<number>()
  trimmedBelow = 0

  check(read: readonly [number, string][], from: number): void {
    let last = -1
    const found = new Set<number>()
    for (const [sequence, body] of read) {
      assert(sequence > last, 'in order, once')
      assert(sequence >= from)
      assert.equal(body, this.sent.get(sequence), 'as it was sent')
      found.add(sequence)
      last = sequence
    }
    for (const sequence of this.durable) {
      const mustBeThere = sequence >= from && sequence >= this.trimmedBelow
      assert(!mustBeThere || found.has(sequence), `${sequence} is missing`)
    }
    // Seen once, it has to stay: an output may have it.
    for (const sequence of found) this.durable.add(sequence)
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function chooser(seed: number): () => boolean {
  let state = seed | 1
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
    return ((state >>> 16) & 1) === 1
  }
}

async function act(model: Model, files: SimulatedFileSystem, log: SegmentLog, step: Action) {
  switch (step.kind) {
    case 'append': {
      const results = step.sizes.map(async (size) => {
        const body = `${log.nextSequence} ${'x'.repeat(size)}`
        const appending = log.append(contentOf(body))
        assert(appending && !model.sent.has(appending.sequence), 'numbers are not used twice')
        model.sent.set(appending.sequence, body)
        if (step.turns === undefined && (await appending.result).kind === 'durable') {
          model.durable.add(appending.sequence)
        }
      })
      if (step.turns === undefined) await Promise.all(results)
      for (let turn = 0; turn < (step.turns ?? 0); turn++) await nextTurn()
      return { files, log }
    }
    case 'read': {
      const from = Math.floor(log.nextSequence * step.share)
      model.check(await readAll(log, from), from)
      return { files, log }
    }
    case 'trim': {
      const below = Math.floor(log.nextSequence * step.share)
      model.trimmedBelow = Math.max(model.trimmedBelow, below)
      await log.trimBelow(below)
      return { files, log }
    }
    case 'reopen':
      await log[Symbol.asyncDispose]()
      return reopen(files)
    case 'kill':
      return reopen(files.afterKill())
    case 'power-cut':
      return reopen(files.afterPowerCut(files.trace.length, chooser(step.chances)))
  }
}

async function reopen(files: SimulatedFileSystem) {
  return { files, log: await openTestLog(files, { segmentBytes: 2048 }) }
}

test('random appends, reads, trims, kills, power cuts and reopenings', async () => {
  const property = fc.asyncProperty(
    fc.array(action, { maxLength: 60, size: 'max' }),
    async (actions) => {
      const model = new Model()
      let { files, log } = await reopen(new SimulatedFileSystem())
      for (const step of actions) {
        const next = await act(model, files, log, step)
        files = next.files
        if (next.log === log) continue
        log = next.log
        for (const sequence of model.durable) assert(log.nextSequence > sequence)
        model.check(await readAll(log), 0)
        // What a crash has swallowed may get the number again of what nobody ever saw.
        for (const sequence of model.sent.keys()) {
          if (sequence >= log.nextSequence) model.sent.delete(sequence)
        }
      }
      model.check(await readAll(log), 0)
    },
  )
  await fc.assert(property, { numRuns: 60 })
})
