import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseGoQuery, queryStringOf, queryText } from '../../../src/listeners/dialects/go-query.ts'

test('a query string is read as Go reads it', () => {
  const check = (query: string, expected: Record<string, string>) => {
    const read = [...parseGoQuery(query)].map(([name, { text }]) => [name, text])
    assert.deepEqual(Object.fromEntries(read), expected, query)
  }
  check('', {})
  check('db=a', { db: 'a' })
  check('db=a&db=b', { db: 'a' }) // The first counts.
  check('db=&db=b', { db: '' }) // Also when it is empty.
  check('&&db=a&', { db: 'a' })
  check('db', { db: '' })
  check('=x', { '': 'x' })
  check('db=a=b', { db: 'a=b' })
  check('db=a+b%20c%2Bd', { db: 'a b c+d' })
  check('%64b=a', { db: 'a' })
  check('db=a;precision=s&rp=b', { rp: 'b' }) // A pair with a semicolon is left out,
  check('db=%zz&rp=b', { rp: 'b' }) // and so is one with a broken escape.
  check('db=%4&rp=b%', {})
  check('?db=a', { '?db': 'a' })
  check('db=%C3%A9', { db: 'é' })
  check('db=%FF', { db: '\ufffd' })
  check('db=\u00c3\u00a9', { db: 'é' }) // Bytes that came unescaped.
})

test('a value says whether its bytes are UTF-8', () => {
  const check = (query: string, isUtf8: boolean) =>
    assert.equal(parseGoQuery(query).get('db')?.isUtf8, isUtf8, query)
  for (const good of ['', 'a', '%C3%A9', '\u00c3\u00a9', '%EF%BF%BD', 'a+b', '%F0%9F%8C%8D']) {
    check(`db=${good}`, true)
  }
  // Also what Go's own tables have for surrogates, overlong forms and what ends too soon.
  for (const bad of ['%FF', 'a%80b', '%C3', '%C0%AF', '%ED%A0%80', '%F4%90%80%80', '\u00ff']) {
    check(`db=${bad}`, false)
  }
})

test('a raw value is safe in a URL and means what came', () => {
  const check = (query: string, raw: string) =>
    assert.equal(parseGoQuery(query).get('p')?.raw, raw, query)
  check('p=a%26b+c', 'a%26b+c')
  check('p=\u00e9 x', '%E9%20x')
})

test('whatever URLSearchParams writes is read back', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string())), (pairs) => {
      const query = new URLSearchParams(pairs).toString()
      const read = parseGoQuery(query)
      for (const [name] of pairs) {
        const first = pairs.find(([candidate]) => candidate === name)
        assert.equal(queryText(read, name), first?.[1])
      }
    }),
  )
})

test('the query string of a request target is what stands behind the first question mark', () => {
  assert.equal(queryStringOf('/write?db=a?b'), 'db=a?b')
  assert.equal(queryStringOf('/write'), '')
})
