import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LineTable } from '../../../src/line-protocol/rejected/line-table.ts'
import { newestOfOldest } from '../../../src/line-protocol/rejected/oldest-times.ts'
import { atOnce } from '../../support/steps.ts'

/** Lines that are nothing but a time. */
function tableOf(times: readonly bigint[]): LineTable {
  return atOnce(LineTable.of(Buffer.from(times.map((time) => `${time}\n`).join(''))))
}

function newest(tables: readonly (readonly bigint[])[], count: number): bigint | undefined {
  const timeOf = (body: Buffer, { from, end }: { from: number; end: number }) =>
    BigInt(body.toString('latin1', from, end - 1))
  return atOnce(newestOfOldest(tables.map(tableOf), timeOf, count))
}

function newestBySorting(times: readonly bigint[], count: number): bigint | undefined {
  const sorted = times.toSorted((a, b) => (a < b ? -1 : Number(a > b)))
  const [last, next] = [sorted[count - 1], sorted[count]]
  return last === next || next === undefined ? undefined : last
}

test('the newest of the oldest is what sorting all of them tells', () => {
  const time = fc.oneof(fc.bigInt(-3n, 3n), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n))
  const tables = fc.array(fc.array(time, { maxLength: 20 }), { maxLength: 4 })
  fc.assert(
    fc.property(tables, fc.nat(60), (times, count) => {
      assert.equal(newest(times, count), newestBySorting(times.flat(), count))
    }),
  )
})

test('that holds over more lines than are sorted at once', () => {
  const times = Array.from({ length: 100_000 }, (_, index) => BigInt((index * 7919) % 99_991))
  for (const count of [1, 9, 10, 50_000, 99_999, 100_000]) {
    assert.equal(newest([times], count), newestBySorting(times, count), `${count}`)
  }
})
