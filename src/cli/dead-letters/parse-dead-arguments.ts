/**
 * Command line of `relay dead …` → options, or a message for a wrong command line.
 */

import { parseDurationNs } from '../../std/durations.ts'
import { type FlagValues, fileHint, textOf } from '../arguments/flags.ts'

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
  | { readonly kind: 'missing-config' }
  | { readonly kind: 'bad-usage'; readonly message: string }

type Variables = Readonly<Record<string, string | undefined>>

/** @param words the action, and nothing behind it */
export function parseDeadArguments(
  [given, unexpected]: readonly string[],
  values: FlagValues,
  variables: Variables,
): DeadInvocation {
  const action = ACTIONS.find((known) => known === given)
  if (action === undefined) throw new Error(`BUG: dead ${given} is no command`)
  if (unexpected !== undefined) {
    return badUsage(`unexpected argument: ${unexpected}${fileHint(unexpected)}`)
  }
  const folder = textOf(values['dir'])
  const limit = textOf(values['limit'])
  const before = textOf(values['before'])
  const fromEnvironment = folder === undefined ? variables['RELAY_CONFIG'] : undefined
  const options = {
    action,
    configPath: textOf(values['config']) ?? fromEnvironment,
    folder,
    relay: textOf(values['relay']),
    output: textOf(values['output']),
    limit: limit === undefined ? undefined : Number(limit),
    ageMinMs: ageMs(before),
    isJson: values['json'] === true,
    isConfirmed: values['yes'] === true,
  }
  return checked(options, before)
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
  if ((configPath ?? '') === '' && folder === undefined) return { kind: 'missing-config' }
  return { kind: 'dead', ...options }
}

function ageMs(text: string | undefined): number | undefined {
  const ns = text === undefined ? undefined : parseDurationNs(text)
  return ns === undefined || ns < 0n ? undefined : Number(ns / 1_000_000n)
}

function badUsage(message: string): DeadInvocation {
  return { kind: 'bad-usage', message }
}
