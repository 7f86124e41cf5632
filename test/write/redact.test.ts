import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redacted } from '../../src/write/redact.ts'

const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`

const CASES: readonly {
  readonly what: string
  readonly authorization?: string
  readonly query?: string
  readonly text: (authorization: string, query: string) => string
  readonly secrets: readonly string[]
}[] = [
  {
    what: 'the URL of the request',
    query: 'u=bob&p=se%20cret',
    text: (_, query) => `bad request POST /write?db=x&${query}&precision=s: no`,
    secrets: ['bob', 'se%20cret'],
  },
  {
    what: 'its password decoded',
    query: 'u=bob&p=s%22e+cret',
    text: () => 'password "s\\"e cret" is wrong, s"e cret is',
    secrets: ['e cret'],
  },
  {
    what: 'the whole Basic header',
    authorization: basic('bob:hunter2hunter2'),
    text: (authorization) => `header Authorization: ${authorization} refused`,
    secrets: [basic('bob:hunter2hunter2').slice(6)],
  },
  {
    what: 'what Basic says when decoded, and its password alone',
    authorization: basic('bob:pass'),
    text: () => 'user bob:pass (password pass) is unknown',
    secrets: ['pass)', ':pass'],
  },
  {
    what: 'a token, with and without its scheme',
    authorization: 'Token abcdef123456==',
    text: (authorization) => `${authorization}; unknown token abcdef123456==, "abcdef123456=="`,
    secrets: ['abcdef123456'],
  },
  {
    what: 'a token that is a user and a password',
    authorization: 'Token bob:hunter2',
    text: () => 'bob, hunter2: no',
    secrets: ['hunter2'],
  },
  {
    what: 'a token beyond ASCII, which a header holds as bytes',
    authorization: `Token ${Buffer.from('schlüssel-1').toString('latin1')}`,
    text: () => 'unknown token schlüssel-1',
    secrets: ['schlüssel-1'],
  },
  {
    what: 'a header without a scheme',
    authorization: 'justatoken',
    text: () => 'what is justatoken?',
    secrets: ['justatoken'],
  },
  {
    what: 'credentials that nobody has told of, where a URL has them',
    text: () => 'proxy http://ann:pw1@influx:8086/write?u=ann&p=pw2&token=t3 is down',
    secrets: ['pw1', 'pw2', 't3 '],
  },
  {
    what: 'a short password in the URL',
    query: 'u=a&p=b',
    text: (_, query) => `GET /write?${query}`,
    secrets: ['p=b'],
  },
]

for (const { what, authorization = '', query = '', text, secrets } of CASES) {
  test(`not shown: ${what}`, () => {
    const given = text(authorization, query)
    const shown = redacted(given, { authorization, query })
    for (const secret of secrets) {
      assert(given.includes(secret), `the case quotes ${secret}`)
      assert(!shown.includes(secret), shown)
    }
    assert(shown.includes('***'), shown)
  })
}

test('a text that quotes nothing stays as it is, also where a password is a part of its words', () => {
  const credentials = { authorization: basic('u:a'), query: 'u=u&p=err' }
  const text = `partial write: field type conflict: input field "p" error u=1, p=2 dropped=1`
  assert.equal(redacted(text, credentials), text)
})
