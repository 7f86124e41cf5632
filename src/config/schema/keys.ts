/**
 * Every key of the configuration file: name, kind, default, meaning, what happens at its limit.
 *
 * This table drives the parser and renders `relay.toml.example`; a test compares
 * docs/configuration.md with it. Keys are grouped by the TOML table that holds them.
 */

import { PRECISIONS, type Precision } from '../../line-protocol/precision.ts'
import { ACK_POLICIES } from '../../write/acks.ts'
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../config.ts'
import { DISK_MAX_MB, type Key, key, MIB, SECOND_MS, WAIT_MAX_MS } from './config-key.ts'
import { ENDPOINT_KEYS, FILTER_KEYS, OUTPUT_KEYS } from './output-keys.ts'
import { choice, duration, flag, text, whole } from './values.ts'

function words<T extends string>(list: readonly T[]): ReadonlyMap<string, T> {
  return new Map(list.map((word) => [word, word]))
}

const PRECISION_WORDS: ReadonlyMap<string, Precision> = new Map([
  ...PRECISIONS.map((precision): [string, Precision] => [precision, precision]),
  ['n', 'ns'],
  ['u', 'us'],
  ['', 'ns'],
])

export const TOP_KEYS = {
  maxMemory: key(
    'max-memory-mb',
    whole({ min: 1, max: DISK_MAX_MB, unit: MIB }),
    [256 * MIB, '256'],
    'memory for bodies in progress, backlogs and batches of all relays together',
    {
      atLimit:
        'with log-dir, the output that holds the most memory reads from the disk instead; else ' +
        'writes are answered 503 with Retry-After',
    },
  ),
  shutdownTimeout: key(
    'shutdown-timeout',
    duration({ minMs: 0, maxMs: WAIT_MAX_MS }),
    [8 * SECOND_MS, '"8s"'],
    'how long a stop waits for outputs that are up to take their pending writes',
    { atLimit: 'the writes that are left are counted and logged, and the exit code is 1' },
  ),
  logLevel: key(
    'log-level',
    choice<LogLevel>(words(LOG_LEVELS)),
    ['info', '"info"'],
    'least severe messages that are logged: "debug", "info", "warn" or "error"',
  ),
  logFormat: key(
    'log-format',
    choice<LogFormat>(words(LOG_FORMATS)),
    ['auto', '"auto"'],
    '"text" for people, "json" for machines; "auto" is text on a terminal, JSON elsewhere',
  ),
}

export const ADMIN_KEYS = {
  bindAddress: key(
    'bind-addr',
    text('127.0.0.1:9097'),
    ['127.0.0.1:9097', '"127.0.0.1:9097"'],
    'address of metrics and health; "" = off',
  ),
}

const RELAY_KEYS = {
  name: key(
    'name',
    text(),
    ['', '""'],
    'name in logs and metrics, unique among all relays; default: the address it listens on',
  ),
  bindAddress: key(
    'bind-addr',
    text('127.0.0.1:9096'),
    ['', '""'],
    'address to listen on, "host:port"; ":port" = on every address; required',
  ),
  logDir: key(
    'log-dir',
    text(),
    ['', '""'],
    'folder of the durable log: a write is on disk before any output sees it and before the ' +
      'answer; outputs then need a name',
  ),
  logMax: key(
    'log-max-mb',
    whole({ min: 1, max: DISK_MAX_MB, unit: MIB }),
    [10_240 * MIB, '10240'],
    'disk for the durable log of this relay: log, dead letters, quarantine',
    {
      atLimit:
        'the output that is furthest behind drops its oldest writes that another output has; ' +
        'else 503',
    },
  ),
  acknowledgement: key(
    'ack',
    choice(words(ACK_POLICIES)),
    ['any', '"any"'],
    'outputs that must have stored a write before it is answered 204: "any", "quorum", "all"; or ' +
      '"log": the log on disk is enough',
  ),
  ackTimeout: key(
    'ack-timeout',
    duration({ minMs: 1, maxMs: WAIT_MAX_MS }),
    [4 * SECOND_MS, '"4s"'],
    'longest wait for the outputs that ack asks for',
    { atLimit: 'the write is answered 503 with Retry-After' },
  ),
}

export const HTTP_KEYS = {
  name: RELAY_KEYS.name,
  bindAddress: RELAY_KEYS.bindAddress,
  tlsPem: key(
    'ssl-combined-pem',
    text(),
    ['', '""'],
    'PEM file with certificate chain and key; with it the relay speaks HTTPS',
  ),
  defaultRetentionPolicy: key(
    'default-retention-policy',
    text(),
    ['', '""'],
    'retention policy of writes that name none',
  ),
  ack: RELAY_KEYS.acknowledgement,
  ackTimeout: RELAY_KEYS.ackTimeout,
  maxBody: key(
    'max-body-mb',
    whole({ min: 1, max: 1024, unit: MIB }),
    [25_000_000, '25'],
    'largest request body, compressed or not; absent: 25000000 bytes, as in InfluxDB',
    { atLimit: 'the request is answered 413' },
  ),
  maxConnections: key(
    'max-connections',
    whole({ min: 1, max: 1_000_000 }),
    [5000, '5000'],
    'most connections of clients at a time',
    { atLimit: 'further connections are closed' },
  ),
  influxdbVersion: key(
    'influxdb-version',
    text('1.8.10'),
    ['1.8.10', '"1.8.10"'],
    'version in the version headers of all answers',
  ),
  unsignedIntegers: key(
    'unsigned-integers',
    flag(),
    [false, 'false'],
    'accept the u suffix of integers, which InfluxDB 2 and 3 know and 1.x does not',
  ),
  honorConsistency: key(
    'honor-consistency',
    flag(),
    [false, 'false'],
    "let a request's consistency ask for more outputs than ack: false checks its spelling only",
    { atLimit: 'with too few outputs up the write is answered 503 with Retry-After' },
  ),
  idleTimeout: key(
    'idle-timeout',
    duration({ minMs: SECOND_MS, maxMs: WAIT_MAX_MS }),
    [180 * SECOND_MS, '"3m"'],
    'how long a connection may be idle before a request begins',
    { atLimit: 'the connection is closed without an answer' },
  ),
  fastPath: key(
    'fast-lane',
    flag(),
    [true, 'true'],
    "read plain writes directly from the socket, not through node's HTTP parser",
  ),
  pingStatus: key(
    'default-ping-response',
    whole({ min: 200, max: 599, zeroIsDefault: true }),
    [204, '204'],
    'status of the answer to /ping',
  ),
  rateLimit: key(
    'rate-limit',
    whole({ min: 0, max: 1_000_000_000 }),
    [0, '0'],
    'writes per second; 0 = no limit',
    { atLimit: 'the write is answered 503 with Retry-After; /ping and /health never are' },
  ),
  burstLimit: key(
    'burst-limit',
    whole({ min: 1, max: 1_000_000_000, zeroIsDefault: true }),
    [1, '1'],
    'most writes that may come at once before rate-limit holds them back',
  ),
  healthTimeout: key(
    'health-timeout-ms',
    whole({ min: 0, max: WAIT_MAX_MS }),
    [0, '0'],
    'accepted and ignored: /health asks no output, and answers at once',
  ),
  logDir: RELAY_KEYS.logDir,
  logMax: RELAY_KEYS.logMax,
}

export const UDP_KEYS = {
  name: RELAY_KEYS.name,
  bindAddress: RELAY_KEYS.bindAddress,
  precision: key(
    'precision',
    choice(PRECISION_WORDS),
    ['ns', '"n"'],
    'unit of timestamps, in and out: "n", "u", "ms", "s", "m" or "h"',
  ),
  readBuffer: key(
    'read-buffer',
    whole({ min: 0, max: 2_147_483_647 }),
    [0, '0'],
    "receive buffer of the socket, bytes; 0 = the operating system's default",
    { atLimit: 'the system drops datagrams' },
  ),
  database: key('database', text(), ['udp', '"udp"'], 'database that HTTP outputs write to'),
  retentionPolicy: key(
    'retention-policy',
    text(),
    ['', '""'],
    'retention policy that HTTP outputs write to',
  ),
  ack: RELAY_KEYS.acknowledgement,
  ackTimeout: RELAY_KEYS.ackTimeout,
  logDir: RELAY_KEYS.logDir,
  logMax: RELAY_KEYS.logMax,
}

export interface KeySection {
  /** As the file writes it; '' = above all tables. */
  readonly header: string
  readonly keys: readonly Key<unknown>[]
}

/** All sections, in the order of the file. */
export const KEY_SECTIONS: readonly KeySection[] = [
  { header: '', keys: Object.values(TOP_KEYS) },
  { header: '[admin]', keys: Object.values(ADMIN_KEYS) },
  { header: '[[http]]', keys: Object.values(HTTP_KEYS) },
  { header: '[[udp]]', keys: Object.values(UDP_KEYS) },
  { header: '[[http.output]]', keys: Object.values(OUTPUT_KEYS) },
  { header: 'endpoints', keys: Object.values(ENDPOINT_KEYS) },
  { header: '[[filter]]', keys: Object.values(FILTER_KEYS) },
]
