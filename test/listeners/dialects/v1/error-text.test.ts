import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeLossless } from '../../../../src/line-protocol/lossless-text.ts'
import {
  contentTypeOf,
  type ErrorFormat,
  errorFormat,
  errorHeader,
  goJsonString,
  renderError,
} from '../../../../src/listeners/dialects/v1/error-text.ts'

test('a JSON string is escaped as Go does it, and means the same', () => {
  const check = (text: string, expected: string) => assert.equal(goJsonString(text), expected)
  check('a', '"a"')
  check('"\\', '"\\"\\\\"')
  check('\n\r\t', '"\\n\\r\\t"')
  check('\b\f\u0000\u001f', '"\\u0008\\u000c\\u0000\\u001f"')
  check('<a>&', '"\\u003ca\\u003e\\u0026"')
  check('\u2028\u2029', '"\\u2028\\u2029"')
  check('\ufffd', '"\\ufffd"')
  check('é\u007f', '"é\u007f"')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.equal(JSON.parse(goJsonString(text)), text)
    }),
  )
})

test('an error comes in the form that Accept and pretty ask for', () => {
  const check = (accept: string | undefined, isPretty: boolean, type: string, body: string) => {
    const format = errorFormat(accept, isPretty)
    assert.equal(contentTypeOf(format), type)
    assert.equal(renderError('bad, "x"', format).toString('latin1'), body)
  }
  const plain = '{"error":"bad, \\"x\\""}\n'
  check(undefined, false, 'application/json', plain)
  check('*/*', false, 'application/json', plain)
  check('text/csv, */*', false, 'application/json', plain) // InfluxDB compares the whole value.
  check(undefined, true, 'application/json', '{\n    "error": "bad, \\"x\\""\n}\n')
  check('text/csv', true, 'text/csv', 'error\n"bad, ""x"""\n')
  check('application/csv', false, 'text/csv', 'error\n"bad, ""x"""\n')
  check('application/x-msgpack', false, 'application/x-msgpack', '\x81\xa5error\xa8bad, "x"')
})

test('bytes that are not UTF-8 are told as they are, and in JSON as U+FFFD', () => {
  const error = `bad ${decodeLossless(Buffer.from('\xe4\xc3\xa4\xff', 'latin1'))}`
  const check = (format: ErrorFormat, body: string) =>
    assert.equal(renderError(error, format).toString('latin1'), body)
  check('csv', 'error\nbad \xe4\xc3\xa4\xff\n')
  check('msgpack', '\x81\xa5error\xa8bad \xe4\xc3\xa4\xff')
  check('json', '{"error":"bad \\ufffd\xc3\xa4\\ufffd"}\n')
  assert.equal(errorHeader(error), 'bad \xe4\xc3\xa4\xff')
})

test('a msgpack error of any length says its length', () => {
  const head = (length: number) =>
    renderError('x'.repeat(length), 'msgpack').subarray(7, 12).toString('hex')
  assert.equal(head(31).slice(0, 2), 'bf')
  assert.equal(head(32).slice(0, 4), 'd920')
  assert.equal(head(256).slice(0, 6), 'da0100')
  assert.equal(head(65_536), 'db00010000')
})

test('an error header is one line of at most 1024 bytes, whatever the text', () => {
  assert.equal(errorHeader('a\nb\r\nc'), 'a b  c')
  assert.equal(errorHeader('x'.repeat(3000)).length, 1024)
  assert.equal(errorHeader('é'), '\u00c3\u00a9') // Its bytes.
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), (text) => {
      const header = errorHeader(text)
      assert(header.length <= 1024)
      assert.match(header, /^[^\0\r\n\u0100-\uffff]*$/)
    }),
  )
})
