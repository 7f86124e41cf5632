import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printable, printableJson } from '../../src/std/printable.ts'

/** What ends a line, moves a cursor, colours, or turns text around. */
const OBEYED = [
  ...Array.from({ length: 0x20 }, (_, code) => code).filter((code) => code !== 0x09),
  ...Array.from({ length: 0x21 }, (_, code) => 0x7f + code),
  ...[0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2066, 0x2069],
].map((code) => String.fromCharCode(code))

test('nothing that a terminal obeys or that ends a line is left, and all else stays', () => {
  for (const char of OBEYED) {
    const shown = printable(`a${char}b`)
    assert.match(shown, /^a\\(?:x[\da-f]{2}|u[\da-f]{4})b$/, JSON.stringify(char))
  }
  const harmless = 'köln "x" \\ \t 温度 🙂'
  assert.equal(printable(harmless), harmless)
})

test('JSON means the same and obeys nothing', () => {
  const value = { name: OBEYED.join(''), city: 'köln' }
  const json = printableJson(JSON.stringify(value))
  assert.deepEqual(JSON.parse(json), value)
  for (const char of OBEYED) assert(!json.includes(char), JSON.stringify(char))
})
