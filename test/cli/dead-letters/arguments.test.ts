import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseArguments } from '../../../src/cli/arguments/parse-arguments.ts'

const LIST = {
  kind: 'dead',
  action: 'list',
  configPath: 'x',
  folder: undefined,
  relay: undefined,
  output: undefined,
  limit: undefined,
  ageMinMs: undefined,
  isJson: false,
  isConfirmed: false,
}

test('`relay dead` has an action, a place, and flags in every spelling', () => {
  const check = (line: string, expected: object) =>
    assert.deepEqual(parseArguments(line.split(' ')), { ...LIST, ...expected }, line)

  check('dead list -config x', {})
  check('dead -config=x list', {})
  check('dead list --config x --output b -relay r', { output: 'b', relay: 'r' })
  check('dead list -dir /d -json', { configPath: undefined, folder: '/d', isJson: true })
  check('dead show -config x -limit 5 --json', { action: 'show', limit: 5, isJson: true })
  check('dead replay -config x -output b -yes', {
    ...{ action: 'replay', output: 'b', isConfirmed: true },
  })
  check('dead purge -config x -output b -before 1h30m', {
    ...{ action: 'purge', output: 'b', ageMinMs: 5_400_000 },
  })
  const variables = { RELAY_CONFIG: 'x' }
  assert.deepEqual(parseArguments(['dead', 'list'], variables), LIST)
  const byFolder = { ...LIST, configPath: undefined, folder: '/d' }
  assert.deepEqual(parseArguments(['dead', 'list', '-dir', '/d'], variables), byFolder)
  assert.deepEqual(parseArguments(['dead', 'list']), { kind: 'missing-config' })
  assert.deepEqual(parseArguments(['dead', '-h']), { kind: 'help', topic: 'dead' })
})

test('what is not understood is named, with what to write', () => {
  const check = (line: string, message: string) =>
    assert.deepEqual(parseArguments(line.split(' ')), { kind: 'bad-usage', message }, line)

  check('dead', 'relay dead needs one of list, show, replay, purge')
  check('dead lst', 'unknown command: dead lst; did you mean list?')
  check('dead list a.toml', 'unexpected argument: a.toml; did you mean -config a.toml?')
  check('dead list -outptu b', 'flag provided but not defined: -outptu; did you mean -output?')
  check('dead list -output', 'flag needs an argument: -output')
  check('dead show -config x -limit 0', '-limit must be a whole number above 0')
  check('dead show -config x -limit ten', '-limit must be a whole number above 0')
  check('dead list -config x -dir y', '-config and -dir exclude each other')
  check('dead replay -config x', 'dead replay needs -output NAME')
  check('dead purge -dir x', 'dead purge needs -output NAME')
  check(
    'dead purge -dir x -output b -before soon',
    '-before must be a duration such as 24h or 30m, got "soon"',
  )
  check(
    'dead purge -dir x -output b -before=-1h',
    '-before must be a duration such as 24h or 30m, got "-1h"',
  )
  check('-config x dead', 'relay dead needs one of list, show, replay, purge')
  check('daed', 'unknown command: daed; did you mean dead?')
})
