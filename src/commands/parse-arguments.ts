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
  | { readonly kind: 'missing-config' }
  | { readonly kind: 'bad-usage'; readonly message: string }

const COMMANDS = [
  'run',
  'check',
  'config',
  'healthcheck',
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
} as const

const FLAG_TYPES: ReadonlyMap<string, 'string' | 'boolean'> = new Map(
  Object.entries(OPTIONS).map(([name, { type }]) => [name, type]),
)

type Variables = Readonly<Record<string, string | undefined>>

/** @param args without the program's own name */
export function parseArguments(args: readonly string[], variables: Variables = {}): Invocation {
  const { values, positionals, tokens } = parseArgs({
    args: args.map(withTwoDashes),
    options: OPTIONS,
    // Strictness is ours: the library's own errors can only be told apart by their text.
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  for (const token of tokens) {
    const problem = token.kind === 'option' ? optionProblem(token) : undefined
    if (problem !== undefined) return badUsage(problem)
  }
  const [first = 'run', ...rest] = positionals
  if (!isOneOf(COMMANDS, first)) return badUsage(unknownCommand(first))
  if (rest[0] !== undefined) return badUsage(`unexpected argument: ${rest[0]}${fileHint(rest[0])}`)

  const logLevel = values['log-level'] ?? (values.verbose === true ? 'debug' : undefined)
  if (logLevel !== undefined && !isOneOf(LOG_LEVELS, logLevel)) {
    return badUsage(badChoice('-log-level', String(logLevel), LOG_LEVELS))
  }
  const logFormat = values['log-format']
  if (logFormat !== undefined && !isOneOf(LOG_FORMATS, logFormat)) {
    return badUsage(badChoice('-log-format', String(logFormat), LOG_FORMATS))
  }
  const command = COMMAND_FLAGS.find((flag) => values[flag] === true) ?? first
  const configPath = String(values.config ?? variables['RELAY_CONFIG'] ?? '')
  return invocationOf(command, { configPath, logLevel, logFormat })
}

function invocationOf(command: Command, options: RunOptions): Invocation {
  const { configPath } = options
  if (command === 'healthcheck') {
    return { kind: command, configPath: configPath === '' ? undefined : configPath }
  }
  if (command !== 'run' && command !== 'check') return { kind: command }
  if (configPath === '') return { kind: 'missing-config' }
  return command === 'run' ? { kind: command, ...options } : { kind: command, configPath }
}

/** `-config` → `--config`; `-v`, `-` and `--` stay as they are. */
function withTwoDashes(argument: string): string {
  return /^-\w[\w-]/.test(argument) ? `-${argument}` : argument
}

interface OptionToken {
  readonly name: string
  readonly value?: string | undefined
  readonly inlineValue?: boolean | undefined
}

function optionProblem(token: OptionToken): string | undefined {
  const { name, value } = token
  const type = FLAG_TYPES.get(name)
  if (type === undefined) return unknownFlag(name)
  if (type === 'boolean') return value === undefined ? undefined : `flag -${name} takes no value`
  // The next flag in place of a forgotten value would be taken for a file name.
  const isForgotten = value === undefined || (value.startsWith('-') && token.inlineValue !== true)
  return isForgotten ? `flag needs an argument: -${name}` : undefined
}

function unknownFlag(name: string): string {
  const nearest = nearestKey(name, [...FLAG_TYPES.keys()])
  const hint = nearest === undefined ? '' : `; did you mean -${nearest}?`
  return `flag provided but not defined: -${name}${hint}`
}

function unknownCommand(given: string): string {
  const nearest = nearestKey(given, COMMANDS)
  const hint = nearest === undefined ? fileHint(given) : `; did you mean ${nearest}?`
  return `unknown command: ${given}${hint}`
}

function fileHint(given: string): string {
  return /\.(toml|conf|cfg)$/.test(given) ? `; did you mean -config ${given}?` : ''
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
