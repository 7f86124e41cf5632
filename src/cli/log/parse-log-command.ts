/** Command line of `relay log …` → what to do, or what is wrong with it. */

import { commandOf } from '../arguments/commands.ts'
import { type FlagValues, textOf } from '../arguments/flags.ts'

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

const KINDS = ['status', 'verify', 'dump', 'export', 'import', 'adopt'] as const

type Variables = Readonly<Record<string, string | undefined>>

/**
 * @param words the kind of the command and its arguments
 * @returns the command, or a message for a wrong command line
 */
export function parseLogCommand(
  words: readonly string[],
  values: FlagValues,
  variables: Variables,
): LogCommand | string {
  const [first, ...rest] = words
  const kind = KINDS.find((each) => each === first)
  if (kind === undefined) throw new Error(`BUG: log ${first} is no command`)
  const problem = argumentProblem(kind, rest)
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

function argumentProblem(kind: LogCommand['kind'], words: readonly string[]): string | undefined {
  const { usage, argumentsMax = 0 } = commandOf(`log ${kind}`)
  const form = `usage: relay ${usage.replace(/ -config.*/, '')}`
  const extra = words[argumentsMax]
  if (extra !== undefined) return `unexpected argument: ${extra}; ${form}`
  const isIncomplete = (kind === 'import' || kind === 'adopt') && words.length < argumentsMax
  return isIncomplete ? form : undefined
}

function parseImport(words: readonly string[], values: FlagValues): LogCommand | string {
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
  values: FlagValues,
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
