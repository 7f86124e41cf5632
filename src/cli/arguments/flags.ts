/**
 * Flags as Go's flag package has them, for all commands: their spelling, and messages for wrong
 * flags. Pure.
 */

import { nearestKey } from '../../config/schema/spelling.ts'

type FlagTypes = ReadonlyMap<string, 'string' | 'boolean'>

export function flagTypes(
  options: Readonly<Record<string, { readonly type: 'string' | 'boolean' }>>,
): FlagTypes {
  return new Map(Object.entries(options).map(([name, { type }]) => [name, type]))
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

export function optionProblem(token: OptionToken, types: FlagTypes): string | undefined {
  const { name, value } = token
  const type = types.get(name)
  if (type === undefined) return unknownFlag(name, types)
  if (type === 'boolean') return value === undefined ? undefined : `flag -${name} takes no value`
  // When the value is forgotten, the next flag stands in its place.
  const isForgotten = value === undefined || (value.startsWith('-') && token.inlineValue !== true)
  return isForgotten ? `flag needs an argument: -${name}` : undefined
}

function unknownFlag(name: string, types: FlagTypes): string {
  const nearest = nearestKey(name, [...types.keys()])
  const hint = nearest === undefined ? '' : `; did you mean -${nearest}?`
  return `flag provided but not defined: -${name}${hint}`
}

/** A hint for an argument that names a configuration file instead of a command. */
export function fileHint(given: string): string {
  return /\.(toml|conf|cfg)$/.test(given) ? `; did you mean -config ${given}?` : ''
}
