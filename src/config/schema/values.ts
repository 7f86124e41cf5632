/**
 * The kinds of values a key can have: which values are valid, and the message for all others.
 *
 * A kind turns what the TOML library produced (or the text of an environment variable) into the
 * unit that the program uses: bytes, milliseconds. All messages read "… got X; what to do".
 */

import { parseDurationNs, renderDurationMs } from '../../std/durations.ts'

export type ReadValue<T> =
  | { readonly kind: 'ok'; readonly value: T }
  /** The originals take this value for "not given". */
  | { readonly kind: 'default' }
  | { readonly kind: 'bad'; readonly message: string }

export interface ValueKind<T> {
  /** For the documentation: "duration", "whole number". */
  readonly label: string
  /** @param shown the value as it may appear in a message */
  read(raw: unknown, shown: string): ReadValue<T>
  /** The text of an environment variable as the file would have it; `undefined` = as if not set. */
  fromEnvironment(text: string): unknown
}

const NS_PER_MS = 1_000_000n

/** Text. Line breaks and control characters are errors: no key has a use for them. */
export function text(example?: string): ValueKind<string> {
  const advice = example === undefined ? '' : `; write "${example}"`
  return {
    label: 'text',
    fromEnvironment: (given) => given,
    read(raw, shown) {
      if (typeof raw !== 'string') return bad(`must be text in quotes, got ${shown}${advice}`)
      const hasControl = [...raw].some((character) => character < ' ' || character === '\u007F')
      return hasControl ? bad('must not hold line breaks or control characters') : ok(raw)
    },
  }
}

/** true or false. */
export function flag(): ValueKind<boolean> {
  return {
    label: 'true or false',
    fromEnvironment: (given) => ({ true: true, false: false })[given] ?? (given || undefined),
    read(raw, shown) {
      if (typeof raw === 'boolean') return ok(raw)
      const quotes = raw === 'true' || raw === 'false' ? ' without quotes' : ''
      return bad(`must be true or false${quotes}, got ${shown}`)
    },
  }
}

export interface NumberLimits {
  readonly min: number
  readonly max: number
  /** Factor from the key's unit, e.g. 1024 for a `-kb` key. `min` and `max` are in that unit. */
  readonly unit?: number
  /** The originals take 0 for "not given". */
  readonly zeroIsDefault?: boolean
}

/** A whole number within limits. */
export function whole(limits: NumberLimits): ValueKind<number> {
  const { min, max, unit = 1, zeroIsDefault = false } = limits
  return {
    label: 'whole number',
    fromEnvironment: (given) =>
      /^[-+]?\d{1,400}$/.test(given) ? exactNumber(given) : given === '' ? undefined : Number.NaN,
    read(raw, shown) {
      const range = `from ${min} to ${max}`
      if (typeof raw === 'bigint') return bad(`must be a whole number ${range}, got ${shown}`)
      if (typeof raw !== 'number') {
        return bad(`must be a whole number ${range} without quotes, got ${shown}`)
      }
      if (raw === 0 && zeroIsDefault) return { kind: 'default' }
      const isFine = Number.isInteger(raw) && raw >= min && raw <= max
      return isFine ? ok(raw * unit) : bad(`must be a whole number ${range}, got ${shown}`)
    },
  }
}

function exactNumber(given: string): number | bigint {
  const value = Number(given)
  return Number.isSafeInteger(value) ? value : BigInt(given)
}

export interface DurationLimits {
  readonly minMs: number
  readonly maxMs: number
  /**
   * The originals take "0s" for "no limit". Here "0s" means the longest duration that is accepted.
   */
  readonly zeroIsMax?: boolean
}

/** A Go duration within limits, in milliseconds; fractions of a millisecond are rounded up. */
export function duration(limits: DurationLimits): ValueKind<number> {
  const { minMs, maxMs, zeroIsMax = false } = limits
  return {
    label: 'duration',
    fromEnvironment: (given) => given,
    read(raw, shown) {
      if (typeof raw === 'number') {
        const example = Number.isFinite(raw) && raw > 0 ? `${raw}s` : '10s'
        return bad(`must be a duration in quotes, got ${shown}; for seconds write "${example}"`)
      }
      if (typeof raw !== 'string')
        return bad(`must be a duration in quotes, got ${shown}; e.g. "10s"`)
      if (raw === '') return { kind: 'default' }
      const ns = parseDurationNs(raw)
      if (ns === undefined) return bad(`is not a duration: ${shown}; ${durationAdvice(raw)}`)
      if (ns < 0n) return bad(`must not be negative, got ${shown}`)
      const ms = Number((ns + NS_PER_MS - 1n) / NS_PER_MS)
      if (ms === 0 && zeroIsMax) return ok(maxMs)
      const range = `from "${renderDurationMs(minMs)}" to "${renderDurationMs(maxMs)}"`
      return ms < minMs || ms > maxMs ? bad(`must be ${range}, got ${shown}`) : ok(ms)
    },
  }
}

function durationAdvice(raw: string): string {
  if (/^(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+$/.test(raw)) return 'it is too long'
  if (/^\d+(\.\d+)?$/.test(raw)) return `a unit is missing, write "${raw}s"`
  const tight = raw.replace(/\s+/g, '')
  if (tight !== raw && parseDurationNs(tight) !== undefined) return `write "${tight}"`
  return 'write numbers with units ns, us, ms, s, m or h, e.g. "10s" or "1m30s"'
}

/** One of a few words, in any case. `words` maps each spelling to its value. */
export function choice<T>(words: ReadonlyMap<string, T>): ValueKind<T> {
  const list = [...words.keys()].map((word) => `"${word}"`).join(', ')
  return {
    label: list,
    fromEnvironment: (given) => given,
    read(raw, shown) {
      const value = typeof raw === 'string' ? words.get(raw.toLowerCase()) : undefined
      return value === undefined ? bad(`must be one of ${list}; got ${shown}`) : ok(value)
    },
  }
}

/** A list of texts. The environment cannot set a list: a variable holds a single value. */
export function textList(): ValueKind<readonly string[]> {
  return {
    label: 'list of text',
    fromEnvironment: () => undefined,
    read(raw, shown) {
      if (!Array.isArray(raw)) return bad(`must be a list such as ["a", "b"], got ${shown}`)
      const items: unknown[] = raw
      const texts = items.filter((item) => typeof item === 'string')
      if (texts.length === items.length) return ok(texts)
      return bad('must be a list of text in quotes, such as ["a", "b"]')
    },
  }
}

/** What was given, for a message. Credentials inside a location are left out. */
export function showValue(raw: unknown): string {
  if (typeof raw === 'string') {
    // Hide before cutting: a cut could remove the "@" that marks a password.
    const shown = hideCredentials(raw)
    return JSON.stringify(shown.length > 120 ? `${shown.slice(0, 120)}…` : shown)
  }
  if (typeof raw === 'boolean') return String(raw)
  if (typeof raw === 'number') return Number.isFinite(raw) ? String(raw) : showNonFinite(raw)
  if (typeof raw === 'bigint') return 'a number beyond 2^53'
  if (raw instanceof Date) return 'a date'
  return Array.isArray(raw) ? 'a list' : 'a table'
}

function showNonFinite(raw: number): string {
  if (Number.isNaN(raw)) return 'nan'
  return raw > 0 ? 'inf' : '-inf'
}

/** A location without user, password and the query values that InfluxDB reads credentials from. */
export function hideCredentials(location: string): string {
  return location
    .replace(/^((?:(?:[a-z][a-z0-9+.-]*:)?\/\/)?).*@/is, '$1(hidden)@')
    .replace(/([?&](?:u|p|q|password|token)=)[^&#]*/gi, '$1(hidden)')
}

function ok<T>(value: T): ReadValue<T> {
  return { kind: 'ok', value }
}

function bad(message: string): { readonly kind: 'bad'; readonly message: string } {
  return { kind: 'bad', message }
}
