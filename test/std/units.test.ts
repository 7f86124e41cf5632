import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderBytes, renderCount, renderWait } from '../../src/std/units.ts'

test('amounts are written for people', () => {
  assert.equal(renderBytes(0), '0 B')
  assert.equal(renderBytes(999), '999 B')
  assert.equal(renderBytes(2_100_000), '2.1 MB')
  assert.equal(renderBytes(5e15), '5000.0 TB')
  assert.equal(renderWait(350.4), '350 ms')
  assert.equal(renderWait(8_240), '8.2 s')
  assert.equal(renderWait(720_000), '12 min')
  assert.equal(renderCount(1, 'write'), '1 write')
  assert.equal(renderCount(0, 'write'), '0 writes')
})
