import assert from 'node:assert/strict'
import { test } from 'node:test'
import { locateKeys } from '../../../src/config/read/key-lines.ts'

const TEXT = `# comment [[http]]
log-level = "[[http]] = x"

[[http]] # one
name = '''
bind-addr = "inside text"
'''
Bind_Addr = ":1"
output = [
  { name = "a", location = "http://a" }, # { b }
  # { name = "no" },
  { name = "}, ]", location = "http://b",
  },
]
[[http]]
a.b = { c = [ 1,
  { d = 2 } ] }
[[http.output]]
name = """x"""""
timeout = "1\\"s"
[http.output.endpoints]
"write" = "/w"
[[http.output]]
location = "y"
[ admin ]
bind-addr = 5
`

test('the line of a key is found in tables, arrays of tables and inline tables', () => {
  const keys = locateKeys(TEXT)
  const check = (path: string, line: number) => assert.equal(keys.lineOf(path), line, path)
  check('log-level', 2)
  check('http', 4)
  check('http[0]', 4)
  check('http[0].name', 5)
  check('http[0].bind-addr', 8)
  check('http[0].output', 9)
  check('http[0].output[0]', 10)
  check('http[0].output[0].location', 10)
  check('http[0].output[1]', 12)
  check('http[0].output[1].location', 12)
  check('http[1]', 15)
  check('http[1].a.b', 16)
  check('http[1].a.b.c[1].d', 17)
  check('http[1].output[0]', 18)
  check('http[1].output[0].timeout', 20)
  check('http[1].output[0].endpoints', 21)
  check('http[1].output[0].endpoints.write', 22)
  check('http[1].output[1].location', 24)
  check('admin.bind-addr', 26)
})

test('a key that is not there has the line of the table around it', () => {
  const keys = locateKeys(TEXT)
  const check = (path: string, line: number) => assert.equal(keys.lineOf(path), line, path)
  check('http[0].max-body-mb', 4)
  check('http[0].output[1].timeout', 12)
  check('http[1].output[0].endpoints.ping', 21)
  check('http[7].name', 4)
  check('udp[0].name', 0)
  check('', 0)
})

test('broken text is walked to its end', () => {
  const broken = [
    ']]]',
    '[[[',
    '= = =',
    '{{{',
    'a = [',
    'a = {',
    'a = "',
    "'",
    '[a',
    'a.',
    '\\',
    'a = [,,]',
  ]
  for (const text of [...broken, `a = ${'['.repeat(9999)}`, `a = ${'{b='.repeat(9999)}`]) {
    assert.equal(locateKeys(text).lineOf('zz'), 0, text.slice(0, 20))
  }
})
