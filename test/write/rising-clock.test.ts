import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nsPer, PRECISIONS } from '../../src/line-protocol/precision.ts'
import { type Clock, systemClock } from '../../src/std/clock.ts'
import { ClockSteps } from '../../src/write/clock-steps.ts'
import { RisingClock } from '../../src/write/rising-clock.ts'
import { keepingLogger } from '../support/disk-log-fixture.ts'

const MS = 1_000_000n
const SECOND = 1000n * MS
const HOUR = 3600n * SECOND
const YEAR = 365n * 24n * HOUR

/** Wall and monotonic time as the test says; its timers never fire. */
class SetClock implements Clock {
  nowNs: bigint
  #monotonicNs = 5n * SECOND

  constructor(nowNs: bigint) {
    this.nowNs = nowNs
  }

  /** Time goes by. */
  pass(ns: bigint): void {
    this.nowNs += ns
    this.#monotonicNs += ns
  }

  /** Somebody sets the wall clock. */
  set(byNs: bigint): void {
    this.nowNs += byNs
  }

  monotonicMs(): number {
    return Number(this.#monotonicNs) / 1e6
  }

  wallMs(): number {
    return Number(this.nowNs / MS)
  }

  wallNs(): bigint {
    return this.nowNs
  }

  startTimer(): { cancel(): void } {
    return { cancel() {} }
  }
}

function openClocks(startNs = 1_600_000_000n * SECOND) {
  const wall = new SetClock(startNs)
  const { logger, lines } = keepingLogger()
  const steps = new ClockSteps({ clock: wall, logger })
  return { wall, steps, lines, stamps: new RisingClock(wall, steps) }
}

const pass = fc.bigInt({ min: 0n, max: 3n * SECOND }).map((ns) => ({ pass: ns, set: 0n }))
const smallStep = fc
  .bigInt({ min: -900n * MS, max: 900n * MS })
  .map((ns) => ({ pass: 2n * SECOND, set: ns }))
const largeStep = fc
  .oneof(
    fc.bigInt({ min: 1_002n * MS, max: 100n * YEAR }),
    fc.bigInt({ min: -10n * YEAR, max: -1_002n * MS }),
  )
  .map((ns) => ({ pass: 0n, set: ns }))

test('a stamp is now, or one nanosecond above the last; after a step of the clock it is now; cut to the precision', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(pass, smallStep, largeStep)),
      fc.array(fc.constantFrom(...PRECISIONS), { minLength: 1 }),
      async (events, precisions) => {
        const { wall, steps, stamps } = openClocks(50n * 365n * 24n * HOUR)
        let lastNs = -1n
        let count = 0
        for (const [index, event] of events.entries()) {
          wall.pass(event.pass)
          wall.set(event.set)
          const isStep = event.set > SECOND || event.set < -SECOND
          if (isStep) count++
          lastNs = isStep || wall.nowNs > lastNs ? wall.nowNs : lastNs + 1n
          const precision = precisions[index % precisions.length] ?? 'ns'
          assert.equal(stamps.next(precision), String(lastNs / nsPer(precision)))
          assert.equal(steps.count, count)
        }
      },
    ),
  )
})

test('10,000 stamps in a row are 10,000 different ones, also while the clock is set back a little', () => {
  const { wall, steps, stamps } = openClocks()
  let last = 0n
  for (let index = 0; index < 10_000; index++) {
    if (index === 5_000) wall.set(-900n * MS)
    const stamp = BigInt(stamps.next('ns'))
    assert(stamp > last)
    last = stamp
  }
  assert.equal(steps.count, 0)
})

for (const precision of PRECISIONS) {
  test(`ten years ahead and back again: stamps follow at once, and it is told (${precision})`, () => {
    const { wall, steps, lines, stamps } = openClocks()
    const now = () => String(wall.nowNs / nsPer(precision))
    for (const step of [10n * YEAR, -10n * YEAR, -HOUR, HOUR]) {
      wall.pass(2n * SECOND)
      wall.set(step)
      assert.equal(stamps.next(precision), now())
      wall.pass(1n)
      assert.equal(stamps.next(precision), now())
    }
    assert.equal(steps.count, 4)
    assert.equal(lines.length, 4)
    assert.match(lines[1] ?? '', /the wall clock was set back by 315360000\.0 s/)
  })
}

test('all that share a clock follow its step, and it counts once', () => {
  const { wall, steps } = openClocks()
  const relays = [new RisingClock(wall, steps), new RisingClock(wall, steps)]
  for (const stamps of relays) stamps.next('ns')
  wall.set(-HOUR)
  for (const stamps of relays) assert.equal(stamps.next('ns'), String(wall.nowNs))
  assert.equal(steps.count, 1)
})

test('many small steps back do not add up', () => {
  const { wall, stamps } = openClocks()
  for (let step = 0; step < 20; step++) {
    wall.set(-900n * MS)
    const aheadNs = BigInt(stamps.next('ns')) - wall.nowNs
    assert(aheadNs <= SECOND, `${aheadNs} ns ahead of the clock`)
  }
})

test('a process that is stopped between two looks at two clocks sees no step', () => {
  let isStopped = false
  let stoppedMs = 0
  const clock: Clock = {
    ...systemClock,
    wallMs: () => 1_600_000_000_000 + stoppedMs,
    monotonicMs: () => {
      if (isStopped) stoppedMs += 60_000
      isStopped = false
      return 5_000 + stoppedMs
    },
    startTimer: () => ({ cancel() {} }),
  }
  const steps = new ClockSteps({ clock, logger: keepingLogger().logger })
  isStopped = true
  assert.equal(steps.look(), 0)
  assert.equal(steps.look(), 0)
})
