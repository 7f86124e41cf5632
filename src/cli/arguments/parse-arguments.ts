/**
 * Command line → what to do, or what is wrong with it.
 *
 * The originals use Go's flag package: `-config x`, `--config x`, `-config=x` and `--config=x` are
 * the same. Existing unit files and compose files use all four spellings, so all four work here.
 * A command (`relay check`) and its flag (`relay -check`) mean the same.
 */

import { parseArgs } from 'node:util'
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../../config/config.ts'
import { nearestKey } from '../../config/schema/spelling.ts'
import { type DeadInvocation, parseDeadArguments } from '../dead-letters/parse-dead-arguments.ts'
import { LOG_FLAGS, type LogCommand, parseLogCommand } from '../log/parse-log-command.ts'
import { fileHint, flagTypes, optionProblem, withTwoDashes } from './flags.ts'
import { type HelpTopic, namedTopic, topicOf, unknownTopic } from './help-topics.ts'

interface Logging {
  /** `undefined` = the value of the configuration file. */
  readonly logLevel: LogLevel | undefined
  readonly logFormat: LogFormat | undefined
}

interface RunOptions extends Logging {
  readonly configPath: string
}

export type Invocation =
  | ({ readonly kind: 'run' } & RunOptions)
  | { readonly kind: 'check'; readonly configPath: string }
  /** Without a configuration file, the health check asks the default address. */
  | { readonly kind: 'healthcheck'; readonly configPath: string | undefined }
  | { readonly kind: 'config' | 'version' }
  | { readonly kind: 'help'; readonly topic: HelpTopic }
  | ({ readonly kind: 'quick-start' } & Logging)
  | DeadInvocation
  | { readonly kind: 'log'; readonly command: LogCommand }
  | { readonly kind: 'missing-config' }
  | { readonly kind: 'bad-usage'; readonly message: string }

const COMMANDS = [
  'run',
  'check',
  'config',
  'healthcheck',
  'log',
  'quick-start',
  'version',
  'help',
] as const
type Command = (typeof COMMANDS)[number]

/** Commands that take no `-config`, with the message for a `-config` that is given. */
const OWN_CONFIG: ReadonlyMap<Command, string> = new Map([
  ['quick-start', 'quick-start has a configuration of its own; for yours: relay -config FILE'],
  ['config', 'relay config prints an example; for what FILE does: relay -check -config FILE'],
] as const)

/** Flags that stand for a command; when several are given, the first in this list wins. */
const COMMAND_FLAGS = ['version', 'healthcheck', 'check', 'quick-start'] as const

const OPTIONS = {
  config: { type: 'string' },
  'log-level': { type: 'string' },
  'log-format': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
  healthcheck: { type: 'boolean' },
  check: { type: 'boolean' },
  'quick-start': { type: 'boolean' },
  verbose: { type: 'boolean', short: 'v' },
  ...LOG_FLAGS,
} as const

const FLAG_TYPES = flagTypes(OPTIONS)

type Variables = Readonly<Record<string, string | undefined>>
type Values = Readonly<Record<string, string | boolean | undefined>>

/** @param args without the program's own name */
export function parseArguments(args: readonly string[], variables: Variables = {}): Invocation {
  if (args[0] === 'dead') return parseDeadArguments(args.slice(1), variables)
  const { values, positionals, tokens } = parseArgs({
    args: args.map(withTwoDashes),
    options: OPTIONS,
    // We check strictly below: the library's own errors differ only in their text.
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  if (values.help === true) return { kind: 'help', topic: topicOf(positionals) }
  for (const token of tokens) {
    const problem = token.kind === 'option' ? optionProblem(token, FLAG_TYPES) : undefined
    if (problem !== undefined) return badUsage(problem)
  }
  const [first = 'run', ...rest] = positionals
  if (!isOneOf(COMMANDS, first)) return badUsage(unknownCommand(first))
  const command = COMMAND_FLAGS.find((flag) => values[flag] === true) ?? first
  if (command === 'log') {
    const parsed = parseLogCommand(rest, values, variables)
    return typeof parsed === 'string' ? badUsage(parsed) : { kind: 'log', command: parsed }
  }
  if (command === 'help') {
    const topic = namedTopic(rest)
    return topic === undefined ? badUsage(unknownTopic(rest)) : { kind: command, topic }
  }
  const misuse = misuseOf(command, rest, values)
  if (misuse !== undefined) return badUsage(misuse)
  const logging = parseLogging(values)
  if (typeof logging === 'string') return badUsage(logging)
  const configPath = String(values.config ?? variables['RELAY_CONFIG'] ?? '')
  return invocationOf(command, { configPath, ...logging })
}

/** @returns a message for an argument that the command would ignore */
function misuseOf(command: Command, rest: readonly string[], values: Values): string | undefined {
  const logFlag = Object.keys(LOG_FLAGS).find((flag) => values[flag] !== undefined)
  if (logFlag !== undefined) return `flag -${logFlag} is for "relay log" only`
  if (rest[0] !== undefined) return `unexpected argument: ${rest[0]}${fileHint(rest[0])}`
  return values['config'] === undefined ? undefined : OWN_CONFIG.get(command)
}

/** @returns the logging options, or a message for a wrong one */
function parseLogging(values: Values): Logging | string {
  const logLevel = values['log-level'] ?? (values['verbose'] === true ? 'debug' : undefined)
  if (logLevel !== undefined && !isOneOf(LOG_LEVELS, logLevel)) {
    return badChoice('-log-level', String(logLevel), LOG_LEVELS)
  }
  const logFormat = values['log-format']
  if (logFormat !== undefined && !isOneOf(LOG_FORMATS, logFormat)) {
    return badChoice('-log-format', String(logFormat), LOG_FORMATS)
  }
  return { logLevel, logFormat }
}

function invocationOf(
  command: Exclude<Command, 'log' | 'help'>,
  { configPath, ...logging }: RunOptions,
): Invocation {
  if (command === 'quick-start') return { kind: command, ...logging }
  if (command === 'healthcheck') {
    return { kind: command, configPath: configPath === '' ? undefined : configPath }
  }
  if (command !== 'run' && command !== 'check') return { kind: command }
  if (configPath === '') return { kind: 'missing-config' }
  return command === 'run'
    ? { kind: command, configPath, ...logging }
    : { kind: command, configPath }
}

function unknownCommand(given: string): string {
  if (given === 'dead') return 'the command comes first: relay dead list -config FILE'
  const nearest = nearestKey(given, [...COMMANDS, 'dead'])
  const hint = nearest === undefined ? fileHint(given) : `; did you mean ${nearest}?`
  return `unknown command: ${given}${hint}`
}

function badChoice(flag: string, given: string, choices: readonly string[]): string {
  const nearest = nearestKey(given, choices)
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
  return `${flag} must be one of ${choices.join(', ')}, got ${JSON.stringify(given)}${hint}`
}

function isOneOf<T extends string>(list: readonly T[], given: unknown): given is T {
  return list.some((item) => item === given)
}

function badUsage(message: string): Invocation {
  return { kind: 'bad-usage', message }
}
