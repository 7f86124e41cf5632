// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is the syntax of the file under
// test

// Configurations that are fine: the originals' samples, and each key with its meaning.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type {
  Config,
  HttpOutputConfig,
  LineFilter,
  OutputConfig,
  OutputDialect,
} from '../../src/config/config.ts'
import { parseConfig, renderProblem } from '../../src/config/parse-config.ts'

const files: Record<string, string> = { 'password.txt': 'from file\r\n', 'token.txt': 'tok\n' }

function parsed(text: string, variables: Record<string, string> = {}) {
  const readFile = (path: string) => {
    const content = files[path]
    assert(content !== undefined, `unexpected file ${path}`)
    return content
  }
  const result = parseConfig({ path: 'relay.toml', text }, { variables, readFile })
  if (result.kind === 'config') return result
  return assert.fail(result.problems.map((problem) => renderProblem('f', problem)).join('\n'))
}

function configOf(text: string, variables: Record<string, string> = {}): Config {
  return parsed(text, variables).config
}

/** The only output of a relay with these keys. */
function outputOf(keys: string, kind = 'http'): OutputConfig {
  const config = configOf(`[[${kind}]]\nbind-addr = ":9096"\n[[${kind}.output]]\n${keys}\n`)
  const output = [...config.http, ...config.udp][0]?.outputs[0]
  assert(output !== undefined)
  return output
}

function httpOutputOf(keys: string): HttpOutputConfig {
  const output = outputOf(keys)
  assert(output.kind === 'http')
  return output
}

test("influxdb-relay's sample means the same", () => {
  const config = configOf(`
[[http]]
name = "example-http"
bind-addr = "127.0.0.1:9096"
output = [
    { name="local1", location = "http://127.0.0.1:8086/write" },
    { name="local2", location = "http://127.0.0.1:7086/write", http-user="test", http-pass="pw" },
]

[[udp]]
name = "example-udp"
bind-addr = "127.0.0.1:9096"
read-buffer = 0 # default
output = [
    { name="local1", location="127.0.0.1:8089", mtu=512 },
    { name="local2", location="127.0.0.1:7089", mtu=1024 },
]
`)
  const [http] = config.http
  const [udp] = config.udp
  assert(http !== undefined && udp !== undefined)
  assert.equal(http.name, 'example-http')
  assert.deepEqual(http.bindAddress, { kind: 'tcp', host: '127.0.0.1', port: 9096 })
  assert.deepEqual(
    http.outputs.map((output) => [output.name, output.kind, output.location]),
    [
      ['local1', 'http', 'http://127.0.0.1:8086/write'],
      ['local2', 'http', 'http://127.0.0.1:7086/write'],
    ],
  )
  assert.deepEqual((http.outputs[1] as HttpOutputConfig).credentials, {
    kind: 'basic',
    username: 'test',
    password: 'pw',
  })
  assert.equal(udp.readBufferBytes, 0)
  assert.deepEqual(
    udp.outputs.map((output) =>
      output.kind === 'udp' ? [output.host, output.port, output.mtu] : [],
    ),
    [
      ['127.0.0.1', 8089, 512],
      ['127.0.0.1', 7089, 1024],
    ],
  )
})

test("influxdb-relay's buffered sample means the same", () => {
  const config = configOf(`
[[http]]
name = "buffered"
bind-addr = "127.0.0.1:9096"
default-retention-policy = "two_weeks"
output = [
    { name="a", location="http://127.0.0.1:8086/write", timeout="10s", buffer-size-mb = 100, max-batch-kb = 50, max-delay-interval = "5s" },
    { name="b", location="https://127.0.0.1:7086/write", skip-tls-verification = true, buffer-size-mb = 0 },
]
`)
  const [a, b] = config.http[0]?.outputs ?? []
  assert(a?.kind === 'http' && b?.kind === 'http')
  assert.equal(config.http[0]?.defaultRetentionPolicy, 'two_weeks')
  assert.equal(a.bufferBytes, 100 * 1024 * 1024)
  assert.equal(a.batchMaxBytes, 50 * 1024)
  assert.equal(a.delayMaxMs, 5000)
  assert.equal(a.timeoutMs, 10_000)
  assert.equal(b.bufferBytes, 0)
  assert.equal(b.tls.skipVerification, true)
})

test("the veepee fork's sample means the same", () => {
  const config = configOf(`
[[http]]
name = "relay"
bind-addr = "0.0.0.0:9096"
default-ping-response = 200
rate-limit = 500
burst-limit = 50
health-timeout-ms = 3000

[[http.output]]
name = "east"
location = "http://east:8086/"
endpoints = {write="/write", write_prom="/api/v1/prom/write", ping="/ping", query="/query"}
timeout = "10s"

[[http.output]]
name = "west"
location = "http://west:8086/influx"
[http.output.endpoints]
write = "/w"

[[filter]]
type = "http"
measurement-expression = "^cpu"
outputs = ["east", "west"]

[[filter]]
tag-expression = "(?i)HOST"
outputs = ["west"]
`)
  const [relay] = config.http
  assert(relay !== undefined)
  assert.equal(relay.pingStatus, 200)
  assert.deepEqual(relay.rateLimit, { perSecond: 500, burst: 50 })
  const [east, west] = relay.outputs
  assert(east?.kind === 'http' && west?.kind === 'http')
  assert.deepEqual(east.paths, {
    write: '/write',
    prometheusWrite: '/api/v1/prom/write',
    ping: '/ping',
    query: '/query',
  })
  assert.equal(west.paths.write, '/influx/w')
  assert.equal(west.paths.ping, '/influx/ping')
  const sources = (filters: readonly LineFilter[]) =>
    filters.map((filter) => [filter.tagExpression?.source, filter.measurementExpression?.source])
  assert.deepEqual(sources(east.filters), [[undefined, '^cpu']])
  assert.deepEqual(sources(west.filters), [
    [undefined, '^cpu'],
    ['(?i)HOST', undefined],
  ])
})

test('an absent key has its default', () => {
  const config = configOf(`
[[http]]
bind-addr = ":9096"
output = [ { location = "http://a:8086/write" }, { location = "file:x.lp" } ]
[[udp]]
bind-addr = ":9096"
output = [ { location = "a:8089" } ]
`)
  const credentials = undefined
  const shared = {
    bufferBytes: 67_108_864,
    batchMaxBytes: 4_194_304,
    timeoutMs: 10_000,
    delayMaxMs: 10_000,
    filters: [],
  }
  const relay = {
    logDir: undefined,
    logMaxBytes: 10_737_418_240,
    acknowledgement: 'any',
    ackTimeoutMs: 4000,
  }
  assert.deepEqual(config, {
    admin: { bindAddress: { kind: 'tcp', host: '127.0.0.1', port: 9097 }, isConfigured: false },
    maxMemoryBytes: 268_435_456,
    shutdownTimeoutMs: 8000,
    logLevel: 'info',
    logFormat: 'auto',
    http: [
      {
        ...relay,
        kind: 'http',
        name: 'http://:9096',
        bindAddress: { kind: 'tcp', host: '', port: 9096 },
        tlsPemPath: undefined,
        defaultRetentionPolicy: '',
        pingStatus: 204,
        rateLimit: undefined,
        maxBodyBytes: 25_000_000,
        maxConnections: 5000,
        influxdbVersion: '1.8.10',
        unsignedIntegers: false,
        honorsConsistency: false,
        idleTimeoutMs: 180_000,
        fastPath: true,
        outputs: [
          {
            ...shared,
            kind: 'http',
            name: 'http://a:8086/write',
            location: 'http://a:8086/write',
            origin: 'http://a:8086',
            dialect: 'v1',
            paths: {
              write: '/write',
              prometheusWrite: '/api/v1/prom/write',
              ping: '/ping',
              query: '/query',
            },
            credentials,
            gzip: false,
            missingDbGraceMs: 3_600_000,
            tls: {
              skipVerification: false,
              ca: undefined,
              cert: undefined,
              key: undefined,
              serverName: undefined,
            },
          },
          {
            ...shared,
            kind: 'file',
            name: 'file:x.lp',
            location: 'file:x.lp',
            path: 'x.lp',
            rotateBytes: 67_108_864,
            keepFiles: 10,
          },
        ],
      },
    ],
    udp: [
      {
        ...relay,
        kind: 'udp',
        name: ':9096',
        bindAddress: { kind: 'udp', host: '', port: 9096 },
        precision: 'ns',
        readBufferBytes: 0,
        database: 'udp',
        retentionPolicy: '',
        outputs: [
          {
            ...shared,
            kind: 'udp',
            name: 'a:8089',
            location: 'a:8089',
            host: 'a',
            port: 8089,
            mtu: 1024,
          },
        ],
      },
    ],
  })
})

test('every key of a relay and of the top is read, in its unit', () => {
  const config = configOf(`
max-memory-mb = 2
shutdown-timeout = "1m30s"
log-level = "DEBUG"
log-format = "json"
[admin]
bind-addr = "[::1]:80"
[[http]]
name = "h"
bind-addr = "[::]:0"
ack = "quorum"
ack-timeout = "1.5s"
max-body-mb = 3
max-connections = 4
influxdb-version = "2.7.1"
unsigned-integers = true
honor-consistency = true
idle-timeout = "90s"
log-max-mb = 5
output = [ { location = "http://a:8086/write" } ]
[[udp]]
name = "u"
bind-addr = "h:1"
precision = "u"
read-buffer = 6
database = "d"
retention-policy = "r"
ack = "all"
output = [ { location = "http://a:8086/write" } ]
`)
  const [http] = config.http
  const [udp] = config.udp
  assert(http !== undefined && udp !== undefined)
  assert.equal(config.maxMemoryBytes, 2_097_152)
  assert.equal(config.shutdownTimeoutMs, 90_000)
  assert.equal(config.logLevel, 'debug')
  assert.equal(config.logFormat, 'json')
  assert.deepEqual(config.admin, {
    bindAddress: { kind: 'tcp', host: '::1', port: 80 },
    isConfigured: true,
  })
  assert.deepEqual(http.bindAddress, { kind: 'tcp', host: '::', port: 0 })
  assert.equal(http.acknowledgement, 'quorum')
  assert.equal(http.ackTimeoutMs, 1500)
  assert.equal(http.maxBodyBytes, 3_145_728)
  assert.equal(http.maxConnections, 4)
  assert.equal(http.influxdbVersion, '2.7.1')
  assert.equal(http.unsignedIntegers, true)
  assert.equal(http.honorsConsistency, true)
  assert.equal(http.idleTimeoutMs, 90_000)
  assert.equal(http.logMaxBytes, 5_242_880)
  assert.equal(udp.precision, 'us')
  assert.equal(udp.readBufferBytes, 6)
  assert.equal(udp.database, 'd')
  assert.equal(udp.retentionPolicy, 'r')
  assert.equal(udp.acknowledgement, 'all')
  assert.equal(udp.outputs[0]?.kind, 'http')
})

test('with a log on disk an output may be as far behind as the log is long, unless it says otherwise', () => {
  const config = configOf(`
[[http]]
bind-addr = ":9096"
log-dir = "x"
log-max-mb = 5
ack = "log"
output = [
  { name = "a", location = "http://a:1" },
  { name = "b", location = "http://b:1", buffer-size-mb = 3 }
]
`)
  const [relay] = config.http
  assert.deepEqual(
    relay?.outputs.map(({ bufferBytes }) => bufferBytes),
    [5_242_880, 3_145_728],
  )
  assert.deepEqual([relay?.logDir, relay?.acknowledgement], ['x', 'log'])
})

test('every key of an output is read, in its unit', () => {
  const http = httpOutputOf(`
location = "https://a/write"
name = "n"
timeout = "500us"
gzip = true
missing-db-grace = "2h"
server-name = "db.example"
`)
  assert.equal(http.name, 'n')
  assert.equal(http.timeoutMs, 1) // rounded up: 0 would mean no time at all
  assert.equal(http.gzip, true)
  assert.equal(http.missingDbGraceMs, 7_200_000)
  assert.equal(http.tls.serverName, 'db.example')
  const file = outputOf('location = "file:/var/x.lp"\nmax-file-mb = 1\nmax-files = 2')
  assert(file.kind === 'file')
  assert.deepEqual([file.path, file.rotateBytes, file.keepFiles], ['/var/x.lp', 1_048_576, 2])
  assert.equal(outputOf('location = "udp://[::1]:5"\nmtu = 64').kind, 'udp')
})

test("values that the originals take for 'not given' are the default", () => {
  const output = outputOf('location = "http://a:1/write"\ntimeout = ""\nmax-batch-kb = 0')
  assert.equal(output.timeoutMs, 10_000)
  assert.equal(output.batchMaxBytes, 4_194_304)
  assert.equal(outputOf('location = "http://a:1/write"\ntimeout = "0s"').timeoutMs, 86_400_000)
  const udp = outputOf('location = "a:1"\nmtu = 0', 'udp')
  assert.equal(udp.kind === 'udp' && udp.mtu, 1024)
})

test('case, underscores and hyphens in keys make no difference', () => {
  const config = configOf(
    '[[HTTP]]\nBindAddr = ":1"\nMAX_BODY_MB = 1\n[[HTTP.Output]]\nLOCATION = "http://a:2/write"\nMaxBatchKB = 7',
  )
  assert.equal(config.http[0]?.maxBodyBytes, 1_048_576)
  assert.equal(config.http[0]?.outputs[0]?.batchMaxBytes, 7168)
})

test('a byte order mark and CRLF line ends are accepted', () => {
  const text =
    '\uFEFF[[http]]\r\nbind-addr = ":1"\r\noutput = [\r\n { location = "http://a:2" },\r\n]\r\n'
  assert.equal(configOf(text).http.length, 1)
})

test('default names never collide, not even with given ones', () => {
  const config = configOf(`
[[http]]
bind-addr = ":0"
output = [ { location = "http://a:1/write" }, { location = "http://a:1/write" } ]
[[http]]
bind-addr = ":0"
output = [ { location = "http://a:1/write" }, { name = "http://a:1/write", location = "http://b:1/write" } ]
[[udp]]
name = "http://:0"
bind-addr = ":0"
output = [ { location = "a:1" } ]
`)
  assert.deepEqual(
    config.http.map((relay) => relay.name),
    ['http://:0 (2)', 'http://:0 (3)'],
  )
  assert.deepEqual(
    config.http.map((relay) => relay.outputs.map((output) => output.name)),
    [
      ['http://a:1/write', 'http://a:1/write (2)'],
      ['http://a:1/write (2)', 'http://a:1/write'],
    ],
  )
})

test('the path that writes go to tells the dialect of an output', () => {
  const check = (location: string, endpoints: string, expected: OutputDialect) => {
    const keys = `location = "${location}"\nendpoints = { ${endpoints} }`
    assert.equal(httpOutputOf(keys).dialect, expected, keys)
  }
  check('http://a:8086', '', 'v1')
  check('http://a:8086/write', '', 'v1')
  check('http://a:8086/api/v2/write', '', 'v2')
  check('http://a:8086/influx/api/v2/write?org=o', '', 'v2')
  check('http://a:8086', 'write = "/api/v2/write"', 'v2')
  check('http://a:8181/api/v3/write_lp', '', 'v3')
  check('http://a:8181/write?x=/api/v3/write_lp', '', 'v1')
  check('http://a:8181/api/v2/write/more', '', 'v1')
})

test('a location of either style leads to the four paths', () => {
  const check = (location: string, endpoints: string, expected: readonly string[]) => {
    const keys = `location = "${location}"\nendpoints = { ${endpoints} }`
    const { paths, origin } = httpOutputOf(keys)
    const { write, prometheusWrite, ping, query } = paths
    assert.deepEqual([origin, write, prometheusWrite, ping, query], expected, keys)
  }
  const plain = ['/write', '/api/v1/prom/write', '/ping', '/query']
  check('http://a:8086/write', '', ['http://a:8086', ...plain])
  check('http://a:8086', '', ['http://a:8086', ...plain])
  check('http://a:8086/', '', ['http://a:8086', ...plain])
  check('https://A.example/write', '', ['https://a.example', ...plain])
  check('http://[::1]:8086/write', '', ['http://[::1]:8086', ...plain])
  check('http://a:1/x/write', '', [
    'http://a:1',
    '/x/write',
    '/x/api/v1/prom/write',
    '/x/ping',
    '/x/query',
  ])
  check('http://a:1/api/v2/write', '', [
    'http://a:1',
    '/api/v2/write',
    '/api/v1/prom/write',
    '/ping',
    '/query',
  ])
  check('http://a:1/collect', '', [
    'http://a:1',
    '/collect',
    '/api/v1/prom/write',
    '/ping',
    '/query',
  ])
  check('http://a:1/write?node=1', '', [
    'http://a:1',
    '/write?node=1',
    '/api/v1/prom/write?node=1',
    '/ping?node=1',
    '/query?node=1',
  ])
  check('http://a:1', 'write = "/w"', ['http://a:1', '/w', '/api/v1/prom/write', '/ping', '/query'])
  check('http://a:1/', 'write = "w?x=1"', [
    'http://a:1',
    '/w?x=1',
    '/api/v1/prom/write',
    '/ping',
    '/query',
  ])
  check('http://a:1/b/?n=1', 'write = "/w?x=1", query = "/q"', [
    'http://a:1',
    '/b/w?x=1&n=1',
    '/b/api/v1/prom/write?n=1',
    '/b/ping?n=1',
    '/b/q?n=1',
  ])
})

test("an output's own credentials come from keys, files or the location, and leave it", () => {
  const check = (keys: string, expected: HttpOutputConfig['credentials']) =>
    assert.deepEqual(httpOutputOf(keys).credentials, expected, keys)

  const location = 'location = "http://a:1/write"'
  check(location, undefined)
  const basic = (password: string) => ({ kind: 'basic' as const, username: 'u', password })
  check(`${location}\nusername = "u"\npassword = "p"`, basic('p'))
  check(`${location}\nusername = "u"\npassword-file = "password.txt"`, basic('from file'))
  check(`${location}\nusername = "u"`, basic(''))
  check(`${location}\ntoken = "t"`, { kind: 'token', token: 't' })
  check(`${location}\ntoken-file = "token.txt"`, { kind: 'token', token: 'tok' })
  check('location = "http://u:p%40:x@a:1/write"', basic('p@:x'))
  assert.equal(httpOutputOf('location = "http://u:p@a:1/write"').location, 'http://a:1/write')
  const inQuery = httpOutputOf('location = "http://a:1/write?u=me&p=se%20cret&node=1"')
  assert.equal(inQuery.location, 'http://a:1/write?u=(hidden)&p=(hidden)&node=1')
  assert.deepEqual(inQuery.credentials, { ...basic('se cret'), username: 'me' })
  assert.equal(inQuery.paths.write, '/write?node=1')
})

test('variables are replaced in values of the file', () => {
  const check = (value: string, expected: string) => {
    const text = `[[http]]\nname = '${value}'\nbind-addr = ":1"\noutput = [ { location = "http://a:2" } ]`
    const variables = { HOST: 'h1', EMPTY: '', NESTED: '${HOST}' }
    assert.equal(configOf(text, variables).http[0]?.name, expected, value)
  }
  check('relay-${HOST}', 'relay-h1')
  check('${HOST}${HOST}', 'h1h1')
  check('${NOT_SET:-x y}', 'x y')
  check('${EMPTY:-x}', 'x')
  check('a${NOT_SET:-}', 'a')
  check('a${EMPTY}', 'a')
  check('${NESTED}', '${HOST}')
  check('$${HOST} $HOST $', '${HOST} $HOST $')
})

test('a RELAY_ variable takes the place of its key, and stray ones are warned of', () => {
  const text = '[[http]]\nbind-addr = "nonsense"\noutput = [ { location = "nonsense" } ]'
  const { config, warnings } = parsed(text, {
    RELAY_CONFIG: 'relay.toml',
    RELAY_HTTP_0_BIND_ADDR: ':9',
    RELAY_HTTP_0_OUTPUT_0_LOCATION: 'http://b:1',
    RELAY_HTTP_0_OUTPUT_0_TIMEOUT: '3s',
    RELAY_HTTP_0_OUTPUT_0_GZIP: 'true',
    RELAY_HTTP_0_OUTPUT_0_ENDPOINTS_PING: '/alive',
    RELAY_HTTP_0_MAX_BODY_MB: '7',
    RELAY_HTTP_0_MAX_CONNECTIONS: '',
    RELAY_ADMIN_BIND_ADDR: '',
    RELAY_MAX_MEMORY_MB: '512',
    RELAY_HTTP_0_OUTPUT_0_ENDPOINTS: '{}',
    RELAY_HTTP_1_NAME: 'nobody',
    RELAY_PORT: 'tcp://10.0.0.1:9096',
    RELAYS: 'not ours',
  })
  const output = config.http[0]?.outputs[0]
  assert(output?.kind === 'http')
  assert.deepEqual(config.http[0]?.bindAddress, { kind: 'tcp', host: '', port: 9 })
  assert.equal(output.origin, 'http://b:1')
  assert.equal(output.paths.ping, '/alive')
  assert.equal(output.timeoutMs, 3000)
  assert.equal(output.gzip, true)
  assert.equal(config.http[0]?.maxBodyBytes, 7 * 1_048_576)
  assert.equal(config.http[0]?.maxConnections, 5000)
  assert.deepEqual(config.admin, { bindAddress: undefined, isConfigured: true })
  assert.equal(config.maxMemoryBytes, 536_870_912)
  assert.deepEqual(warnings, [
    'environment variable RELAY_HTTP_0_OUTPUT_0_ENDPOINTS matches no key of the configuration; ignored',
    'environment variable RELAY_HTTP_1_NAME matches no key of the configuration; ignored',
    'environment variable RELAY_PORT matches no key of the configuration; ignored',
  ])
})

test('an output on the port of a relay elsewhere, or of the other protocol, is fine', () => {
  const ok = (bind: string, kind: string, location: string) =>
    assert.doesNotThrow(() =>
      configOf(`[[${kind}]]\nbind-addr = "${bind}"\noutput = [ { location = "${location}" } ]`),
    )
  ok(':9096', 'http', 'http://other:9096/write')
  ok(':9096', 'http', 'udp://localhost:9096')
  ok(':9096', 'udp', 'http://localhost:9096/write')
  ok('10.0.0.1:9096', 'http', 'http://localhost:9096/write')
  ok(':0', 'http', 'http://localhost:1/write')
})
