import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryLimit } from '../../src/process/memory-limit.ts'
import type { Logger } from '../../src/std/logger.ts'

const MIB = 2 ** 20

test('the budget is half of the heap at the most, and the operator is told', () => {
  const warnings: string[] = []
  const silent = () => {}
  const warn = (_fields: object, text: string) => void warnings.push(text)
  const logger: Logger = { debug: silent, info: silent, warn, error: silent }
  assert.equal(memoryLimit(256 * MIB, logger, 512 * MIB), 256 * MIB)
  assert.deepEqual(warnings, [])
  assert.equal(memoryLimit(256 * MIB, logger, 300 * MIB), 150 * MIB)
  assert.match(warnings.join(), /^max-memory-mb is 256, but .* is 300 MB: the relay uses 150 MB\. /)
})
