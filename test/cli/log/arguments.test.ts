import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseArguments } from '../../../src/cli/arguments/parse-arguments.ts'

const BY_CONFIG = { configPath: 'x', folder: undefined, relay: undefined }
const BY_FOLDER = { configPath: undefined, folder: 'f', relay: undefined }

test('every log command, with its flags in any place and spelling', () => {
  const check = (line: string, command: object) =>
    assert.deepEqual(parseArguments(line.split(' ')), { kind: 'log', command }, line)

  check('log status -config x', { kind: 'status', where: BY_CONFIG, isJson: false })
  check('-config=x log status --json', { kind: 'status', where: BY_CONFIG, isJson: true })
  check('log status --dir f', { kind: 'status', where: BY_FOLDER, isJson: false })
  check('log verify -dir=f', { kind: 'verify', where: BY_FOLDER })
  const named = { ...BY_CONFIG, relay: 'r' }
  check('log verify r -config x', { kind: 'verify', where: named })
  check('log verify -relay r -config x', { kind: 'verify', where: named })
  check('log dump -dir f', { kind: 'dump', where: BY_FOLDER, withLines: false })
  check('log dump -lines -dir f', { kind: 'dump', where: BY_FOLDER, withLines: true })
  const all = { kind: 'export', where: BY_FOLDER, output: undefined, toPath: undefined }
  check('log export -dir f', all)
  check('log export - -dir f', all)
  check('log export to.txt --output b -dir f', { ...all, output: 'b', toPath: 'to.txt' })
  const imported = { kind: 'import', fromPath: 'a.txt', url: 'http://h', fromLine: 1 }
  check('log import a.txt http://h', imported)
  check('log import a.txt http://h --from-line 120', { ...imported, fromLine: 120 })
  const adopted = { kind: 'adopt', where: named, oldOutput: 'a', newOutput: 'b' }
  check('log adopt a b -config x -relay r', adopted)
})

test('the environment names the configuration, but not beside -dir', () => {
  const variables = { RELAY_CONFIG: 'x' }
  const whereOf = (...args: string[]) => {
    const parsed = parseArguments(args, variables)
    return parsed.kind === 'log' && parsed.command.kind === 'verify' ? parsed.command.where : parsed
  }
  assert.deepEqual(whereOf('log', 'verify'), BY_CONFIG)
  assert.deepEqual(whereOf('log', 'verify', '-dir', 'f'), BY_FOLDER)
})

test('a log command that is not understood says what is wrong', () => {
  const check = (line: string, message: string) =>
    assert.deepEqual(parseArguments(line.split(' ')), { kind: 'bad-usage', message }, line)

  check('log', 'relay log needs one of status, verify, dump, export, import, adopt')
  check('log verfy', 'unknown command: log verfy; did you mean verify?')
  check(
    'log zzzzzzz',
    'unknown command: log zzzzzzz; there are status, verify, dump, export, import, adopt',
  )
  check('log status', 'relay log status needs -config FILE or -dir FOLDER')
  check('log status a b', 'unexpected argument: b; usage: relay log status')
  check('log adopt a -dir f', 'usage: relay log adopt OLD NEW')
  check('log import a', 'usage: relay log import FROM URL')
  const twice = '-dir names the folder itself: leave out -config and the name of a relay'
  check('log status -dir f -config x', twice)
  check('log status r -dir f', twice)
  const number = '-from-line must be a line number, 1 or more, got '
  check('log import a http://h -from-line 0', `${number}"0"`)
  check('log import a http://h -from-line 1e3', `${number}"1e3"`)
})
