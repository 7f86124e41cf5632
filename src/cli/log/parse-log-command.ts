/** Command line of `relay log …` → what to do, or what is wrong with it. */

import { nearestKey } from '../../config/schema/spelling.ts'

export const LOG_FLAGS = {
  dir: { type: 'string' },
  relay: { type: 'string' },
  json: { type: 'boolean' },
  lines: { type: 'boolean' },
  output: { type: 'string' },
  'from-line': { type: 'string' },
} as const
type LogFlag = keyof typeof LOG_FLAGS

/** Where the log is: either a configuration or a folder is given. */
export interface LogWhere {
  readonly configPath: string | undefined
  readonly folder: string | undefined
  /** `undefined` = the only relay with a log. */
  readonly relay: string | undefined
}

export type LogCommand =
  | { readonly kind: 'status'; readonly where: LogWhere; readonly isJson: boolean }
  | { readonly kind: 'verify'; readonly where: LogWhere }
  | { readonly kind: 'dump'; readonly where: LogWhere; readonly withLines: boolean }
  | {
      readonly kind: 'export'
      readonly where: LogWhere
      /** `undefined` = all. */
      readonly output: string | undefined
      /** `undefined` = standard output. */
      readonly toPath: string | undefined
    }
  | {
      readonly kind: 'import'
      readonly fromPath: string
      readonly url: string
      /** The first line to send; counts from 1. */
      readonly fromLine: number
    }
  | {
      readonly kind: 'adopt'
      readonly where: LogWhere
      readonly oldOutput: string
      readonly newOutput: string
    }

interface Form {
  readonly usage: string
  readonly minWords: number
  readonly maxWords: number
  readonly flags: readonly LogFlag[]
}

const FORMS: Readonly<Record<LogCommand['kind'], Form>> = {
  status: { usage: 'status', minWords: 0, maxWords: 1, flags: ['dir', 'relay', 'json'] },
  verify: { usage: 'verify', minWords: 0, maxWords: 1, flags: ['dir', 'relay'] },
  dump: { usage: 'dump', minWords: 0, maxWords: 1, flags: ['dir', 'relay', 'lines'] },
  export: { usage: 'export [TO]', minWords: 0, maxWords: 1, flags: ['dir', 'relay', 'output'] },
  import: { usage: 'import FROM URL', minWords: 2, maxWords: 2, flags: ['from-line'] },
  adopt: { usage: 'adopt OLD NEW', minWords: 2, maxWords: 2, flags: ['dir', 'relay'] },
}
const KINDS = ['status', 'verify', 'dump', 'export', 'import', 'adopt'] as const

type Values = Readonly<Record<string, string | boolean | undefined>>
type Variables = Readonly<Record<string, string | undefined>>

/**
 * @param words the arguments after "log"
 * @returns the command, or a message for a wrong command line
 */
export function parseLogCommand(
  words: readonly string[],
  values: Values,
  variables: Variables,
): LogCommand | string {
  const [first, ...rest] = words
  const kind = KINDS.find((each) => each === first)
  if (kind === undefined) return unknownKind(first)
  const problem = formProblem(kind, rest, values)
  if (problem !== undefined) return problem
  if (kind === 'import') return parseImport(rest, values)
  const where = parseWhere(kind, rest, values, variables)
  if (typeof where === 'string') return where
  const [word = '', second = ''] = rest
  switch (kind) {
    case 'status':
      return { kind, where, isJson: values['json'] === true }
    case 'verify':
      return { kind, where }
    case 'dump':
      return { kind, where, withLines: values['lines'] === true }
    case 'export': {
      const toPath = word === '' || word === '-' ? undefined : word
      return { kind, where, output: textOf(values['output']), toPath }
    }
    case 'adopt':
      return { kind, where, oldOutput: word, newOutput: second }
  }
}

function unknownKind(given: string | undefined): string {
  if (given === undefined) return `relay log needs one of ${KINDS.join(', ')}`
  const nearest = nearestKey(given, KINDS)
  const hint =
    nearest === undefined ? `; there are ${KINDS.join(', ')}` : `; did you mean ${nearest}?`
  return `unknown command: log ${given}${hint}`
}

function formProblem(
  kind: LogCommand['kind'],
  words: readonly string[],
  values: Values,
): string | undefined {
  const { usage, minWords, maxWords, flags } = FORMS[kind]
  const extra = words[maxWords]
  if (extra !== undefined) return `unexpected argument: ${extra}; usage: relay log ${usage}`
  if (words.length < minWords) return `usage: relay log ${usage}`
  const alien = Object.keys(LOG_FLAGS).find((flag) => {
    return values[flag] !== undefined && !flags.some((allowed) => allowed === flag)
  })
  return alien === undefined ? undefined : `flag -${alien} is not for "relay log ${kind}"`
}

function parseImport(words: readonly string[], values: Values): LogCommand | string {
  const [fromPath = '', url = ''] = words
  const given = values['from-line'] ?? '1'
  if (!/^[1-9]\d{0,14}$/.test(String(given))) {
    return `-from-line must be a line number, 1 or more, got ${JSON.stringify(given)}`
  }
  return { kind: 'import', fromPath, url, fromLine: Number(given) }
}

function parseWhere(
  kind: LogCommand['kind'],
  words: readonly string[],
  values: Values,
  variables: Variables,
): LogWhere | string {
  const folder = textOf(values['dir'])
  const isConfigGiven = values['config'] !== undefined
  // RELAY_CONFIG does not apply when -dir names a folder.
  const configPath = textOf(values['config'] ?? (folder ? undefined : variables['RELAY_CONFIG']))
  // These commands take at most one word: the relay's name.
  const isNamedByWord = kind === 'status' || kind === 'verify' || kind === 'dump'
  const relay = textOf(values['relay'] ?? (isNamedByWord ? words[0] : undefined))
  if (folder === undefined) {
    if (configPath === undefined) return `relay log ${kind} needs -config FILE or -dir FOLDER`
  } else if (isConfigGiven || relay !== undefined) {
    return '-dir names the folder itself: leave out -config and the name of a relay'
  }
  return { configPath, folder, relay }
}

function textOf(value: string | boolean | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : String(value)
}
