import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nsPer, PRECISIONS } from '../../src/line-protocol/precision.ts'
import { type Clock, systemClock } from '../../src/std/clock.ts'
import { RisingClock } from '../../src/write/rising-clock.ts'

function clockThatReads(readings: readonly bigint[]): Clock {
  let index = 0
  return { ...systemClock, wallNs: () => readings[Math.min(index++, readings.length - 1)] ?? 0n }
}

test('a stamp is now, or one nanosecond above the last, cut to the precision', async () => {
  const reading = fc.bigInt({ min: 0n, max: 4_102_444_800_000_000_000n })
  const near = reading.chain((first) =>
    fc.array(
      fc.bigInt({ min: first > 2_000_000n ? first - 2_000_000n : 0n, max: first + 2_000_000n }),
    ),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.array(reading), near),
      fc.array(fc.constantFrom(...PRECISIONS), { minLength: 1 }),
      async (readings, precisions) => {
        const clock = new RisingClock(clockThatReads(readings))
        let lastNs = -1n
        for (const [index, nowNs] of readings.entries()) {
          const precision = precisions[index % precisions.length] ?? 'ns'
          lastNs = nowNs > lastNs ? nowNs : lastNs + 1n
          assert.equal(clock.next(precision), String(lastNs / nsPer(precision)))
        }
      },
    ),
  )
})

test('10,000 stamps in a row are 10,000 different ones, also while the clock is set back', () => {
  let nowNs = 1_600_000_000_000_999_990n
  const clock = new RisingClock({ ...systemClock, wallNs: () => nowNs })
  const stamps = new Set<bigint>()
  let last = 0n
  for (let index = 0; index < 10_000; index++) {
    if (index === 5_000) nowNs -= 3_600_000_000_000n
    const stamp = BigInt(clock.next('ns'))
    assert(stamp > last)
    last = stamp
    stamps.add(stamp)
  }
  assert.equal(stamps.size, 10_000)
})
