import assert from 'node:assert/strict'
import { test } from 'node:test'
import { overlaps, reaches } from '../../src/config/addresses.ts'
import { type Endpoint, parseBindAddress } from '../../src/net/endpoint.ts'

function address(text: string, kind: Endpoint['kind'] = 'tcp') {
  const parsed = parseBindAddress(text, kind)
  assert(parsed.kind === 'ok', text)
  return parsed.address
}

test('two listeners overlap when the second would find its address taken', () => {
  const check = (a: string, b: string, expected: boolean) => {
    assert.equal(overlaps(address(a), address(b)), expected, `${a} ${b}`)
    assert.equal(overlaps(address(b), address(a)), expected, `${b} ${a}`)
  }
  check(':1', ':1', true)
  check(':1', ':2', false)
  check(':0', ':0', false)
  check('0.0.0.0:1', '10.0.0.1:1', true)
  check('[::]:1', '[::1]:1', true)
  check('localhost:1', '127.0.0.1:1', true)
  check('127.0.0.1:1', '10.0.0.1:1', false)
  check('127.0.0.1:1', '[::1]:1', false)
  assert(!overlaps(address(':1', 'tcp'), address(':1', 'udp')))
})

test('what is sent to this machine reaches a listener on loopback or on every address', () => {
  const check = (target: string, listener: string, expected: boolean) =>
    assert.equal(reaches(address(target), address(listener)), expected, `${target} ${listener}`)
  for (const listener of [':1', '0.0.0.0:1', '[::]:1', '127.0.0.1:1', 'LOCALHOST:1', '[::1]:1']) {
    for (const host of [
      'localhost',
      '127.0.0.1',
      '127.0.0.2',
      '0.0.0.0',
      '[::1]',
      '[::]',
      '[0:0:0:0:0:0:0:1]',
    ]) {
      check(`${host}:1`, listener, true)
    }
    check('db.example:1', listener, false)
    check('localhost:2', listener, false)
  }
  check('localhost:1', '10.0.0.1:1', false)
  check('10.0.0.1:1', '10.0.0.1:1', true)
  check('DB.example:1', 'db.example.:1', true)
  assert(!reaches(address('127.0.0.1:1', 'udp'), address(':1', 'tcp')))
})
