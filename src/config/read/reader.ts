/**
 * Reads single keys out of the parsed file, with environment overrides, and collects every problem.
 *
 * The reader reports an invalid value and uses its default, so that reading goes on and the
 * operator gets all problems at once. The caller must check `problems` before it uses the result.
 *
 * Precedence: environment variable, file, default. `${NAME}` is replaced in values of the file
 * only.
 */

import type { Key } from '../schema/config-key.ts'
import { KEY_SECTIONS } from '../schema/keys.ts'
import { nearestKey, normalizeKey, showKey } from '../schema/spelling.ts'
import { showValue } from '../schema/values.ts'
import { expandVariables, overrideName } from './environment.ts'
import type { KeyLines } from './key-lines.ts'
import type { ConfigProblem } from './problem.ts'

/** One table of the file, with its values by canonical key name. */
export interface Section {
  /** '' = the top; `http[0].output[1]`. */
  readonly path: string
  readonly entries: ReadonlyMap<string, unknown>
}

export type Variables = Readonly<Record<string, string | undefined>>

export class Reader {
  readonly problems: ConfigProblem[] = []
  readonly warnings: string[] = []
  readonly #lines: KeyLines
  readonly #variables: Variables
  readonly #overrideNames = new Set<string>()

  constructor(lines: KeyLines, variables: Variables) {
    this.#lines = lines
    this.#variables = variables
  }

  report(keyPath: string, message: string): void {
    this.problems.push({ line: this.#lines.lineOf(keyPath), keyPath, message })
  }

  /** For configurations that run, but not as they seem to. */
  warn(keyPath: string, message: string): void {
    this.warnings.push(`${keyPath}${this.lineNote(keyPath)}: ${message}`)
  }

  hasProblemAt(keyPath: string): boolean {
    return this.problems.some((problem) => problem.keyPath === keyPath)
  }

  /** The key's line, for a message about another key: " (line 7)" or ''. */
  lineNote(keyPath: string): string {
    const line = this.#lines.lineOf(keyPath)
    return line === 0 ? '' : ` (line ${line})`
  }

  /**
   * Reads a table's keys and reports unknown and repeated keys.
   *
   * @param tables names of the tables that it may contain beside the keys
   */
  open(
    table: object,
    path: string,
    keys: readonly Key<unknown>[],
    tables: readonly string[],
  ): Section {
    const canonical = new Map<string, string>(tables.map((name) => [normalizeKey(name), name]))
    for (const key of keys) {
      for (const name of [key.name, ...key.aliases]) canonical.set(normalizeKey(name), key.name)
      // A variable cannot set a list or a table: a variable of such a name matches no key.
      const isScalar = key.kind.fromEnvironment('x') !== undefined
      if (isScalar) this.#overrideNames.add(overrideName(path, key.name))
    }
    const entries = new Map<string, unknown>()
    for (const [given, value] of Object.entries(table)) {
      const name = canonical.get(normalizeKey(given))
      if (name === undefined) {
        const nearest = nearestKey(given, [...keys.map((key) => key.name), ...tables])
        const hint = nearest === undefined ? elsewhere(given) : `did you mean "${nearest}"?`
        this.report(joinPath(path, showKey(given)), `unknown key; ${hint}`)
      } else if (entries.has(name)) {
        this.report(joinPath(path, showKey(given)), `given twice; remove one of the two "${name}"`)
      } else entries.set(name, value)
    }
    return { path, entries }
  }

  /** The value of a key, or the default when the value is absent or invalid. */
  get<T>(section: Section, key: Key<T>): T {
    const override = this.#override(section, key)
    if (override !== undefined) {
      const shown = key.isSecret ? '(hidden)' : showValue(override.text)
      const result = key.kind.read(override.value, shown)
      if (result.kind === 'ok') return result.value
      if (result.kind === 'bad') {
        const message = `${result.message} (in ${override.variable})`
        this.problems.push({ line: 0, keyPath: joinPath(section.path, key.name), message })
      }
      return key.initial
    }
    const given = section.entries.get(key.name)
    const path = joinPath(section.path, key.name)
    const raw = this.#expand(given, path)
    if (raw === undefined) return key.initial
    // Messages show the value as the file has it: an expanded variable may be secret.
    const result = key.kind.read(raw, key.isSecret ? '(hidden)' : showValue(given))
    if (result.kind === 'ok') return result.value
    if (result.kind === 'bad') this.report(path, result.message)
    return key.initial
  }

  /** Whether the file or the environment has the key at all. */
  isGiven(section: Section, key: Key<unknown>): boolean {
    return section.entries.has(key.name) || this.#override(section, key) !== undefined
  }

  /** Warns of RELAY_… variables that match no key of this file. Call this method last. */
  warnOfStrayVariables(): void {
    for (const name of Object.keys(this.#variables).sort()) {
      // RELAY_CONFIG names the file itself; the command line reads it.
      if (!name.startsWith('RELAY_') || name === 'RELAY_CONFIG') continue
      if (this.#variables[name] === undefined || this.#overrideNames.has(name)) continue
      this.warnings.push(
        `environment variable ${name} matches no key of the configuration; ignored`,
      )
    }
  }

  #override(section: Section, key: Key<unknown>) {
    const variable = overrideName(section.path, key.name)
    const text = Object.hasOwn(this.#variables, variable) ? this.#variables[variable] : undefined
    if (text === undefined) return undefined
    const value = key.kind.fromEnvironment(text)
    return value === undefined ? undefined : { variable, text, value }
  }

  /** @returns `undefined` if the value has a problem, which is then reported */
  #expand(given: unknown, path: string): unknown {
    if (Array.isArray(given)) {
      const items: unknown[] = given
      return items.map((item, index) => this.#expand(item, `${path}[${index}]`) ?? '')
    }
    if (typeof given !== 'string') return given
    const expanded = expandVariables(given, this.#variables)
    if (expanded.kind === 'ok') return expanded.text
    this.report(path, expanded.message)
    return undefined
  }
}

/** Advice for a key that is unknown in its table: the table that it belongs in. */
function elsewhere(given: string): string {
  const name = normalizeKey(given)
  if (name === 'output') return 'write [[http.output]] or [[udp.output]], below its relay'
  const home = KEY_SECTIONS.find(({ header, keys }) => {
    return header !== 'endpoints' && keys.some((key) => normalizeKey(key.name) === name)
  })
  if (home === undefined) return 'remove it'
  return home.header === '' ? 'it belongs above all tables' : `it belongs in ${home.header}`
}

export function joinPath(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}
