/**
 * One entry of the table of configuration keys.
 *
 * The tables of keys are keys.ts and output-keys.ts.
 */

import type { OutputConfig } from '../config.ts'
import type { ValueKind } from './values.ts'

/** Unit of `-kb` keys, bytes. */
export const KIB = 1024
/** Unit of `-mb` keys, bytes. */
export const MIB = 1024 * 1024
export const SECOND_MS = 1000
export const HOUR_MS = 3_600_000
/** Longest `timeout`-like wait; also what "0s" (no limit, in the originals) means. */
export const WAIT_MAX_MS = 24 * HOUR_MS
/** One TiB, in MiB: a larger value is taken for a typing error. */
export const DISK_MAX_MB = 1_048_576

export interface Key<T> {
  readonly name: string
  /** Other names of the key in forks of the originals. */
  readonly aliases: readonly string[]
  readonly kind: ValueKind<T>
  /** The value when the key is absent. */
  readonly initial: T
  /** The default as the file would spell it; '' = no default. */
  readonly defaultText: string
  /** One line: meaning and unit. */
  readonly doc: string
  /** What happens at the limit; '' = no limit. */
  readonly atLimit: string
  /** No message may show the value. */
  readonly isSecret: boolean
  /** Kinds of outputs that the key applies to; empty = all kinds. */
  readonly outputKinds: readonly OutputConfig['kind'][]
}

export interface KeyNotes {
  readonly aliases?: readonly string[]
  readonly atLimit?: string
  readonly isSecret?: boolean
  readonly outputKinds?: readonly OutputConfig['kind'][]
}

/** Makes one entry of the table. */
export function key<T>(
  name: string,
  kind: ValueKind<T>,
  [initial, defaultText]: readonly [initial: NoInfer<T>, defaultText: string],
  doc: string,
  notes: KeyNotes = {},
): Key<T> {
  const { aliases = [], atLimit = '', isSecret = false, outputKinds = [] } = notes
  return { name, kind, initial, defaultText, doc, aliases, atLimit, isSecret, outputKinds }
}
