import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCreateDatabase } from '../../../src/listeners/dialects/create-database.ts'

test('CREATE DATABASE is read in every form that InfluxQL has', () => {
  const check = (query: string, database: string, text = query) =>
    assert.deepEqual(parseCreateDatabase(query), { database, text }, query)
  check('CREATE DATABASE telegraf', 'telegraf')
  check('create  database\n_a1', '_a1')
  check('CREATE DATABASE "a b"', 'a b')
  check('CREATE DATABASE"a"', 'a')
  check('CREATE DATABASE "a\\"b\\\\c\\nd"', 'a"b\\c\nd')
  check('CREATE DATABASE "é"', 'é')
  check(' CREATE DATABASE a ; ', 'a', 'CREATE DATABASE a')
  check('CREATE DATABASE a WITH DURATION 1d NAME "x;y"', 'a')
  check("CREATE DATABASE a with name 'x\\';'", 'a')
})

test('nothing else passes for CREATE DATABASE', () => {
  const others = [
    '',
    'CREATE DATABASE',
    'CREATE DATABASE ""',
    'CREATE DATABASE 1a',
    'CREATE DATABASE a-b',
    'CREATE DATABASE "a',
    'CREATE DATABASE "a" DROP DATABASE b',
    'CREATE DATABASE a; DROP DATABASE a',
    'CREATE DATABASE a WITH DURATION 1d; DROP DATABASE a',
    'CREATE DATABASE a WITH NAME "x";DROP DATABASE "a"',
    'CREATE DATABASEa',
    'SELECT 1; CREATE DATABASE a',
    'SHOW DATABASES',
  ]
  for (const query of others) assert.equal(parseCreateDatabase(query), undefined, query)
})

test('a hostile statement costs no time', () => {
  for (const piece of [' ', ';', '\\"', `"'`, ' ; ']) {
    const hostile = `CREATE DATABASE a WITH ${piece.repeat(500_000)}x`
    assert.equal(parseCreateDatabase(hostile), undefined)
    parseCreateDatabase(hostile.slice(0, 4096))
  }
})
