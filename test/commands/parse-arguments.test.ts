import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseArguments } from '../../src/commands/parse-arguments.ts'

const RUN = {
  kind: 'run',
  configPath: 'relay.toml',
  logLevel: undefined,
  logFormat: undefined,
}

test('-config works in every spelling that Go accepts, with and without "run"', () => {
  const check = (...args: string[]) => assert.deepEqual(parseArguments(args), RUN, args.join(' '))

  check('-config', 'relay.toml')
  check('--config', 'relay.toml')
  check('-config=relay.toml')
  check('--config=relay.toml')
  check('run', '-config', 'relay.toml')
  check('-config', 'relay.toml', 'run')
  assert.deepEqual(parseArguments([], { RELAY_CONFIG: 'relay.toml' }), RUN)
  assert.deepEqual(parseArguments(['-config=relay.toml'], { RELAY_CONFIG: 'other' }), RUN)
})

test('a path may hold anything, also what looks like a flag, when it stands behind "="', () => {
  const pathOf = (argument: string) => {
    const parsed = parseArguments([argument])
    return parsed.kind === 'run' ? parsed.configPath : parsed
  }
  assert.equal(pathOf('-config=/etc/a b=c.toml'), '/etc/a b=c.toml')
  assert.equal(pathOf('-config=-x'), '-x')
})

test('every command has a name as a word and, where it has one, as a flag', () => {
  const check = (line: string, expected: object) =>
    assert.deepEqual(parseArguments(line.split(' ')), expected, line)

  check('check -config x', { kind: 'check', configPath: 'x' })
  check('-check -config x', { kind: 'check', configPath: 'x' })
  check('-config x --check', { kind: 'check', configPath: 'x' })
  check('healthcheck', { kind: 'healthcheck', configPath: undefined })
  check('-healthcheck -config x', { kind: 'healthcheck', configPath: 'x' })
  check('config', { kind: 'config' })
  check('quick-start', { kind: 'quick-start' })
  check('version', { kind: 'version' })
  check('-version', { kind: 'version' })
  check('--version', { kind: 'version' })
  for (const line of ['help', '-h', '-help', '--help', '-h -version -config x']) {
    check(line, { kind: 'help' })
  }
})

test('log level and format come from the command line; -v means debug', () => {
  const check = (line: string, expected: object) =>
    assert.deepEqual(parseArguments(line.split(' ')), { ...RUN, ...expected }, line)

  check('-config relay.toml -log-level warn', { logLevel: 'warn' })
  check('-config relay.toml -log-format=json', { logFormat: 'json' })
  check('-v -config relay.toml', { logLevel: 'debug' })
  check('-v -log-level error -config relay.toml', { logLevel: 'error' })
})

test('run and check without a file are the original missing-config case', () => {
  const check = (...args: string[]) =>
    assert.deepEqual(parseArguments(args), { kind: 'missing-config' }, args.join(' '))

  check()
  check('run')
  check('-check')
  check('-config', '')
  check('-config=')
})

test('what is not understood is named, with what was probably meant', () => {
  const check = (line: string, message: string) =>
    assert.deepEqual(parseArguments(line.split(' ')), { kind: 'bad-usage', message }, line)

  check('-confg x', 'flag provided but not defined: -confg; did you mean -config?')
  check('-loglevel x', 'flag provided but not defined: -loglevel; did you mean -log-level?')
  check('-qqqqqqqqqq', 'flag provided but not defined: -qqqqqqqqqq')
  check('-x', 'flag provided but not defined: -x')
  check('-__proto__ x', 'flag provided but not defined: -__proto__')
  check('-config', 'flag needs an argument: -config')
  check('-config -check', 'flag needs an argument: -config')
  check('-check=yes -config x', 'flag -check takes no value')
  check('chek', 'unknown command: chek; did you mean check?')
  check('relay.toml', 'unknown command: relay.toml; did you mean -config relay.toml?')
  check('check a.toml', 'unexpected argument: a.toml; did you mean -config a.toml?')
  check(
    '-config x -log-level inf',
    '-log-level must be one of debug, info, warn, error, got "inf"; did you mean info?',
  )
  check('-config x -log-format xml', '-log-format must be one of auto, json, text, got "xml"')
})
