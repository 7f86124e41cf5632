/**
 * Command line → what to do, or what is wrong with it.
 *
 * The originals use Go's flag package: `-config x`, `--config x`, `-config=x` and `--config=x` are
 * the same. Existing unit files and compose files use all four spellings, so all four work here.
 * A command (`relay check`) and its flag (`relay -check`) mean the same. Flags may come in front of
 * the command or behind.
 */

import { parseArgs } from 'node:util'
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../../config/config.ts'
import { nearestKey } from '../../config/schema/spelling.ts'
import { SHELLS, type Shell } from '../completion.ts'
import { type DeadInvocation, parseDeadArguments } from '../dead-letters/parse-dead-arguments.ts'
import { type LogCommand, parseLogCommand } from '../log/parse-log-command.ts'
import {
  type CommandName,
  FIRST_WORDS,
  flagsOf,
  LOGGING,
  namedBy,
  subcommandsOf,
} from './commands.ts'
import { FLAGS, type FlagValues, fileHint, isFlag, optionProblem, withTwoDashes } from './flags.ts'
import { type HelpTopic, namedTopic, unknownTopic } from './help.ts'

interface Logging {
  /** `undefined` = the value of the configuration file. */
  readonly logLevel: LogLevel | undefined
  readonly logFormat: LogFormat | undefined
}

export type Invocation =
  | ({ readonly kind: 'run'; readonly configPath: string } & Logging)
  | { readonly kind: 'check'; readonly configPath: string }
  /** Without a configuration file, the health check asks the default address. */
  | { readonly kind: 'healthcheck'; readonly configPath: string | undefined }
  | { readonly kind: 'config' | 'version' }
  | { readonly kind: 'help'; readonly topic: HelpTopic }
  | { readonly kind: 'completion'; readonly shell: Shell }
  | ({ readonly kind: 'quick-start' } & Logging)
  | DeadInvocation
  | { readonly kind: 'log'; readonly command: LogCommand }
  | { readonly kind: 'missing-config' }
  | { readonly kind: 'bad-usage'; readonly message: string }

/** Flags that stand for a command; when several are given, the first in this list wins. */
const COMMAND_FLAGS = ['version', 'healthcheck', 'check', 'quick-start'] as const

/** Messages for a `-config` that the command does not take. */
const OWN_CONFIG: Readonly<Partial<Record<CommandName, string>>> = {
  'quick-start': 'quick-start has a configuration of its own; for yours: relay -config FILE',
  config: 'relay config prints an example; for what FILE does: relay -check -config FILE',
}

type Variables = Readonly<Record<string, string | undefined>>

/** @param args without the program's own name */
export function parseArguments(args: readonly string[], variables: Variables = {}): Invocation {
  const { values, positionals, tokens } = parseArgs({
    args: args.map(withTwoDashes),
    options: FLAGS,
    // We check strictly below: the library's own errors differ only in their text.
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  if (values.help === true) return { kind: 'help', topic: namedBy(positionals) ?? '' }
  for (const token of tokens) {
    const problem = token.kind === 'option' ? optionProblem(token) : undefined
    if (problem !== undefined) return badUsage(problem)
  }
  const [first = 'run'] = positionals
  const flagged = COMMAND_FLAGS.find((flag) => values[flag] === true)
  const command = namedBy([first]) === undefined ? undefined : (flagged ?? namedBy(positionals))
  if (positionals.length > 0 && command === undefined) return badUsage(unknownCommand(first))
  return invocationOf(command ?? flagged ?? 'run', { words: positionals, values, variables })
}

export interface CommandLine {
  /** Words that are no flags, the command's own included. */
  readonly words: readonly string[]
  readonly values: FlagValues
  readonly variables: Variables
}

function invocationOf(command: CommandName, line: CommandLine): Invocation {
  const [first = '', ...rest] = line.words
  if (command === 'help') {
    const topic = namedTopic(rest)
    return topic === undefined ? badUsage(unknownTopic(rest)) : { kind: command, topic }
  }
  // A subcommand that is missing or unknown comes before its flags: they depend on it.
  const known = subcommandsOf(first)
  if (command === first && known.length > 0) return badUsage(unknownSubcommand(first, rest[0]))
  const alien = alienFlag(command, line.values)
  if (alien !== undefined) return badUsage(alien)
  if (first === 'log' && command.startsWith('log ')) {
    const parsed = parseLogCommand(rest, line.values, line.variables)
    return typeof parsed === 'string' ? badUsage(parsed) : { kind: 'log', command: parsed }
  }
  if (command.startsWith('dead ')) return parseDeadArguments(rest, line.values, line.variables)
  if (command === 'completion') return parseCompletion(rest)
  if (rest[0] !== undefined) return badUsage(`unexpected argument: ${rest[0]}${fileHint(rest[0])}`)
  return simpleInvocation(command, line)
}

/** @returns a message for a flag that the command would ignore */
function alienFlag(command: CommandName, values: FlagValues): string | undefined {
  const own = OWN_CONFIG[command]
  if (own !== undefined && values['config'] !== undefined) return own
  // A script may pass the same flags to all commands. Those about log lines do no harm.
  const taken: readonly string[] = [...flagsOf(command), ...COMMAND_FLAGS, ...LOGGING]
  const alien = Object.keys(values).find((name) => isFlag(name) && !taken.includes(name))
  return alien === undefined ? undefined : `flag -${alien} is not for "relay ${command}"`
}

function simpleInvocation(command: CommandName, { values, variables }: CommandLine): Invocation {
  const logging = parseLogging(values)
  if (typeof logging === 'string') return badUsage(logging)
  const configPath = String(values['config'] ?? variables['RELAY_CONFIG'] ?? '')
  switch (command) {
    case 'quick-start':
      return { kind: command, ...logging }
    case 'healthcheck':
      return { kind: command, configPath: configPath === '' ? undefined : configPath }
    case 'config':
    case 'version':
      return { kind: command }
    case 'check':
      return configPath === '' ? { kind: 'missing-config' } : { kind: command, configPath }
    default:
      if (configPath === '') return { kind: 'missing-config' }
      return { kind: 'run', configPath, ...logging }
  }
}

/** @returns the logging options, or a message for a wrong one */
function parseLogging(values: FlagValues): Logging | string {
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

function parseCompletion([shell, unexpected]: readonly string[]): Invocation {
  if (unexpected !== undefined) return badUsage(`unexpected argument: ${unexpected}`)
  if (isOneOf(SHELLS, shell)) return { kind: 'completion', shell }
  const choices = SHELLS.join(', ')
  return badUsage(`relay completion needs one of ${choices}${shell ? `, got ${shell}` : ''}`)
}

function unknownCommand(given: string): string {
  const nearest = nearestKey(given, FIRST_WORDS)
  const hint = nearest === undefined ? fileHint(given) : `; did you mean ${nearest}?`
  return `unknown command: ${given}${hint}`
}

function unknownSubcommand(first: string, given: string | undefined): string {
  const known = subcommandsOf(first)
  if (given === undefined) return `relay ${first} needs one of ${known.join(', ')}`
  const nearest = nearestKey(given, known)
  const hint =
    nearest === undefined ? `; there are ${known.join(', ')}` : `; did you mean ${nearest}?`
  return `unknown command: ${first} ${given}${hint}`
}

function badChoice(flag: string, given: string, choices: readonly string[]): string {
  const nearest = nearestKey(given, choices)
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
  return `${flag} must be one of ${choices.join(', ')}, got ${JSON.stringify(given)}${hint}`
}

function isOneOf<T extends string>(list: readonly T[], given: unknown): given is T {
  return list.some((item) => item === given)
}

function badUsage(message: string): Extract<Invocation, { kind: 'bad-usage' }> {
  return { kind: 'bad-usage', message }
}
