/** One `[[http]]` or `[[udp]]` table → one relay without its final name. */

import { type Endpoint, parseBindAddress, renderAddress } from '../../net/endpoint.ts'
import { portLookup } from '../../net/service-ports.ts'
import type { HttpRelayConfig, RateLimit, UdpRelayConfig } from '../config.ts'
import { joinPath, type Reader, type Section } from '../read/reader.ts'
import { type PlacedTable, tablesOf } from '../read/tables.ts'
import { HTTP_KEYS, UDP_KEYS } from '../schema/keys.ts'
import { type OutputDraft, parseOutput } from './parse-output.ts'
import { checkCombinedPem, type ReadFile } from './parse-secrets.ts'

type Unnamed<T> = Omit<T, 'name' | 'outputs'>

export interface RelayDraft {
  /** Path of the table in the file: `http[0]`. */
  readonly path: string
  /** '' = not given. */
  readonly givenName: string
  readonly defaultName: string
  readonly config: Unnamed<HttpRelayConfig> | Unnamed<UdpRelayConfig>
  /** False if the address is invalid; then no check may compare it. */
  readonly hasAddress: boolean
  readonly outputs: readonly OutputDraft[]
}

const noAddress = (kind: Endpoint['kind']): Endpoint => ({ kind, host: '', port: 0 })

export function parseHttpRelay(
  reader: Reader,
  { table, path }: PlacedTable,
  readFile: ReadFile,
): RelayDraft {
  const section = reader.open(table, path, Object.values(HTTP_KEYS), ['output'])
  const address = parseAddress(reader, section, 'tcp', readFile)
  const tlsPemPath = reader.get(section, HTTP_KEYS.tlsPem)
  if (tlsPemPath !== '') {
    checkCombinedPem(reader, joinPath(path, HTTP_KEYS.tlsPem.name), tlsPemPath, readFile)
  }
  const influxdbVersion = reader.get(section, HTTP_KEYS.influxdbVersion)
  if (!/^[\w.+-]+$/.test(influxdbVersion)) {
    const message = 'must be a version such as "1.8.10": letters, digits, dots, + and -'
    reader.report(joinPath(path, HTTP_KEYS.influxdbVersion.name), message)
  }
  // Only checked: /health answers from what the outputs answered last, and waits for none.
  reader.get(section, HTTP_KEYS.healthTimeout)
  const bindAddress = address ?? noAddress('tcp')
  const scheme = tlsPemPath === '' ? 'http' : 'https'
  return {
    path,
    givenName: reader.get(section, HTTP_KEYS.name),
    defaultName: `${scheme}://${renderAddress(bindAddress)}`,
    hasAddress: address !== undefined,
    outputs: parseOutputs(reader, section, 'http', readFile),
    config: {
      kind: 'http',
      bindAddress,
      ...parseDurability(reader, section),
      tlsPemPath: tlsPemPath === '' ? undefined : tlsPemPath,
      defaultRetentionPolicy: reader.get(section, HTTP_KEYS.defaultRetentionPolicy),
      pingStatus: reader.get(section, HTTP_KEYS.pingStatus),
      rateLimit: parseRateLimit(reader, section),
      maxBodyBytes: reader.get(section, HTTP_KEYS.maxBody),
      maxConnections: reader.get(section, HTTP_KEYS.maxConnections),
      influxdbVersion,
      unsignedIntegers: reader.get(section, HTTP_KEYS.unsignedIntegers),
      honorsConsistency: reader.get(section, HTTP_KEYS.honorConsistency),
      idleTimeoutMs: reader.get(section, HTTP_KEYS.idleTimeout),
      fastPath: reader.get(section, HTTP_KEYS.fastPath),
    },
  }
}

export function parseUdpRelay(
  reader: Reader,
  { table, path }: PlacedTable,
  readFile: ReadFile,
): RelayDraft {
  const section = reader.open(table, path, Object.values(UDP_KEYS), ['output'])
  const address = parseAddress(reader, section, 'udp', readFile)
  const bindAddress = address ?? noAddress('udp')
  const database = reader.get(section, UDP_KEYS.database)
  if (database === '') {
    const message = 'names no database; write one, or remove the key: it is "udp" then'
    reader.report(joinPath(path, UDP_KEYS.database.name), message)
  }
  return {
    path,
    givenName: reader.get(section, UDP_KEYS.name),
    defaultName: renderAddress(bindAddress),
    hasAddress: address !== undefined,
    outputs: parseOutputs(reader, section, 'udp', readFile),
    config: {
      kind: 'udp',
      bindAddress,
      ...parseDurability(reader, section),
      precision: reader.get(section, UDP_KEYS.precision),
      readBufferBytes: reader.get(section, UDP_KEYS.readBuffer),
      database,
      retentionPolicy: reader.get(section, UDP_KEYS.retentionPolicy),
    },
  }
}

function parseAddress(
  reader: Reader,
  section: Section,
  kind: Endpoint['kind'],
  readFile: ReadFile,
): Endpoint | undefined {
  const keyPath = joinPath(section.path, HTTP_KEYS.bindAddress.name)
  const text = reader.get(section, HTTP_KEYS.bindAddress)
  if (text === '') {
    if (!reader.hasProblemAt(keyPath)) {
      reader.report(keyPath, 'is missing; say where to listen, e.g. "127.0.0.1:9096"')
    }
    return undefined
  }
  const parsed = parseBindAddress(text, kind, { portOf: portLookup(kind, readFile) })
  if (parsed.kind === 'ok') return parsed.address
  reader.report(keyPath, parsed.message)
  return undefined
}

function parseOutputs(
  reader: Reader,
  section: Section,
  relayKind: 'http' | 'udp',
  readFile: ReadFile,
): readonly OutputDraft[] {
  const raw = section.entries.get('output')
  if (raw === undefined || (Array.isArray(raw) && raw.length === 0)) {
    const message = `there is none, so every write would be lost; add [[${relayKind}.output]]`
    reader.report(joinPath(section.path, 'output'), message)
  }
  // With a log on disk, an output may lag by the whole length of the log.
  const isDurable = reader.get(section, HTTP_KEYS.logDir) !== ''
  const backlogBytes = isDurable ? reader.get(section, HTTP_KEYS.logMax) : undefined
  return tablesOf(reader, section, 'output')
    .map((placed) => parseOutput(reader, placed, { relayKind, backlogBytes, readFile }))
    .filter((draft) => draft !== undefined)
}

function parseRateLimit(reader: Reader, section: Section): RateLimit | undefined {
  const perSecond = reader.get(section, HTTP_KEYS.rateLimit)
  const burst = reader.get(section, HTTP_KEYS.burstLimit)
  return perSecond === 0 ? undefined : { perSecond, burst }
}

function parseDurability(reader: Reader, section: Section) {
  const logDir = reader.get(section, HTTP_KEYS.logDir)
  const acknowledgement = reader.get(section, HTTP_KEYS.ack)
  if (acknowledgement === 'log' && logDir === '') {
    const message = '"log" needs log-dir; add it, or write "any", "quorum" or "all"'
    reader.report(joinPath(section.path, HTTP_KEYS.ack.name), message)
  }
  return {
    logDir: logDir === '' ? undefined : logDir,
    logMaxBytes: reader.get(section, HTTP_KEYS.logMax),
    acknowledgement,
    ackTimeoutMs: reader.get(section, HTTP_KEYS.ackTimeout),
  }
}
