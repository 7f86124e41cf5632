/**
 * Command line → what to do, or what is wrong with it.
 *
 * The originals use Go's flag package: `-config x`, `--config x`, `-config=x` and `--config=x` are
 * the same. Those spellings stand in unit files and compose files everywhere, so all of them work
 * here; commands (`relay check`) and flags (`relay -check`) are two names for one thing.
 */

import { parseArgs } from 'node:util'
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../config/config.ts'
import { nearestKey } from '../config/spelling.ts'
import { fileHint, flagTypes, optionProblem, withTwoDashes } from './flags.ts'
import { LOG_FLAGS, type LogCommand, parseLogCommand } from './log/parse-log-command.ts'
import { type DeadInvocation, parseDeadArguments } from './parse-dead-arguments.ts'

interface RunOptions {
  readonly configPath: string
  /** `undefined` = as the file says. */
  readonly logLevel: LogLevel | undefined
  readonly logFormat: LogFormat | undefined
}

export type Invocation =
  | ({ readonly kind: 'run' } & RunOptions)
  | { readonly kind: 'check'; readonly configPath: string }
  /** Without a file the default address is asked. */
  | { readonly kind: 'healthcheck'; readonly configPath: string | undefined }
  | { readonly kind: 'config' | 'quick-start' | 'version' | 'help' }
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

/** Flags that stand for a command; the first one given here wins when several are. */
const COMMAND_FLAGS = ['help', 'version', 'healthcheck', 'check', 'quick-start'] as const

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

/** @param args without the program's own name */
export function parseArguments(args: readonly string[], variables: Variables = {}): Invocation {
  if (args[0] === 'dead') return parseDeadArguments(args.slice(1), variables)
  const { values, positionals, tokens } = parseArgs({
    args: args.map(withTwoDashes),
    options: OPTIONS,
    // Strictness is ours: the library's own errors can only be told apart by their text.
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
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
  const logFlag = Object.keys(LOG_FLAGS).find((flag) => values[flag] !== undefined)
  if (logFlag !== undefined) return badUsage(`flag -${logFlag} is for "relay log" only`)
  if (rest[0] !== undefined) return badUsage(`unexpected argument: ${rest[0]}${fileHint(rest[0])}`)

  const logLevel = values['log-level'] ?? (values.verbose === true ? 'debug' : undefined)
  if (logLevel !== undefined && !isOneOf(LOG_LEVELS, logLevel)) {
    return badUsage(badChoice('-log-level', String(logLevel), LOG_LEVELS))
  }
  const logFormat = values['log-format']
  if (logFormat !== undefined && !isOneOf(LOG_FORMATS, logFormat)) {
    return badUsage(badChoice('-log-format', String(logFormat), LOG_FORMATS))
  }
  const configPath = String(values.config ?? variables['RELAY_CONFIG'] ?? '')
  return invocationOf(command, { configPath, logLevel, logFormat })
}

function invocationOf(command: Exclude<Command, 'log'>, options: RunOptions): Invocation {
  const { configPath } = options
  if (command === 'healthcheck') {
    return { kind: command, configPath: configPath === '' ? undefined : configPath }
  }
  if (command !== 'run' && command !== 'check') return { kind: command }
  if (configPath === '') return { kind: 'missing-config' }
  return command === 'run' ? { kind: command, ...options } : { kind: command, configPath }
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
