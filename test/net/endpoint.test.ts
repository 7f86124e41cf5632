import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseBindAddress, renderAddress } from '../../src/net/endpoint.ts'

test('an address is rendered as it was given', () => {
  for (const text of [
    ':9096',
    'localhost:1',
    '127.0.0.1:0',
    '[::1]:9096',
    '[fe80::1%eth0]:1',
    'a.b-c:65535',
  ]) {
    const parsed = parseBindAddress(text, 'tcp')
    assert(parsed.kind === 'ok', text)
    assert.equal(renderAddress(parsed.address), text)
  }
})
