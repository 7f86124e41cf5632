/**
 * The effective plan for `-check`: every address that the relay would listen on, and every value
 * that it would send data with.
 *
 * Secrets never appear, not even their length.
 */

import { renderAddress } from '../../net/endpoint.ts'
import { renderDurationMs } from '../../std/durations.ts'
import { unreachable } from '../../std/errors.ts'
import type { Config, HttpOutputConfig, LineFilter, OutputConfig, RelayConfig } from '../config.ts'
import { HTTP_KEYS } from '../schema/keys.ts'
import { hideCredentials } from '../schema/values.ts'

type Row = readonly [label: string, value: string]

/** Several lines, each ended by a newline. */
export function renderPlan(config: Config): string {
  const { admin } = config
  const lines = [
    ...renderRows('', [
      ['metrics and health', admin.bindAddress ? renderAddress(admin.bindAddress) : 'off'],
      ['max-memory-mb', megabytes(config.maxMemoryBytes)],
      ['shutdown-timeout', renderDurationMs(config.shutdownTimeoutMs)],
      ['log-level', config.logLevel],
      ['log-format', config.logFormat],
    ]),
    ...[...config.http, ...config.udp].flatMap(renderRelay),
  ]
  return `${lines.join('\n')}\n`
}

function renderRelay(relay: RelayConfig): string[] {
  const protocol = relay.kind === 'udp' ? 'UDP' : relay.tlsPemPath === undefined ? 'HTTP' : 'HTTPS'
  return [
    '',
    `relay "${relay.name}": ${protocol} on ${renderAddress(relay.bindAddress)}`,
    ...renderRows('  ', relayRows(relay)),
    ...relay.outputs.flatMap(renderOutput),
  ]
}

function relayRows(relay: RelayConfig): Row[] {
  const shared: Row[] = [
    ['ack', relay.acknowledgement],
    ['ack-timeout', renderDurationMs(relay.ackTimeoutMs)],
  ]
  if (relay.logDir !== undefined) {
    shared.push(['log-dir', relay.logDir], ['log-max-mb', megabytes(relay.logMaxBytes)])
  }
  switch (relay.kind) {
    case 'http':
      return [
        ...given('ssl-combined-pem', relay.tlsPemPath),
        ...given('default-retention-policy', relay.defaultRetentionPolicy),
        ...shared,
        ['max-body-mb', bodyLimit(relay.maxBodyBytes)],
        ['max-connections', String(relay.maxConnections)],
        ['influxdb-version', relay.influxdbVersion],
        ['unsigned-integers', String(relay.unsignedIntegers)],
        ['honor-consistency', String(relay.honorsConsistency)],
        ['idle-timeout', renderDurationMs(relay.idleTimeoutMs)],
        ['fast-lane', String(relay.fastPath)],
        ['default-ping-response', String(relay.pingStatus)],
        ['rate-limit', relay.rateLimit === undefined ? 'off' : String(relay.rateLimit.perSecond)],
        ...given('burst-limit', relay.rateLimit && String(relay.rateLimit.burst)),
      ]
    case 'udp':
      return [
        ['precision', relay.precision],
        ['read-buffer', relay.readBufferBytes === 0 ? 'system' : String(relay.readBufferBytes)],
        ['database', relay.database],
        ...given('retention-policy', relay.retentionPolicy),
        ...shared,
      ]
    default:
      return unreachable(relay)
  }
}

function renderOutput(output: OutputConfig): string[] {
  const shared: Row[] = [
    ['timeout', renderDurationMs(output.timeoutMs)],
    ['buffer-size-mb', megabytes(output.bufferBytes)],
    ['max-batch-kb', String(output.batchMaxBytes / 1024)],
    ['max-delay-interval', renderDurationMs(output.delayMaxMs)],
    ...output.filters.map((filter): Row => ['filter', renderFilter(filter)]),
  ]
  return [
    `  output "${output.name}": ${output.kind.toUpperCase()} ${output.location}`,
    ...renderRows('    ', [...outputRows(output), ...shared]),
  ]
}

function outputRows(output: OutputConfig): Row[] {
  switch (output.kind) {
    case 'http':
      return httpOutputRows(output)
    case 'udp':
      return [['mtu', String(output.mtu)]]
    case 'file':
      return [
        ['file', output.path],
        ['max-file-mb', megabytes(output.rotateBytes)],
        ['max-files', String(output.keepFiles)],
      ]
    default:
      return unreachable(output)
  }
}

function httpOutputRows(output: HttpOutputConfig): Row[] {
  const { paths, tls } = output
  const url = (path: string) => hideCredentials(`${output.origin}${path}`)
  return [
    ['write', `${url(paths.write)}${portHint(output)}`],
    ['write_prom', url(paths.prometheusWrite)],
    ['ping', url(paths.ping)],
    ['query', url(paths.query)],
    ['credentials', renderCredentials(output)],
    ['gzip', String(output.gzip)],
    ['missing-db-grace', renderDurationMs(output.missingDbGraceMs)],
    ['skip-tls-verification', String(tls.skipVerification)],
    ...given('ca-cert', tls.ca && 'read'),
    ...given('client-cert', tls.cert && 'read'),
    ...given('client-key', tls.key && '(hidden)'),
    ...given('server-name', tls.serverName),
  ]
}

function renderCredentials({ credentials }: HttpOutputConfig): string {
  switch (credentials?.kind) {
    case undefined:
      return "the client's, passed on"
    case 'basic':
      return `user "${credentials.username}", password (hidden)`
    case 'token':
      return 'token (hidden)'
    default:
      return unreachable(credentials)
  }
}

function renderFilter({ tagExpression, measurementExpression }: LineFilter): string {
  const parts = [
    tagExpression && `a tag key matches ${tagExpression.source}`,
    measurementExpression && `the measurement matches ${measurementExpression.source}`,
  ].filter((part) => part !== undefined)
  return parts.length === 0 ? 'every line' : parts.join(' and ')
}

/** One row, or none for an absent value. */
function given(label: string, value: string | undefined): Row[] {
  return value === undefined || value === '' ? [] : [[label, value]]
}

function renderRows(indent: string, rows: readonly Row[]): string[] {
  return rows.map(([label, value]) => `${indent}${label.padEnd(24)} ${value}`)
}

function bodyLimit(bytes: number): string {
  const isInfluxdbs = bytes === HTTP_KEYS.maxBody.initial
  return isInfluxdbs ? `${bytes} bytes, as in InfluxDB` : megabytes(bytes)
}

/** Marks a location without a port: its author rarely means port 80. */
function portHint({ origin }: HttpOutputConfig): string {
  const { port, protocol } = new URL(origin)
  if (port !== '') return ''
  return protocol === 'https:' ? ' (port 443)' : ' (port 80; that of InfluxDB is 8086)'
}

function megabytes(bytes: number): string {
  return String(bytes / 1_048_576)
}
