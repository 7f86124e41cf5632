/**
 * One `output` table → one output, of the kind that its location names.
 *
 * parse-config.ts sets the final name once all outputs of the relay are known.
 */

import type { Endpoint } from '../../net/endpoint.ts'
import { portLookup } from '../../net/service-ports.ts'
import type {
  FileOutputConfig,
  HttpOutputConfig,
  OutputConfig,
  OutputDialect,
  UdpOutputConfig,
} from '../config.ts'
import { joinPath, type Reader, type Section } from '../read/reader.ts'
import { isTable, type PlacedTable } from '../read/tables.ts'
import type { Key } from '../schema/config-key.ts'
import { ENDPOINT_KEYS, OUTPUT_KEYS } from '../schema/output-keys.ts'
import { showValue } from '../schema/values.ts'
import {
  type Endpoints,
  type HttpLocation,
  outputDialect,
  outputPaths,
  parseLocation,
} from './location.ts'
import { readLocationQuery } from './location-query.ts'
import { parseCredentials, parseOutputTls, type ReadFile } from './parse-secrets.ts'

type Unnamed<T> = Omit<T, 'name' | 'filters'>
export type UnnamedOutput =
  | Unnamed<HttpOutputConfig>
  | Unnamed<UdpOutputConfig>
  | Unnamed<FileOutputConfig>

/** Largest payload of a UDP datagram over IPv4, bytes. */
const DATAGRAM_MAX = 65_507

export interface OutputDraft {
  /** Path of the table in the file: `http[0].output[1]`. */
  readonly path: string
  /** '' = not given. */
  readonly givenName: string
  readonly config: UnnamedOutput
  /** Where data sent to it arrives; `undefined` for files. */
  readonly target: Endpoint | undefined
}

/** The settings that an output takes from its relay. */
export interface OutputContext {
  readonly relayKind: 'http' | 'udp'
  /** Backlog bound of an output that sets none; `undefined` = the default of `buffer-size-mb`. */
  readonly backlogBytes: number | undefined
  readonly readFile: ReadFile
}

/** @returns `undefined` if the location is missing or invalid; the reader has the problems */
export function parseOutput(
  reader: Reader,
  placed: PlacedTable,
  relay: OutputContext,
): OutputDraft | undefined {
  const { relayKind, backlogBytes, readFile } = relay
  const section = reader.open(placed.table, placed.path, Object.values(OUTPUT_KEYS), [])
  const locationPath = joinPath(section.path, OUTPUT_KEYS.location.name)
  const given = reader.get(section, OUTPUT_KEYS.location)
  const common = {
    bufferBytes: reader.isGiven(section, OUTPUT_KEYS.bufferSize)
      ? reader.get(section, OUTPUT_KEYS.bufferSize)
      : (backlogBytes ?? reader.get(section, OUTPUT_KEYS.bufferSize)),
    batchMaxBytes: reader.get(section, OUTPUT_KEYS.maxBatch),
    timeoutMs: reader.get(section, OUTPUT_KEYS.timeout),
    delayMaxMs: reader.get(section, OUTPUT_KEYS.maxDelay),
  }
  const givenName = reader.get(section, OUTPUT_KEYS.name)
  if (given === '') {
    if (!reader.hasProblemAt(locationPath)) {
      const example = relayKind === 'udp' ? '127.0.0.1:8089' : 'http://127.0.0.1:8086/write'
      reader.report(locationPath, `is missing; say where to send, e.g. "${example}"`)
    }
    return undefined
  }
  const parsed = parseLocation(given, relayKind, portLookup('udp', readFile))
  if (parsed.kind === 'bad') {
    reader.report(locationPath, parsed.message)
    return undefined
  }
  const { location } = parsed
  reportForeignKeys(reader, section, location.kind)
  const base = { ...common, location: location.shown }
  const draft = { path: section.path, givenName }
  switch (location.kind) {
    case 'http': {
      const config = { ...base, ...parseHttpPart(reader, section, location, readFile) }
      const { host, port } = location
      return { ...draft, config, target: { kind: 'tcp', host, port } }
    }
    case 'udp': {
      const { host, port } = location
      const mtu = Math.min(reader.get(section, OUTPUT_KEYS.mtu), DATAGRAM_MAX)
      const target = { kind: 'udp', host, port } as const
      return { ...draft, config: { ...base, ...target, mtu }, target }
    }
    case 'file': {
      const rotateBytes = reader.get(section, OUTPUT_KEYS.maxFile)
      const keepFiles = reader.get(section, OUTPUT_KEYS.maxFiles)
      const config = { ...base, kind: 'file' as const, path: location.path, rotateBytes, keepFiles }
      return { ...draft, config, target: undefined }
    }
  }
}

function parseHttpPart(
  reader: Reader,
  section: Section,
  location: HttpLocation,
  readFile: ReadFile,
) {
  const query = readLocationQuery(location.query)
  if (Object.values(query.user ?? {}).some((text) => text.includes('\ufffd'))) {
    const path = joinPath(section.path, OUTPUT_KEYS.location.name)
    reader.report(
      path,
      'has a user or password that is not UTF-8; give it as username and password',
    )
  }
  const endpoints = parseEndpoints(reader, section)
  const paths = outputPaths({ ...location, query: query.kept }, endpoints.paths)
  const dialect = outputDialect(paths.write)
  warnOfLocation(reader, section, {
    dialect,
    dropped: [...query.dropped, ...endpoints.dropped],
    write: paths.write,
  })
  return {
    kind: 'http' as const,
    origin: location.origin,
    dialect,
    paths,
    credentials: parseCredentials(reader, section, location.user ?? query.user, readFile),
    gzip: reader.get(section, OUTPUT_KEYS.gzip),
    missingDbGraceMs: reader.get(section, OUTPUT_KEYS.missingDbGrace),
    tls: parseOutputTls(reader, section, readFile),
  }
}

/** Warns of locations that the originals accept but that do not work as they seem to. */
function warnOfLocation(
  reader: Reader,
  section: Section,
  location: {
    readonly dialect: OutputDialect
    readonly dropped: readonly string[]
    readonly write: string
  },
): void {
  const path = joinPath(section.path, OUTPUT_KEYS.location.name)
  const { dialect, dropped, write } = location
  if (dropped.length > 0) {
    const names = dropped.map((name) => `${name}=`).join(', ')
    reader.warn(path, `${names} is left out of it: each write says that itself`)
  }
  const parameters = new URLSearchParams(write.split('?')[1])
  if (dialect !== 'v2') return
  if (!parameters.has('bucket')) {
    reader.warn(path, 'names no bucket, without which InfluxDB refuses every write; add ?bucket=…')
  } else if (!parameters.has('org') && !parameters.has('orgID')) {
    reader.warn(path, 'names no org, without which InfluxDB 2 refuses every write; add &org=…')
  }
}

/** @returns the endpoints as given, without the parameters that each write brings itself */
function parseEndpoints(
  reader: Reader,
  section: Section,
): { readonly paths: Endpoints; readonly dropped: readonly string[] } {
  const path = joinPath(section.path, OUTPUT_KEYS.endpoints.name)
  const raw = section.entries.get(OUTPUT_KEYS.endpoints.name) ?? {}
  if (!isTable(raw)) {
    reader.report(path, `must be a table such as { write = "/write" }, got ${showValue(raw)}`)
  }
  const table = isTable(raw) ? raw : {}
  const endpoints = reader.open(table, path, Object.values(ENDPOINT_KEYS), [])
  const dropped: string[] = []
  const get = (key: Key<string>): string => {
    const given = reader.get(endpoints, key)
    if (/\s/.test(given)) reader.report(joinPath(path, key.name), 'must be a path without blanks')
    const [endpoint = '', query = ''] = given.split(/\?(.*)/s)
    const own = readLocationQuery(query)
    dropped.push(...own.dropped, ...(own.user === undefined ? [] : ['u']))
    return own.kept === '' ? endpoint : `${endpoint}?${own.kept}`
  }
  const paths = {
    write: get(ENDPOINT_KEYS.write),
    prometheusWrite: get(ENDPOINT_KEYS.prometheusWrite),
    ping: get(ENDPOINT_KEYS.ping),
    query: get(ENDPOINT_KEYS.query),
  }
  return { paths, dropped }
}

const KIND_NAMES: Readonly<Record<OutputConfig['kind'], string>> = {
  http: 'an HTTP output',
  udp: 'a UDP output',
  file: 'a file output',
}

/** Reports keys that this kind of output would ignore: the operator expects an effect. */
function reportForeignKeys(reader: Reader, section: Section, kind: OutputConfig['kind']): void {
  for (const key of Object.values(OUTPUT_KEYS)) {
    const isForeign = key.outputKinds.length > 0 && !key.outputKinds.includes(kind)
    if (!isForeign || !reader.isGiven(section, key)) continue
    const kinds = key.outputKinds.map((kind) => KIND_NAMES[kind]).join(' and ')
    const message = `has no meaning for ${KIND_NAMES[kind]}, only for ${kinds}; remove it`
    reader.report(joinPath(section.path, key.name), message)
  }
}
