/**
 * Configuration text → `Config`, or everything that is wrong with it at once.
 *
 *     toml.ts → read/reader.ts (one key at a time, by keys.ts)
 *             → parse-relay.ts, parse-output.ts, parse-filters.ts → cross-checks.ts
 *
 * Parsing opens and creates nothing, and reads the files that the configuration names
 * (certificates, passwords) through `environment`. keys.ts has the meaning and default of each key.
 */

import { parseBindAddress } from '../net/endpoint.ts'
import { portLookup } from '../net/service-ports.ts'
import type { AdminConfig, Config, OutputConfig, RelayConfig } from './config.ts'
import { crossCheck, finalNames } from './cross-checks.ts'
import type { ConfigProblem } from './read/problem.ts'
import { Reader, type Section, type Variables } from './read/reader.ts'
import { isTable, tablesOf } from './read/tables.ts'
import { parseToml } from './read/toml.ts'
import { ADMIN_KEYS, TOP_KEYS } from './schema/keys.ts'
import { showValue } from './schema/values.ts'
import { type NamedFilter, parseFilters, reportUnknownOutputs } from './sections/parse-filters.ts'
import type { OutputDraft } from './sections/parse-output.ts'
import { parseHttpRelay, parseUdpRelay, type RelayDraft } from './sections/parse-relay.ts'
import type { ReadFile } from './sections/parse-secrets.ts'

export interface ConfigSource {
  /** For messages only. */
  readonly path: string
  readonly text: string
}

export interface ConfigEnvironment {
  readonly variables: Variables
  /** Throws Node's errors. Relative paths start at the working directory, as in the originals. */
  readonly readFile: (path: string) => string
}

export type ParsedConfig =
  | { readonly kind: 'config'; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly kind: 'invalid'; readonly problems: readonly ConfigProblem[] }

/** Parses and checks a whole configuration. Never throws. */
export function parseConfig(source: ConfigSource, environment: ConfigEnvironment): ParsedConfig {
  const toml = parseToml(source.text)
  if (toml.kind === 'broken') {
    const place = toml.column > 0 ? `column ${toml.column}: ` : ''
    return {
      kind: 'invalid',
      problems: [{ line: toml.line, keyPath: '', message: place + toml.why }],
    }
  }
  const reader = new Reader(toml.lines, environment.variables)
  const config = readConfig(reader, toml.table, environment)
  reader.warnOfStrayVariables()
  if (reader.problems.length === 0) return { kind: 'config', config, warnings: reader.warnings }
  return { kind: 'invalid', problems: inFileOrder(reader.problems) }
}

/** `relay.toml:12: http[0].output[1].timeout: …` */
export function renderProblem(path: string, problem: ConfigProblem): string {
  const place = problem.line > 0 ? `${path}:${problem.line}` : path
  const key = problem.keyPath === '' ? '' : `${problem.keyPath}: `
  return `${place}: ${key}${problem.message}`
}

function readConfig(reader: Reader, table: object, environment: ConfigEnvironment): Config {
  const top = reader.open(table, '', Object.values(TOP_KEYS), ['http', 'udp', 'admin', 'filter'])
  const admin = parseAdmin(reader, top, environment.readFile)
  const filters = parseFilters(reader, top)
  const { readFile } = environment
  const http = tablesOf(reader, top, 'http').map((t) => parseHttpRelay(reader, t, readFile))
  const udp = tablesOf(reader, top, 'udp').map((t) => parseUdpRelay(reader, t, readFile))
  const drafts = [...http, ...udp]
  if (drafts.length === 0 && !reader.hasProblemAt('http') && !reader.hasProblemAt('udp')) {
    reader.report('', 'there is no relay; add [[http]] or [[udp]] with bind-addr and output')
  }
  crossCheck(reader, drafts, admin)
  const relays = nameRelays(drafts, filters)
  const outputNames = relays.flatMap((relay) => relay.outputs.map((output) => output.name))
  reportUnknownOutputs(reader, filters, outputNames)
  return {
    http: relays.filter((relay) => relay.kind === 'http'),
    udp: relays.filter((relay) => relay.kind === 'udp'),
    admin,
    maxMemoryBytes: reader.get(top, TOP_KEYS.maxMemory),
    shutdownTimeoutMs: reader.get(top, TOP_KEYS.shutdownTimeout),
    logLevel: reader.get(top, TOP_KEYS.logLevel),
    logFormat: reader.get(top, TOP_KEYS.logFormat),
  }
}

function nameRelays(
  drafts: readonly RelayDraft[],
  filters: readonly NamedFilter[],
): readonly RelayConfig[] {
  const names = finalNames(drafts)
  return drafts.map((draft, index) => ({
    ...draft.config,
    name: names[index] ?? draft.defaultName,
    outputs: nameOutputs(draft.outputs, filters),
  }))
}

function nameOutputs(
  drafts: readonly OutputDraft[],
  filters: readonly NamedFilter[],
): readonly OutputConfig[] {
  const names = finalNames(
    drafts.map(({ givenName, config }) => ({ givenName, defaultName: config.location })),
  )
  return drafts.map((draft, index) => {
    const name = names[index] ?? draft.config.location
    const own = filters.filter(({ outputNames }) => outputNames.includes(name))
    return { ...draft.config, name, filters: own.map(({ filter }) => filter) }
  })
}

function parseAdmin(reader: Reader, top: Section, readFile: ReadFile): AdminConfig {
  const raw = top.entries.get('admin') ?? {}
  if (!isTable(raw)) {
    const got = Array.isArray(raw) ? 'a list; write [admin] in single brackets' : showValue(raw)
    reader.report('admin', `must be a table, got ${got}`)
  }
  const section = reader.open(isTable(raw) ? raw : {}, 'admin', Object.values(ADMIN_KEYS), [])
  const isConfigured = reader.isGiven(section, ADMIN_KEYS.bindAddress)
  const text = reader.get(section, ADMIN_KEYS.bindAddress)
  if (text === '') return { bindAddress: undefined, isConfigured }
  const parsed = parseBindAddress(text, 'tcp', { portOf: portLookup('tcp', readFile) })
  if (parsed.kind === 'ok') return { bindAddress: parsed.address, isConfigured }
  reader.report('admin.bind-addr', parsed.message)
  return { bindAddress: undefined, isConfigured }
}

/**
 * Sorts by line. Problems without a line (from the environment) come last; problems of one line
 * keep the order in which they were found.
 */
function inFileOrder(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const place = (problem: ConfigProblem) => problem.line || Number.POSITIVE_INFINITY
  return problems.toSorted((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)))
}
