import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseDurationNs, renderDurationMs, renderDurationNs } from '../../src/std/durations.ts'

const SECOND = 1_000_000_000n

test("a duration is read as Go's time.ParseDuration reads it", () => {
  const check = (text: string, ns: bigint | undefined) =>
    assert.equal(parseDurationNs(text), ns, JSON.stringify(text))
  // The cases of Go's own test, and their neighbours.
  check('0', 0n)
  check('-0', 0n)
  check('0s', 0n)
  check('5s', 5n * SECOND)
  check('+5s', 5n * SECOND)
  check('-5s', -5n * SECOND)
  check('5.0s', 5n * SECOND)
  check('5.6s', 5_600_000_000n)
  check('5.s', 5n * SECOND)
  check('.5s', 500_000_000n)
  check('1.004s', 1_004_000_000n)
  check('1.00400s', 1_004_000_000n)
  check('100.00100s', 100_001_000_000n)
  check('10ns', 10n)
  check('11us', 11_000n)
  check('12µs', 12_000n)
  check('12μs', 12_000n)
  check('13ms', 13_000_000n)
  check('14s', 14n * SECOND)
  check('15m', 900n * SECOND)
  check('16h', 57_600n * SECOND)
  check('3h30m', 12_600n * SECOND)
  check('10.5s4m', 250_500_000_000n)
  check('-2m3.4s', -123_400_000_000n)
  check('1h2m3s4ms5us6ns', 3_723_004_005_006n)
  check('39h9m14.425s', 140_954_425_000_000n)
  check('52763797000ns', 52_763_797_000n)
  check('0.3333333333333333333h', 1_200n * SECOND)
  check('9007199254740993ns', 9_007_199_254_740_993n)
  check('9223372036854775807ns', 9_223_372_036_854_775_807n)
  check('-9223372036854775808ns', -9_223_372_036_854_775_808n)
  check('0.100000000000000000000h', 360n * SECOND)
  check('0.830103483285477580700h', 2_988_372_539_827n)

  const refused = [
    '',
    '3',
    '-',
    's',
    '.',
    '-.',
    '.s',
    '+.s',
    '10',
    '10 s',
    ' 10s',
    '10s ',
    '1d',
    '1S',
    '1e3s',
  ]
  const tooLong = [
    '9223372036854775808ns',
    '9223372036854775.808us',
    '3000000h',
    '-9223372036854775809ns',
    '9223372036854ms775us808ns',
  ]
  for (const text of [...refused, ...tooLong, '--1s', '+-1s', '1.2.3s', '٣s', '1s1'])
    check(text, undefined)
})

test('a duration is written short', () => {
  const check = (text: string) => assert.equal(renderDurationNs(parseDurationNs(text) ?? -1n), text)
  for (const text of [
    '0s',
    '1ns',
    '1.5us',
    '250ms',
    '10s',
    '1.5s',
    '1m',
    '1m30s',
    '1h',
    '1h0.5s',
    '-2m',
    '24h',
  ]) {
    check(text)
  }
  assert.equal(renderDurationMs(90_000), '1m30s')
})

test('a duration that was written is read back unchanged', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }), (ns) => {
      // Go computes fractions in float64 as well; whole nanoseconds below 2^53 survive that.
      const text = renderDurationNs(ns)
      assert.equal(parseDurationNs(text), ns, text)
    }),
  )
})

test('reading any text gives a duration that fits, or nothing', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'0123456789.+-nuµmsh') }))
  fc.assert(
    fc.property(text, (given) => {
      const ns = parseDurationNs(given)
      assert(ns === undefined || (ns >= -(2n ** 63n) && ns < 2n ** 63n))
    }),
  )
})
