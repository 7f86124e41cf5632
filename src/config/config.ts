/**
 * The configuration as the program uses it: parsed, checked, every default filled in.
 *
 * Only `parse-config.ts` makes a `Config`. Names carry the unit: bytes, milliseconds.
 * `relay.toml.example` and docs/configuration.md list the keys as the file spells them, with
 * meaning and default.
 */

import type { Precision } from '../line-protocol/precision.ts'
import type { Endpoint } from '../net/endpoint.ts'
import type { AckPolicy } from '../write/acks.ts'
import type { GoRegExp } from './sections/go-regexp.ts'

export interface Config {
  readonly http: readonly HttpRelayConfig[]
  readonly udp: readonly UdpRelayConfig[]
  readonly admin: AdminConfig
  readonly maxMemoryBytes: number
  readonly shutdownTimeoutMs: number
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
/** `auto`: text on a terminal, JSON elsewhere. */
export const LOG_FORMATS = ['auto', 'json', 'text'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

export interface AdminConfig {
  /** `undefined` = off. */
  readonly bindAddress: Endpoint | undefined
  /** When the address is taken: a warning for the default, an error for a configured address. */
  readonly isConfigured: boolean
}

interface RelayConfigBase {
  readonly name: string
  readonly bindAddress: Endpoint
  readonly logDir: string | undefined
  readonly logMaxBytes: number
  readonly acknowledgement: AckPolicy
  readonly ackTimeoutMs: number
  readonly outputs: readonly OutputConfig[]
}

export interface HttpRelayConfig extends RelayConfigBase {
  readonly kind: 'http'
  /** PEM file with certificate chain and key; `undefined` = plain HTTP. */
  readonly tlsPemPath: string | undefined
  readonly defaultRetentionPolicy: string
  readonly pingStatus: number
  /** `undefined` = no limit. */
  readonly rateLimit: RateLimit | undefined
  readonly maxBodyBytes: number
  readonly maxConnections: number
  readonly influxdbVersion: string
  readonly unsignedIntegers: boolean
  /** A request's `consistency` may ask for more outputs than `acknowledgement` does. */
  readonly honorsConsistency: boolean
  /** Longest idle time before a request, the first included; then the connection is closed. */
  readonly idleTimeoutMs: number
  /** Plain writes are read from the socket, without node's HTTP parser. */
  readonly fastPath: boolean
}

export interface RateLimit {
  readonly perSecond: number
  readonly burst: number
}

export interface UdpRelayConfig extends RelayConfigBase {
  readonly kind: 'udp'
  /** Unit of timestamps in datagrams that come in and go out. */
  readonly precision: Precision
  /** SO_RCVBUF; 0 = the operating system's default. */
  readonly readBufferBytes: number
  readonly database: string
  readonly retentionPolicy: string
}

export type RelayConfig = HttpRelayConfig | UdpRelayConfig

/**
 * veepee's `[[filter]]`: an output takes a line only if every filter that names it matches the
 * line.
 */
export interface LineFilter {
  /** Must match at least one tag key of the line. */
  readonly tagExpression: GoRegExp | undefined
  /** Must match the measurement. */
  readonly measurementExpression: GoRegExp | undefined
}

interface OutputConfigBase {
  readonly name: string
  /** As configured, without credentials: for logs and listings. */
  readonly location: string
  /** Backlog bound; 0 = one attempt for each write. */
  readonly bufferBytes: number
  readonly batchMaxBytes: number
  readonly timeoutMs: number
  readonly delayMaxMs: number
  readonly filters: readonly LineFilter[]
}

/**
 * The API that writes go to, which decides the form and meaning of the answers: `v1` = `/write` of
 * InfluxDB 1.x and compatible servers, `v2` = `/api/v2/write`, `v3` = `/api/v3/write_lp`.
 */
export type OutputDialect = 'v1' | 'v2' | 'v3'

export interface HttpOutputConfig extends OutputConfigBase {
  readonly kind: 'http'
  /** `http://host:port` or `https://…`. */
  readonly origin: string
  /** How the server answers; derived from the path of writes. */
  readonly dialect: OutputDialect
  /** Paths with the location's own query string, e.g. `/write` or `/write?node=a`. */
  readonly paths: HttpOutputPaths
  /** The output's own credentials; `undefined` = pass on those of the client. */
  readonly credentials: OutputCredentials | undefined
  readonly gzip: boolean
  readonly missingDbGraceMs: number
  readonly tls: OutputTls
}

export interface HttpOutputPaths {
  readonly write: string
  readonly prometheusWrite: string
  readonly ping: string
  readonly query: string
}

export type OutputCredentials =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string }

export interface OutputTls {
  readonly skipVerification: boolean
  /** PEM texts, already read. */
  readonly ca: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
  readonly serverName: string | undefined
}

export interface UdpOutputConfig extends OutputConfigBase {
  readonly kind: 'udp'
  readonly host: string
  readonly port: number
  /** Largest payload of a datagram, bytes. */
  readonly mtu: number
}

export interface FileOutputConfig extends OutputConfigBase {
  readonly kind: 'file'
  readonly path: string
  /** A file that has reached this size is rotated. */
  readonly rotateBytes: number
  /** Files kept, the current one included. */
  readonly keepFiles: number
}

export type OutputConfig = HttpOutputConfig | UdpOutputConfig | FileOutputConfig
