import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoffMs, RETRY_AFTER_MAX_MS, retryAfterMs } from '../../src/std/backoff.ts'

test('retryAfterMs reads seconds and HTTP dates, and nothing else', () => {
  const nowMs = Date.UTC(2026, 10, 21)
  const check = (header: string, expectedMs: number | undefined) =>
    assert.equal(retryAfterMs(header, nowMs), expectedMs, `Retry-After: ${header}`)

  check('0', 0)
  check('120', 120_000)
  check('999999', RETRY_AFTER_MAX_MS)
  check('Sat, 21 Nov 2026 00:00:30 GMT', 30_000)
  check('Fri, 20 Nov 2026 00:00:00 GMT', 0) // already past
  for (const bad of ['', ' ', '-1', '1.5', 'soon', '2026-11-21']) check(bad, undefined)
})

test('backoff doubles up to its bound, is spread from zero, and never undercuts what was asked', () => {
  const check = (failures: number, random: number, expectedMs: number, asked?: number) => {
    const given = { failures, random, delayMaxMs: 10_000, retryAfterMs: asked }
    assert.equal(backoffMs(given), expectedMs, JSON.stringify(given))
  }
  check(1, 0.5, 250)
  check(2, 0.5, 500)
  check(3, 0.5, 1000)
  check(20, 0.5, 5000)
  check(2000, 0.5, 5000)
  check(5, 0, 0)
  check(1, 0, 7000, 7000)
  check(1, 0, RETRY_AFTER_MAX_MS, 1e12)
})
