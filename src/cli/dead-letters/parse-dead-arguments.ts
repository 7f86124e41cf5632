/**
 * Command line of `relay dead …` → options, or a message for a wrong command line.
 */

import { parseArgs } from 'node:util'
import { nearestKey } from '../../config/schema/spelling.ts'
import { parseDurationNs } from '../../std/durations.ts'
import { fileHint, flagTypes, optionProblem, withTwoDashes } from '../arguments/flags.ts'
import { type HelpTopic, topicOf } from '../arguments/help-topics.ts'

const ACTIONS = ['list', 'show', 'replay', 'purge'] as const

export interface DeadOptions {
  readonly action: (typeof ACTIONS)[number]
  /** Either a configuration or the folder of one log is given. */
  readonly configPath: string | undefined
  readonly folder: string | undefined
  /** `undefined` = all. */
  readonly relay: string | undefined
  readonly output: string | undefined
  /** Letters to show. */
  readonly limit: number | undefined
  /** Only letters at least this old; `undefined` = all. */
  readonly ageMinMs: number | undefined
  readonly isJson: boolean
  readonly isConfirmed: boolean
}

export type DeadInvocation =
  | ({ readonly kind: 'dead' } & DeadOptions)
  | { readonly kind: 'help'; readonly topic: HelpTopic }
  | { readonly kind: 'missing-config' }
  | { readonly kind: 'bad-usage'; readonly message: string }

const OPTIONS = {
  config: { type: 'string' },
  dir: { type: 'string' },
  relay: { type: 'string' },
  output: { type: 'string' },
  limit: { type: 'string' },
  before: { type: 'string' },
  json: { type: 'boolean' },
  yes: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

const FLAG_TYPES = flagTypes(OPTIONS)

/** Flags that apply to some actions only. */
const FLAG_ACTIONS: Readonly<Record<string, readonly string[]>> = {
  limit: ['show'],
  before: ['purge'],
  json: ['list', 'show'],
  yes: ['replay', 'purge'],
}

type Variables = Readonly<Record<string, string | undefined>>

/** @param args the arguments after "dead" */
export function parseDeadArguments(
  args: readonly string[],
  variables: Variables = {},
): DeadInvocation {
  const { values, positionals, tokens } = parseArgs({
    args: args.map(withTwoDashes),
    options: OPTIONS,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  if (values.help === true) return { kind: 'help', topic: topicOf(['dead', ...positionals]) }
  for (const token of tokens) {
    const problem = token.kind === 'option' ? optionProblem(token, FLAG_TYPES) : undefined
    if (problem !== undefined) return badUsage(problem)
  }
  const [given = '', unexpected] = positionals
  const action = ACTIONS.find((known) => known === given)
  if (action === undefined) return badUsage(unknownAction(given))
  if (unexpected !== undefined) {
    return badUsage(`unexpected argument: ${unexpected}${fileHint(unexpected)}`)
  }
  const text = (name: keyof typeof OPTIONS) => {
    const value = values[name]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const options = {
    action,
    configPath:
      text('config') ?? (text('dir') === undefined ? variables['RELAY_CONFIG'] : undefined),
    folder: text('dir'),
    relay: text('relay'),
    output: text('output'),
    limit: text('limit') === undefined ? undefined : Number(text('limit')),
    ageMinMs: ageMs(text('before')),
    isJson: values.json === true,
    isConfirmed: values.yes === true,
  }
  const misplaced = Object.keys(FLAG_ACTIONS).find((flag) => {
    return values[flag] !== undefined && FLAG_ACTIONS[flag]?.includes(action) !== true
  })
  if (misplaced !== undefined) return badUsage(`-${misplaced} means nothing to dead ${action}`)
  return checked(options, text('before'))
}

function checked(options: DeadOptions, before: string | undefined): DeadInvocation {
  const { action, configPath, folder, output, limit, ageMinMs } = options
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) {
    return badUsage('-limit must be a whole number above 0')
  }
  if (before !== undefined && ageMinMs === undefined) {
    return badUsage(`-before must be a duration such as 24h or 30m, got ${JSON.stringify(before)}`)
  }
  const changes = action === 'replay' || action === 'purge'
  if (changes && output === undefined) return badUsage(`dead ${action} needs -output NAME`)
  if (configPath !== undefined && folder !== undefined) {
    return badUsage('-config and -dir exclude each other')
  }
  if (action === 'replay' && folder !== undefined) {
    return badUsage('dead replay needs -config FILE: the running relay is asked to do it')
  }
  if ((configPath ?? '') === '' && folder === undefined) return { kind: 'missing-config' }
  return { kind: 'dead', ...options }
}

function ageMs(text: string | undefined): number | undefined {
  const ns = text === undefined ? undefined : parseDurationNs(text)
  return ns === undefined || ns < 0n ? undefined : Number(ns / 1_000_000n)
}

function unknownAction(given: string): string {
  const known = `dead needs one of ${ACTIONS.join(', ')}`
  if (given === '') return known
  const nearest = nearestKey(given, ACTIONS)
  return `${known}, got ${given}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`
}

function badUsage(message: string): DeadInvocation {
  return { kind: 'bad-usage', message }
}
