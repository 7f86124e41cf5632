/**
 * The keys of outputs, their endpoints and filters; part of the table in keys.ts.
 */

import {
  DISK_MAX_MB,
  HOUR_MS,
  type KeyNotes,
  KIB,
  key,
  MIB,
  SECOND_MS,
  WAIT_MAX_MS,
} from './config-key.ts'
import { duration, flag, text, textList, whole } from './values.ts'

/** One GiB, in the key's own unit. */
const BATCH_MAX_KB = 1_048_576
/** The shortest line with a timestamp, `m v=1 1` and its line end: a smaller MTU fits no line. */
const MTU_MIN = 8
/** Largest value of a datagram's length field; parse-output.ts lowers it to the largest payload. */
const MTU_MAX = 65_535

const HTTP_ONLY: KeyNotes = { outputKinds: ['http'] }

export const OUTPUT_KEYS = {
  name: key(
    'name',
    text(),
    ['', '""'],
    'name in logs and metrics, unique within the relay; default: the location',
  ),
  location: key(
    'location',
    text('http://127.0.0.1:8086'),
    ['', '""'],
    'where writes go: "http://host:8086/write", "udp://host:8089" (in [[udp]] also "host:8089") ' +
      'or "file:path"',
  ),
  timeout: key(
    'timeout',
    duration({ minMs: 1, maxMs: WAIT_MAX_MS, zeroIsMax: true }),
    [10 * SECOND_MS, '"10s"'],
    'longest wait for an answer; "0s" = 24 h',
    { atLimit: 'the output counts as down until it answers again' },
  ),
  bufferSize: key(
    'buffer-size-mb',
    whole({ min: 0, max: DISK_MAX_MB, unit: MIB }),
    [64 * MIB, '64'],
    'backlog kept for this output (default with log-dir: log-max-mb); 0 = one attempt for each ' +
      'write, as in influxdb-relay',
    {
      atLimit:
        'down or too slow: its oldest writes that another has are dropped; else new writes get 503',
    },
  ),
  maxBatch: key(
    'max-batch-kb',
    whole({ min: 0, max: BATCH_MAX_KB, unit: KIB, zeroIsDefault: true }),
    [4096 * KIB, '4096'],
    'largest request that several writes are merged into (half the backlog at most); ' +
      'a larger single write goes alone',
    { atLimit: 'the next write goes in the next request' },
  ),
  maxDelay: key(
    'max-delay-interval',
    duration({ minMs: 1, maxMs: WAIT_MAX_MS }),
    [10 * SECOND_MS, '"10s"'],
    'longest wait between two attempts',
  ),
  endpoints: key<Readonly<Record<string, never>>>(
    'endpoints',
    { label: 'table', fromEnvironment: () => undefined, read: () => ({ kind: 'default' }) },
    [{}, '{ write = "", write_prom = "", ping = "", query = "" }'],
    'paths of each kind of request, added to location',
    HTTP_ONLY,
  ),
  username: key(
    'username',
    text(),
    ['', '""'],
    "the output's own user; without one the client's credentials are passed on",
    { ...HTTP_ONLY, aliases: ['http-user'] },
  ),
  password: key('password', text(), ['', '""'], "the output's own password", {
    ...HTTP_ONLY,
    aliases: ['http-pass'],
    isSecret: true,
  }),
  passwordFile: key('password-file', text(), ['', '""'], 'file that holds the password', HTTP_ONLY),
  token: key('token', text(), ['', '""'], "the output's own token, for InfluxDB 2 and 3", {
    ...HTTP_ONLY,
    isSecret: true,
  }),
  tokenFile: key('token-file', text(), ['', '""'], 'file that holds the token', HTTP_ONLY),
  gzip: key('gzip', flag(), [false, 'false'], 'compress requests to this output', HTTP_ONLY),
  missingDbGrace: key(
    'missing-db-grace',
    duration({ minMs: 0, maxMs: 24 * WAIT_MAX_MS }),
    [HOUR_MS, '"1h"'],
    'how long writes wait for a database that only this output lacks',
    { ...HTTP_ONLY, atLimit: 'the writes are set aside, counted and logged' },
  ),
  skipVerification: key(
    'skip-tls-verification',
    flag(),
    [false, 'false'],
    "do not check the output's certificate; for tests only",
    HTTP_ONLY,
  ),
  caCert: key(
    'ca-cert',
    text(),
    ['', '""'],
    'PEM file of the certificate authority to trust',
    HTTP_ONLY,
  ),
  clientCert: key(
    'client-cert',
    text(),
    ['', '""'],
    'PEM file of the certificate that the relay shows to the output',
    HTTP_ONLY,
  ),
  clientKey: key('client-key', text(), ['', '""'], 'PEM file of the key of client-cert', HTTP_ONLY),
  serverName: key(
    'server-name',
    text(),
    ['', '""'],
    "name that the output's certificate must have, if not the location's host",
    HTTP_ONLY,
  ),
  mtu: key(
    'mtu',
    whole({ min: MTU_MIN, max: MTU_MAX, zeroIsDefault: true }),
    [1024, '1024'],
    'largest payload of a datagram, bytes; more than 65507, the limit of UDP, means 65507',
    {
      atLimit:
        'the next line goes in the next datagram; a single line that is longer is left out and ' +
        'counted',
      outputKinds: ['udp'],
    },
  ),
  maxFile: key(
    'max-file-mb',
    whole({ min: 1, max: DISK_MAX_MB, unit: MIB }),
    [64 * MIB, '64'],
    'size at which the file is renamed and a new one begun',
    { outputKinds: ['file'] },
  ),
  maxFiles: key(
    'max-files',
    whole({ min: 1, max: 10_000 }),
    [10, '10'],
    'files kept, the current one included',
    { atLimit: 'the oldest is deleted', outputKinds: ['file'] },
  ),
}

export const ENDPOINT_KEYS = {
  write: key('write', text('/write'), ['', '""'], 'path of writes'),
  prometheusWrite: key(
    'write_prom',
    text('/api/v1/prom/write'),
    ['', '""'],
    'path of Prometheus remote writes',
  ),
  ping: key('ping', text('/ping'), ['', '""'], 'path of health checks'),
  query: key('query', text('/query'), ['', '""'], 'path of statements'),
}

export const FILTER_KEYS = {
  type: key('type', text(), ['', '""'], 'accepted and ignored, as in the original'),
  tagExpression: key(
    'tag-expression',
    text(),
    ['', '""'],
    'Go regular expression that a tag key of the line must match',
  ),
  measurementExpression: key(
    'measurement-expression',
    text(),
    ['', '""'],
    'Go regular expression that the measurement must match',
  ),
  outputs: key(
    'outputs',
    textList(),
    [[], '[]'],
    'names of the outputs that the filter applies to',
  ),
}
