import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COMMAND_NAMES, FIRST_WORDS, flagsOf } from '../../../src/cli/arguments/commands.ts'
import { spelled } from '../../../src/cli/arguments/flags.ts'
import { HELP_TOPICS, helpText } from '../../../src/cli/arguments/help.ts'
import { parseArguments } from '../../../src/cli/arguments/parse-arguments.ts'

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
  const logging = { logLevel: undefined, logFormat: undefined }
  check('quick-start', { kind: 'quick-start', ...logging })
  check('version', { kind: 'version' })
  check('-version', { kind: 'version' })
  check('--version', { kind: 'version' })
  for (const line of ['help', '-h', '-help', '--help', '-h -version -config x']) {
    check(line, { kind: 'help', topic: '' })
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

test('every command has a help of its own, asked for in front of it or behind', () => {
  const check = (line: string, topic: string) =>
    assert.deepEqual(parseArguments(line.split(' ')), { kind: 'help', topic }, line)

  for (const topic of HELP_TOPICS) {
    if (topic === '') continue
    check(`help ${topic}`, topic)
    check(`${topic} -help`, topic)
    check(`${topic} --help`, topic)
    check(`${topic} -h`, topic)
    check(`-h ${topic}`, topic)
    const words = topic.split(' ')
    assert.match(helpText(topic), new RegExp(`^Usage: relay ${words.length > 1 ? topic : ''}`))
  }
  check('log status main -json -help', 'log status')
  check('log -help -dir /x', 'log')
  check('dead list -limit 0 -help', 'dead list')
})

test('the help of a command names each flag that it takes, and fits a terminal', () => {
  for (const name of COMMAND_NAMES) {
    for (const flag of flagsOf(name)) {
      assert.match(helpText(name), new RegExp(`\\n {2}${spelled(flag)}\\b`), `${name} ${flag}`)
    }
  }
  for (const topic of HELP_TOPICS) {
    const lines = helpText(topic).split('\n')
    assert(lines.length <= 25, `${topic}: ${lines.length} lines`)
    for (const line of lines) assert(line.length <= 102, line)
  }
})

test('help on what does not exist says so', () => {
  assert.deepEqual(parseArguments(['help', 'log', 'staus']), {
    kind: 'bad-usage',
    message: 'there is no command log staus; did you mean relay help log status?',
  })
})

test('quick-start takes the flags of a run, and no configuration', () => {
  const check = (line: string, expected: object) =>
    assert.deepEqual(parseArguments(line.split(' ')), expected, line)

  const flags = { logLevel: 'debug', logFormat: 'text' }
  check('quick-start -v -log-format text', { kind: 'quick-start', ...flags })
  check('-quick-start -log-level=debug -log-format=text', { kind: 'quick-start', ...flags })
  check('quick-start -config x', {
    kind: 'bad-usage',
    message: 'quick-start has a configuration of its own; for yours: relay -config FILE',
  })
  check('config -config x', {
    kind: 'bad-usage',
    message: 'relay config prints an example; for what FILE does: relay -check -config FILE',
  })
})

test('the help of the program names each command', () => {
  for (const word of FIRST_WORDS) assert.match(helpText(''), new RegExp(`\\brelay.* -?${word}\\b`))
})

test('a flag that the command would ignore is refused', () => {
  const check = (line: string, flag: string, command: string) =>
    assert.deepEqual(parseArguments(line.split(' ')), {
      kind: 'bad-usage',
      message: `flag -${flag} is not for "relay ${command}"`,
    })

  check('check -config x -json', 'json', 'check')
  check('-config x -dir f', 'dir', 'run')
  check('log verify -json -dir f', 'json', 'log verify')
  check('log import a http://h -config x', 'config', 'log import')
  check('dead list -config x -limit 3', 'limit', 'dead list')
  check('dead replay -config x -before 1h', 'before', 'dead replay')
  check('dead replay -dir x -output b', 'dir', 'dead replay')
  assert.equal(parseArguments(['log', 'verify', '-config', 'x', '-v']).kind, 'log')
})

test('completion is for a shell', () => {
  assert.deepEqual(parseArguments(['completion', 'fish']), { kind: 'completion', shell: 'fish' })
  const needs = 'relay completion needs one of bash, zsh, fish'
  const check = (line: string, message: string) =>
    assert.deepEqual(parseArguments(line.split(' ')), { kind: 'bad-usage', message })
  check('completion', needs)
  check('completion sh', `${needs}, got sh`)
})
