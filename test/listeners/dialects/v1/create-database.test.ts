import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseStatement } from '../../../../src/listeners/dialects/v1/create-database.ts'
import { httpRequest } from '../../../support/http-request.ts'
import { openInfluxd, requireInfluxd } from '../../../support/influxd.ts'
import { between, type Random, seededRandom } from '../../../support/seeded-random.ts'
import { scaled } from '../../../support/trials.ts'

test('CREATE DATABASE is read in every form that InfluxQL has', () => {
  const check = (query: string, database: string, text = query) =>
    assert.deepEqual(parseStatement(query), { kind: 'create-database', database, text }, query)
  check('CREATE DATABASE telegraf', 'telegraf')
  check('create  database\n_a1', '_a1')
  check('CREATE DATABASE "a b"', 'a b')
  check('CREATE DATABASE a"b"', 'b')
  check('CREATE DATABASE "a\\"b\\\\c\\nd"', 'a"b\\c\nd')
  check('CREATE DATABASE "é😀"', 'é😀')
  check('CREATE DATABASE ""', '')
  check(' ; CREATE DATABASE a ; ', 'a', 'CREATE DATABASE a')
  check('CREATE DATABASE a WITH DURATION 1d NAME "x;y"', 'a')
  check('CREATE DATABASE a with duration INF replication 2 shard duration 1h30m name b', 'a')
  check('-- hi\nCREATE DATABASE cm1', 'cm1', 'CREATE DATABASE cm1')
  check('CREATE/* x */DATABASE -- y\n "a" -- z', 'a', 'CREATE DATABASE "a"')
})

test('options of later versions are for the outputs to judge', () => {
  const check = (query: string, text = query) =>
    assert.deepEqual(parseStatement(query), { kind: 'create-database', database: 'a', text }, query)
  check('CREATE DATABASE a WITH FUTURE LIMIT 1h PAST LIMIT 2h')
  check(
    'CREATE DATABASE a WITH DURATION 1d FUTURE LIMIT 1h NAME "b"; ',
    'CREATE DATABASE a WITH DURATION 1d FUTURE LIMIT 1h NAME "b"',
  )
})

test('a misspelling is told in InfluxDB’s words', () => {
  const check = (query: string, reason: string) =>
    assert.deepEqual(parseStatement(query), { kind: 'misspelt', reason }, query)
  check('CREATE DATABASE my-service', 'found -, expected ; at line 1, char 19')
  check('CREATE DATABASE 1db', 'found 1db, expected identifier at line 1, char 17')
  check("CREATE DATABASE 'sq1'", 'found sq1, expected identifier at line 1, char 16')
  check('CREATE DATABASE IF NOT EXISTS x', 'found NOT, expected ; at line 1, char 20')
  check('CREATE DATABASE', 'found EOF, expected identifier at line 1, char 17')
  check('CREATE DATABASE name', 'found NAME, expected identifier at line 1, char 17')
  check('CREATE\r\n\r\nDATABASE "a', 'found a, expected identifier at line 3, char 9')
  check('CREATE DATABASE a"b" "c"', 'found c, expected ; at line 1, char 22')
  check(
    'CREATE DATABASE"a"',
    'found a, expected CONTINUOUS, DATABASE, USER, RETENTION, SUBSCRIPTION at line 1, char 8',
  )
  check(
    'CREATE DATABSE a',
    'found DATABSE, expected CONTINUOUS, DATABASE, USER, RETENTION, SUBSCRIPTION at line 1, char 8',
  )
  check(
    'CRATE DATABASE a',
    'found CRATE, expected SELECT, DELETE, SHOW, CREATE, DROP, EXPLAIN, GRANT, REVOKE, ALTER, SET, KILL at line 1, char 1',
  )
  check('CREATE DATABASE a; CREATE DATABASE b-c', 'found -, expected ; at line 1, char 37')
  check(
    'CREATE DATABASE a WITH',
    'found EOF, expected DURATION, NAME, REPLICATION, SHARD at line 1, char 24',
  )
  check('CREATE DATABASE a WITH DURATION 1x', 'invalid duration at line 1, char 33')
  check(
    'CREATE DATABASE a WITH DURATION 9999999w',
    'overflowed duration 9999999w: choose a smaller duration or INF at line 1, char 33',
  )
  check(
    'CREATE DATABASE a WITH REPLICATION 0',
    'invalid value 0: must be 1 <= n <= 2147483647 at line 1, char 36',
  )
  check('CREATE DATABASE a WITH SHARD 1h', 'found 1h, expected DURATION at line 1, char 30')
})

test('other statements, and several, are neither', () => {
  const others = [
    '',
    'SHOW DATABASES',
    'DROP DATABASE a',
    'CREATE USER a',
    'CREATE DATABASE a; DROP DATABASE a',
    'CREATE DATABASE a; CREATE DATABASE b',
    'CREATE DATABASE a WITH DURATION 1d; DROP DATABASE a',
    'SELECT 1; CREATE DATABASE a',
    'CREATE DATABASE a\0',
  ]
  for (const query of others) assert.deepEqual(parseStatement(query), { kind: 'other' }, query)
})

test('a hostile statement costs no time', () => {
  for (const piece of [' ', ';', '\\"', `"'`, ' ; ', '/*', '--', '"', '1', '\n']) {
    const hostile = `CREATE DATABASE a WITH ${piece.repeat(500_000)}x`
    assert.equal(parseStatement(hostile).kind, 'other')
    parseStatement(hostile.slice(0, 4096))
  }
})

const WORDS = [
  ...['CREATE', 'create', 'DATABASE', 'DATABASES', 'DATABSE', 'a', 'my-service', '1db', "'sq1'"],
  ...[
    '"q d"',
    '""',
    '"bad',
    '"b\\q"',
    "'",
    'IF NOT EXISTS x',
    'WITH',
    'DURATION',
    '1d',
    '30m',
    'INF',
  ],
  ...['0s', '1x', '9999999w', '99999999999999999999w', 'REPLICATION', '1', '0', '99999999999'],
  ...[
    '99999999999999999999',
    'SHARD',
    'NAME',
    'rp',
    '"r p"',
    ';',
    '--c\n',
    '-- c',
    '/* x */',
    '/* x',
  ],
  ...['.', '1.', '1.5', '.5', '$p', '$', '!', '!=', '<>', '=~', 'é', '`', 'foo"bar"', '\n', '\r\n'],
  ...[
    '\t',
    'USER',
    'CONTINUOUS',
    'select',
    'name',
    '5ns',
    '1h30m',
    'µ',
    '5µ',
    '::',
    ',',
    'DROP',
    '-',
  ],
]
const STATEMENTS = [
  'CREATE DATABASE a',
  'CREATE DATABASE',
  'CREATE DATABASE a WITH',
  'CREATE DATABASE a WITH DURATION 1d',
  'CREATE DATABASE "x" WITH DURATION 1d REPLICATION 1 SHARD DURATION 1h NAME "foo"',
  'CREATE',
]

test('random spellings are parsed as by InfluxDB, and refused in its words', async (t) => {
  if (!requireInfluxd(t)) return
  const server = await openInfluxd(t)
  const seed = Number(process.env['RELAY_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  t.diagnostic(`RELAY_SEED=${seed}`)
  const random = seededRandom(seed)
  for (let count = scaled(300); count > 0; count--) {
    const query = misspell(random)
    const parsed = parseStatement(query)
    if (parsed.kind === 'other') continue
    const { status, body } = await ask(server.url, query)
    if (parsed.kind === 'misspelt') {
      assert.equal(status, 400, JSON.stringify(query))
      // Options of one statement are passed over, and the next one found at fault.
      if (/with[^;]*;/i.test(query)) continue
      const error = `error parsing query: ${parsed.reason}`
      assert.deepEqual(JSON.parse(body), { error }, JSON.stringify(query))
      continue
    }
    // What an option is worth is for the outputs to say: then of the text that they get.
    const asSent = await ask(server.url, parsed.text)
    assert.equal(asSent.status, status, JSON.stringify(query))
    assert(status === 200 || /with/i.test(parsed.text), JSON.stringify(query))
  }
})

/** A statement in which up to three words are others, or stand beside others. */
function misspell(random: Random): string {
  const pick = (list: readonly string[]) => list[Math.floor(random() * list.length)] ?? ''
  const words = pick(STATEMENTS).split(' ')
  for (let edits = between(random, 0, 3); edits > 0; edits--) {
    words.splice(between(random, 0, words.length), random() < 0.4 ? 1 : 0, pick(WORDS))
  }
  return words
    .map((word) => word + (random() < 0.85 ? ' ' : ''))
    .join('')
    .trim()
}

async function ask(url: string, query: string) {
  const body = `q=${encodeURIComponent(query)}`
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  const { status, body: answer } = await httpRequest(`${url}/query`, {
    method: 'POST',
    headers,
    body,
  })
  return { status, body: answer }
}
