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
/** The shortest line with a timestamp, `m v=1 1` and its line end: below it nothing fits. */
const MTU_MIN = 8
/** The largest number that a datagram's length is written in; parse-output.ts takes less of it. */
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
    'where to: "http://host:8086/write", "udp://host:8089" (plain in [[udp]]) or "file:path"',
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
    'backlog kept for this output (with log-dir: log-max-mb, when not given); 0 = one attempt ' +
      'for each write, as in influxdb-relay',
    { atLimit: 'the oldest writes that another output has are dropped, counted and logged' },
  ),
  maxBatch: key(
    'max-batch-kb',
    whole({ min: 0, max: BATCH_MAX_KB, unit: KIB, zeroIsDefault: true }),
    [4096 * KIB, '4096'],
    'largest request that several writes are merged into; a larger single write goes alone',
    { atLimit: 'the next request begins' },
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
  password: key('password', text(), ['', '""'], 'its password', {
    ...HTTP_ONLY,
    aliases: ['http-pass'],
    isSecret: true,
  }),
  passwordFile: key('password-file', text(), ['', '""'], 'file to read it from', HTTP_ONLY),
  token: key('token', text(), ['', '""'], "the output's own token, for InfluxDB 2 and 3", {
    ...HTTP_ONLY,
    isSecret: true,
  }),
  tokenFile: key('token-file', text(), ['', '""'], 'file to read it from', HTTP_ONLY),
  gzip: key('gzip', flag(), [false, 'false'], 'compress requests to this output', HTTP_ONLY),
  missingDbGrace: key(
    'missing-db-grace',
    duration({ minMs: 0, maxMs: 24 * WAIT_MAX_MS }),
    [HOUR_MS, '"1h"'],
    'how long writes wait for a database that only this output lacks',
    { ...HTTP_ONLY, atLimit: 'they are set aside, counted and logged' },
  ),
  skipVerification: key(
    'skip-tls-verification',
    flag(),
    [false, 'false'],
    "do not check the output's certificate; for tests only",
    HTTP_ONLY,
  ),
  caCert: key('ca-cert', text(), ['', '""'], 'PEM file of the authority to trust', HTTP_ONLY),
  clientCert: key('client-cert', text(), ['', '""'], 'PEM file shown to the output', HTTP_ONLY),
  clientKey: key('client-key', text(), ['', '""'], 'PEM file of its key', HTTP_ONLY),
  serverName: key(
    'server-name',
    text(),
    ['', '""'],
    "name that the output's certificate must have, where it is not the location's host",
    HTTP_ONLY,
  ),
  mtu: key(
    'mtu',
    whole({ min: MTU_MIN, max: MTU_MAX, zeroIsDefault: true }),
    [1024, '1024'],
    'largest payload of a datagram, bytes; from 65507 on it is that, the most there is',
    {
      atLimit: 'the next datagram begins; a single line that is longer is left out and counted',
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
  type: key('type', text(), ['', '""'], 'read and not used, as in the original'),
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
  outputs: key('outputs', textList(), [[], '[]'], 'names of the outputs that it applies to'),
}
