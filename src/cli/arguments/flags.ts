/**
 * The flags of all commands: spelling as in Go's flag package, values, help, and messages for wrong
 * ones. Pure.
 *
 * Which command takes which flag: commands.ts.
 */

import { nearestKey } from '../../config/schema/spelling.ts'

interface Flag {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** What the help shows in place of the value. */
  readonly value?: string
  readonly help: string
  /** What a shell completes the value with; default: nothing. */
  readonly completes?: 'file' | 'folder' | readonly string[]
}

export const FLAGS = {
  config: {
    ...{ type: 'string', value: 'FILE', completes: 'file' },
    help: 'configuration in TOML; also as RELAY_CONFIG',
  },
  'log-level': {
    ...{ type: 'string', value: 'LEVEL', completes: ['debug', 'info', 'warn', 'error'] },
    help: 'debug, info, warn or error',
  },
  'log-format': {
    ...{ type: 'string', value: 'FORMAT', completes: ['auto', 'text', 'json'] },
    help: 'text for people, json for machines, auto (text on a terminal)',
  },
  verbose: { type: 'boolean', short: 'v', help: 'the same as -log-level debug' },
  relay: { type: 'string', value: 'NAME', help: 'the relay, when several have a log' },
  output: { type: 'string', value: 'NAME', help: 'only this output' },
  dir: {
    ...{ type: 'string', value: 'FOLDER', completes: 'folder' },
    help: "the log's folder, when there is no configuration",
  },
  json: { type: 'boolean', help: 'print JSON' },
  lines: { type: 'boolean', help: 'print the lines of each record below it' },
  'from-line': { type: 'string', value: 'N', help: 'start at this line of the file' },
  limit: { type: 'string', value: 'N', help: 'at most N dead letters (default 20)' },
  before: { type: 'string', value: 'AGE', help: 'only those older than AGE: 24h, 30m' },
  yes: { type: 'boolean', help: 'do it; else only say what would be done' },
  help: { type: 'boolean', short: 'h', help: 'print help' },
  version: { type: 'boolean', help: 'print the version' },
  healthcheck: { type: 'boolean', help: 'ask the running relay for its health' },
  check: { type: 'boolean', help: 'list the errors of FILE, or its values' },
  'quick-start': { type: 'boolean', help: 'try the relay' },
} as const satisfies Readonly<Record<string, Flag>>

export type FlagName = keyof typeof FLAGS
/** The values of the flags that were given. */
export type FlagValues = Readonly<Record<string, string | boolean | undefined>>

export function flagOf(name: FlagName): Flag {
  return FLAGS[name]
}

/** The flag as people write it: `-v`, `-config`. */
export function spelled(name: FlagName): string {
  return name === 'verbose' ? '-v' : `-${name}`
}

/** `-config` → `--config`; `-v`, `-` and `--` stay as they are. */
export function withTwoDashes(argument: string): string {
  return /^-\w[\w-]/.test(argument) ? `-${argument}` : argument
}

interface OptionToken {
  readonly name: string
  readonly value?: string | undefined
  readonly inlineValue?: boolean | undefined
}

export function optionProblem(token: OptionToken): string | undefined {
  const { name, value } = token
  if (!isFlag(name)) return unknownFlag(name)
  if (flagOf(name).type === 'boolean') {
    return value === undefined ? undefined : `flag -${name} takes no value`
  }
  // When the value is forgotten, the next flag stands in its place.
  const isForgotten = value === undefined || (value.startsWith('-') && token.inlineValue !== true)
  return isForgotten ? `flag needs an argument: -${name}` : undefined
}

/** The text of a flag; `undefined` when it is absent or empty. */
export function textOf(value: string | boolean | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : String(value)
}

/** A hint for an argument that names a configuration file instead of a command. */
export function fileHint(given: string): string {
  return /\.(toml|conf|cfg)$/.test(given) ? `; did you mean -config ${given}?` : ''
}

export function isFlag(name: string): name is FlagName {
  return Object.hasOwn(FLAGS, name)
}

function unknownFlag(name: string): string {
  const nearest = nearestKey(name, Object.keys(FLAGS))
  const hint = nearest === undefined ? '' : `; did you mean -${nearest}?`
  return `flag provided but not defined: -${name}${hint}`
}
