// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is the syntax of the file under
// test

// Every class of broken configuration, with the exact words the operator reads.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseConfig, renderProblem } from '../../src/config/parse-config.ts'

const files: Record<string, string> = {
  'empty.txt': '\n',
  'two-lines.txt': 'a\nb\n',
  'not.pem': 'hello',
  'cert.pem': readFileSync(new URL('../support/pem/ec.crt', import.meta.url), 'utf8'),
  'key.pem': '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
}

function readFile(path: string): string {
  const text = files[path]
  return text ?? readFileSync(`/nonexistent/${path}`, 'utf8')
}

function problemsOf(text: string, variables: Record<string, string> = {}): readonly string[] {
  const parsed = parseConfig({ path: 'relay.toml', text }, { variables, readFile })
  if (parsed.kind === 'config') return []
  return parsed.problems.map((problem) => renderProblem('relay.toml', problem))
}

function check(
  text: string,
  expected: readonly string[],
  variables?: Record<string, string>,
): void {
  assert.deepEqual(problemsOf(text, variables), expected, text)
}

/** A relay that is fine but for `keys`, which begin on line 3. */
const http = (keys: string) =>
  `[[http]]\nbind-addr = ":9096"\n${keys}\noutput = [ { location = "http://a:8086/write" } ]\n`
/** An output that is fine but for `keys`, which begin on line 5. */
const output = (keys: string) =>
  `[[http]]\nbind-addr = ":9096"\n[[http.output]]\nlocation = "http://a:8086/write"\n${keys}\n`
/** A relay whose only output has this location, on line 4. */
const location = (text: string, kind = 'http') =>
  `[[${kind}]]\nbind-addr = ":9096"\n[[${kind}.output]]\nlocation = "${text}"\n`

test('text that is not TOML is placed by line and column, and the likely cause named', () => {
  check('bind-addr = = 1', [
    'relay.toml:1: column 13: Unexpected character, expecting string, number, datetime, boolean, inline array or inline table',
  ])
  check('[[http]]\n  name = "a', ['relay.toml:2: column 13: Unterminated string'])
  check('\uFEFFa b', ['relay.toml:1: column 3: Invalid character, expected "="'])
  check(output('timeout = 10s'), ['relay.toml:5: column 13: durations are quoted: "10s"'])
  check('[[http]]\noutput = [ { location = "x", timeout = 1m30s } ]', [
    'relay.toml:2: column 41: durations are quoted: "1m30s"',
  ])
  check('[[http]]\noutput = [ { location = "x", } ]', [
    'relay.toml:2: column 30: there must be no comma before the closing }',
  ])
  check('[[http]]\noutput = [ { location = "x",\n name = "b" } ]', [
    'relay.toml:2: column 29: a table in { } must end on its first line, without a comma or comment before the }',
  ])
  check('[[http]]\nname = relay', ['relay.toml:2: column 8: text is quoted: key = "value"'])
  check('[http]\n[http]', ['relay.toml:2: column 6: the key or table is given a second time'])
  check('a = 1\na = 2', ['relay.toml:2: column 6: the key or table is given a second time'])
  check('[constructor]\nx = 1', ['relay.toml:1: there is no key "constructor"; remove it'])
  check('a.__proto__.b = 1', ['relay.toml:1: there is no key "__proto__"; remove it'])
  check('[[http]]\nbind-addr = 127.0.0.1:9096', [
    'relay.toml:2: column 18: text is quoted: key = "value"',
  ])
  check('[[http', ['relay.toml:1: column 8: the line ends too early'])
})

test('a file without relays is refused', () => {
  check('', ['relay.toml: there is no relay; add [[http]] or [[udp]] with bind-addr and output'])
  check('\n# nothing\n', [
    'relay.toml: there is no relay; add [[http]] or [[udp]] with bind-addr and output',
  ])
  check('log-level = "debug"', [
    'relay.toml: there is no relay; add [[http]] or [[udp]] with bind-addr and output',
  ])
  check('http = []', [
    'relay.toml: there is no relay; add [[http]] or [[udp]] with bind-addr and output',
  ])
})

test('unknown keys are named with the one that was probably meant', () => {
  check('[[htpp]]\nbind-addr = ":1"', [
    'relay.toml:1: htpp: unknown key; did you mean "http"?',
    'relay.toml: there is no relay; add [[http]] or [[udp]] with bind-addr and output',
  ])
  check(http('max-conections = 5'), [
    'relay.toml:3: http[0].max-conections: unknown key; did you mean "max-connections"?',
  ])
  check(http('bindaddress = ":1"'), [
    'relay.toml:3: http[0].bindaddress: unknown key; did you mean "bind-addr"?',
  ])
  check(http('colour = "red"'), ['relay.toml:3: http[0].colour: unknown key; remove it'])
  check(output('buffer-size = 1'), [
    'relay.toml:5: http[0].output[0].buffer-size: unknown key; did you mean "buffer-size-mb"?',
  ])
  check(output('mtuu = 1'), [
    'relay.toml:5: http[0].output[0].mtuu: unknown key; did you mean "mtu"?',
  ])
  check(output('endpoints = { wirte = "/write" }'), [
    'relay.toml:5: http[0].output[0].endpoints.wirte: unknown key; did you mean "write"?',
  ])
  check(`[admin]\nbind_adr = ":1"\n${http('')}`, [
    'relay.toml:2: admin.bind_adr: unknown key; did you mean "bind-addr"?',
  ])
  check(http('"a b\\nc" = 1'), ['relay.toml:1: http[0]."a b\\nc": unknown key; remove it'])
  check(http('"toString" = 1'), ['relay.toml:3: there is no key "toString"; remove it'])
})

test('a key that is given in two spellings is refused', () => {
  check(http('BindAddr = ":1"'), [
    'relay.toml:2: http[0].BindAddr: given twice; remove one of the two "bind-addr"',
  ])
  check(output('max_batch_kb = 1\nmaxbatchkb = 2'), [
    'relay.toml:5: http[0].output[0].maxbatchkb: given twice; remove one of the two "max-batch-kb"',
  ])
  check(output('http-user = "a"\nusername = "b"'), [
    'relay.toml:6: http[0].output[0].username: given twice; remove one of the two "username"',
  ])
})

test('values of the wrong type say what they must be', () => {
  check(http('name = 5'), ['relay.toml:3: http[0].name: must be text in quotes, got 5'])
  check(http('unsigned-integers = "yes"'), [
    'relay.toml:3: http[0].unsigned-integers: must be true or false, got "yes"',
  ])
  check(http('max-connections = "5"'), [
    'relay.toml:3: http[0].max-connections: must be a whole number from 1 to 1000000 without quotes, got "5"',
  ])
  check(http('ack = true'), [
    'relay.toml:3: http[0].ack: must be one of "any", "quorum", "all", "log"; got true',
  ])
  check(output('timeout = true'), [
    'relay.toml:5: http[0].output[0].timeout: must be a duration in quotes, got true; e.g. "10s"',
  ])
  check(output('endpoints = "/write"'), [
    'relay.toml:5: http[0].output[0].endpoints: must be a table such as { write = "/write" }, got "/write"',
  ])
  check('http = 5', ['relay.toml:1: http: must be a list of tables, got 5'])
  check('[http]\nbind-addr = ":1"', [
    'relay.toml:1: http: must be a list of tables, got one table; write [[http]] in double brackets',
  ])
  check('[[http]]\nbind-addr = ":9096"\noutput = { location = "http://a:1/write" }', [
    'relay.toml:3: http[0].output: must be a list of tables, got one table; write [[http.output]] in double brackets',
  ])
  check('[[http]]\nbind-addr = ":9096"\noutput = [ "http://a:1/write" ]', [
    'relay.toml:3: http[0].output[0]: must be a table { … }, got "http://a:1/write"',
  ])
  check(`admin = 1\n${http('')}`, ['relay.toml:1: admin: must be a table, got 1'])
  check(`[[admin]]\n${http('')}`, [
    'relay.toml:1: admin: must be a table, got a list; write [admin] in single brackets',
  ])
  check(http('name = 1979-05-27'), [
    'relay.toml:3: http[0].name: must be text in quotes, got a date',
  ])
  check(http('max-connections = 1979-05-27T07:32:00Z'), [
    'relay.toml:3: http[0].max-connections: must be a whole number from 1 to 1000000 without quotes, got a date',
  ])
  check(http('name = [1]'), ['relay.toml:3: http[0].name: must be text in quotes, got a list'])
  check(http('name = "a\\nb"'), [
    'relay.toml:3: http[0].name: must not hold line breaks or control characters',
  ])
})

test("durations must be Go's, quoted and within limits", () => {
  check(output('timeout = 10'), [
    'relay.toml:5: http[0].output[0].timeout: must be a duration in quotes, got 10; for seconds write "10s"',
  ])
  check(output('timeout = "10"'), [
    'relay.toml:5: http[0].output[0].timeout: is not a duration: "10"; a unit is missing, write "10s"',
  ])
  check(output('timeout = "10 s"'), [
    'relay.toml:5: http[0].output[0].timeout: is not a duration: "10 s"; write "10s"',
  ])
  check(output('timeout = "-1s"'), [
    'relay.toml:5: http[0].output[0].timeout: must not be negative, got "-1s"',
  ])
  check(output('timeout = "1d"'), [
    'relay.toml:5: http[0].output[0].timeout: is not a duration: "1d"; write numbers with units ns, us, ms, s, m or h, e.g. "10s" or "1m30s"',
  ])
  check(output('timeout = "25h"'), [
    'relay.toml:5: http[0].output[0].timeout: must be from "1ms" to "24h", got "25h"',
  ])
  check(output('timeout = "3000000h"'), [
    'relay.toml:5: http[0].output[0].timeout: is not a duration: "3000000h"; it is too long',
  ])
  check(output('timeout = "soon"'), [
    'relay.toml:5: http[0].output[0].timeout: is not a duration: "soon"; write numbers with units ns, us, ms, s, m or h, e.g. "10s" or "1m30s"',
  ])
  check(output('timeout = inf'), [
    'relay.toml:5: http[0].output[0].timeout: must be a duration in quotes, got inf; for seconds write "10s"',
  ])
  check(output('max-delay-interval = "0s"'), [
    'relay.toml:5: http[0].output[0].max-delay-interval: must be from "1ms" to "24h", got "0s"',
  ])
  check(http('ack-timeout = "0s"'), [
    'relay.toml:3: http[0].ack-timeout: must be from "1ms" to "24h", got "0s"',
  ])
  check(`shutdown-timeout = 5\n${http('')}`, [
    'relay.toml:1: shutdown-timeout: must be a duration in quotes, got 5; for seconds write "5s"',
  ])
})

test('sizes and counts must be whole and within limits', () => {
  check(output('buffer-size-mb = -1'), [
    'relay.toml:5: http[0].output[0].buffer-size-mb: must be a whole number from 0 to 1048576, got -1',
  ])
  check(output('buffer-size-mb = 1.5'), [
    'relay.toml:5: http[0].output[0].buffer-size-mb: must be a whole number from 0 to 1048576, got 1.5',
  ])
  check(output('buffer-size-mb = 99999999'), [
    'relay.toml:5: http[0].output[0].buffer-size-mb: must be a whole number from 0 to 1048576, got 99999999',
  ])
  check(output('max-batch-kb = -512'), [
    'relay.toml:5: http[0].output[0].max-batch-kb: must be a whole number from 0 to 1048576, got -512',
  ])
  check(output('max-batch-kb = 9007199254740993'), [
    'relay.toml:5: http[0].output[0].max-batch-kb: must be a whole number from 0 to 1048576, got a number beyond 2^53',
  ])
  check(output('max-batch-kb = 99999999999999999999999'), [
    'relay.toml:5: http[0].output[0].max-batch-kb: must be a whole number from 0 to 1048576, got a number beyond 2^53',
  ])
  check(output('buffer-size-mb = nan'), [
    'relay.toml:5: http[0].output[0].buffer-size-mb: must be a whole number from 0 to 1048576, got nan',
  ])
  check(output('buffer-size-mb = -inf'), [
    'relay.toml:5: http[0].output[0].buffer-size-mb: must be a whole number from 0 to 1048576, got -inf',
  ])
  check(http('max-body-mb = 0'), [
    'relay.toml:3: http[0].max-body-mb: must be a whole number from 1 to 1024, got 0',
  ])
  check(http('default-ping-response = 99'), [
    'relay.toml:3: http[0].default-ping-response: must be a whole number from 200 to 599, got 99',
  ])
  check(http('health-timeout-ms = -1'), [
    'relay.toml:3: http[0].health-timeout-ms: must be a whole number from 0 to 86400000, got -1',
  ])
  check(http('rate-limit = -1'), [
    'relay.toml:3: http[0].rate-limit: must be a whole number from 0 to 1000000000, got -1',
  ])
  check(`max-memory-mb = 0\n${http('')}`, [
    'relay.toml:1: max-memory-mb: must be a whole number from 1 to 1048576, got 0',
  ])
  check(
    '[[udp]]\nbind-addr = ":1"\nread-buffer = -1\noutput = [ { location = "a:1", mtu = 70000 } ]',
    [
      'relay.toml:3: udp[0].read-buffer: must be a whole number from 0 to 2147483647, got -1',
      'relay.toml:4: udp[0].output[0].mtu: must be a whole number from 8 to 65535, got 70000',
    ],
  )
})

test('words must be ones that are known', () => {
  check(`log-level = "loud"\nlog-format = "xml"\n${http('')}`, [
    'relay.toml:1: log-level: must be one of "debug", "info", "warn", "error"; got "loud"',
    'relay.toml:2: log-format: must be one of "auto", "json", "text"; got "xml"',
  ])
  check(http('ack = "most"'), [
    'relay.toml:3: http[0].ack: must be one of "any", "quorum", "all", "log"; got "most"',
  ])
  check('[[udp]]\nbind-addr = ":1"\nprecision = "days"\noutput = [ { location = "a:1" } ]', [
    'relay.toml:3: udp[0].precision: must be one of "ns", "us", "ms", "s", "m", "h", "n", "u", ""; got "days"',
  ])
  check(http('influxdb-version = "1.8\\u0020x"'), [
    'relay.toml:3: http[0].influxdb-version: must be a version such as "1.8.10": letters, digits, dots, + and -',
  ])
})

test('addresses to listen on', () => {
  check('[[http]]\noutput = [ { location = "http://a:1/write" } ]', [
    'relay.toml:1: http[0].bind-addr: is missing; say where to listen, e.g. "127.0.0.1:9096"',
  ])
  check('[[http]]\nbind-addr = ""\noutput = [ { location = "http://a:1/write" } ]', [
    'relay.toml:2: http[0].bind-addr: is missing; say where to listen, e.g. "127.0.0.1:9096"',
  ])
  check('[[http]]\nbind-addr = "9096"\noutput = [ { location = "http://a:1/write" } ]', [
    'relay.toml:2: http[0].bind-addr: must be "host:port", got "9096"; write ":9096"',
  ])
  check('[[http]]\nbind-addr = "localhost"\noutput = [ { location = "http://a:1/write" } ]', [
    'relay.toml:2: http[0].bind-addr: has no port; write "host:port"',
  ])
  check(
    '[[http]]\nbind-addr = "http://localhost:9096"\noutput = [ { location = "http://a:1/write" } ]',
    ['relay.toml:2: http[0].bind-addr: must be "host:port" without a scheme and a path'],
  )
  check('[[http]]\nbind-addr = "::1:9096"\noutput = [ { location = "http://a:1/write" } ]', [
    'relay.toml:2: http[0].bind-addr: is no "host:port"; an IPv6 address stands in brackets, "[::1]:9096"',
  ])
  check('[[http]]\nbind-addr = ":70000"\noutput = [ { location = "http://a:1/write" } ]', [
    'relay.toml:2: http[0].bind-addr: has port 70000; ports go from 0 to 65535',
  ])
  check('[[http]]\nbind-addr = "a b:1"\noutput = [ { location = "http://a:1/write" } ]', [
    'relay.toml:2: http[0].bind-addr: must be "host:port", e.g. "127.0.0.1:9096" or ":9096"',
  ])
  check('[[http]]\nbind-addr = "host:port"\noutput = [ { location = "http://a:1/write" } ]', [
    'relay.toml:2: http[0].bind-addr: has port "port", which names no service; write a number',
  ])
  check(`[admin]\nbind-addr = "9097"\n${http('')}`, [
    'relay.toml:2: admin.bind-addr: must be "host:port", got "9097"; write ":9097"',
  ])
})

test('relays must not share a name or an address', () => {
  check(`${http('name = "a"')}${http('name = "a"').replace('9096', '9098')}`, [
    'relay.toml:7: http[1].name: "a" is also http[0].name (line 3); give each a name of its own',
  ])
  check(
    `${http('name = "a"')}[[udp]]\nname = "a"\nbind-addr = ":9096"\noutput = [ { location = "b:1" } ]`,
    ['relay.toml:6: udp[0].name: "a" is also http[0].name (line 3); give each a name of its own'],
  )
  check(`${http('')}${http('')}`, [
    'relay.toml:6: http[1].bind-addr: :9096 is taken by http[0].bind-addr (line 2); give each a port of its own',
  ])
  check(`${http('')}${http('').replace(':9096', '127.0.0.1:9096')}`, [
    'relay.toml:6: http[1].bind-addr: 127.0.0.1:9096 is taken by http[0].bind-addr (line 2); give each a port of its own',
  ])
  check(
    `${http('').replace(':9096', 'localhost:9096')}${http('').replace(':9096', '127.0.0.1:9096')}`,
    [
      'relay.toml:6: http[1].bind-addr: 127.0.0.1:9096 is taken by http[0].bind-addr (line 2); give each a port of its own',
    ],
  )
  check(`[admin]\nbind-addr = "[::]:9096"\n${http('')}`, [
    'relay.toml:2: admin.bind-addr: [::]:9096 is taken by http[0].bind-addr (line 4); give each a port of its own',
  ])
})

test('outputs of a relay must not share a name, or any two a file', () => {
  check(
    '[[http]]\nbind-addr = ":9096"\noutput = [\n { name = "a", location = "http://a:1/write" },\n { name = "a", location = "http://b:1/write" },\n]',
    [
      'relay.toml:5: http[0].output[1].name: "a" is also http[0].output[0].name (line 4); give each a name of its own',
    ],
  )
  check(
    '[[http]]\nbind-addr = ":9096"\noutput = [\n { location = "file:x/a.lp" },\n { location = "file:x/../x/a.lp" },\n]',
    [
      'relay.toml:5: http[0].output[1].location: the same file as http[0].output[0].location (line 4); give each output a file of its own',
    ],
  )
})

test('a relay needs outputs', () => {
  check('[[http]]\nbind-addr = ":9096"', [
    'relay.toml:1: http[0].output: there is none, so every write would be lost; add [[http.output]]',
  ])
  check('[[udp]]\nbind-addr = ":9096"\noutput = []', [
    'relay.toml:3: udp[0].output: there is none, so every write would be lost; add [[udp.output]]',
  ])
  check('[[http]]\nbind-addr = ":9096"\n[[http.outputs]]\nlocation = "http://a:1"', [
    'relay.toml:1: http[0].output: there is none, so every write would be lost; add [[http.output]]',
    'relay.toml:3: http[0].outputs: unknown key; did you mean "output"?',
  ])
  check('[[http]]\nbind-addr = ":9096"\noutput = [ { name = "a" } ]', [
    'relay.toml:3: http[0].output[0].location: is missing; say where to send, e.g. "http://127.0.0.1:8086/write"',
  ])
})

test('an output must not be the relay itself', () => {
  check(location('http://localhost:9096/write'), [
    'relay.toml:4: http[0].output[0].location: is this relay itself (http[0]); its writes would go in circles',
  ])
  check(location('http://127.0.0.1:9096/write'), [
    'relay.toml:4: http[0].output[0].location: is this relay itself (http[0]); its writes would go in circles',
  ])
  check(location('http://0.0.0.0:9096/write'), [
    'relay.toml:4: http[0].output[0].location: is this relay itself (http[0]); its writes would go in circles',
  ])
  check(location('http://[::1]:9096/write'), [
    'relay.toml:4: http[0].output[0].location: is this relay itself (http[0]); its writes would go in circles',
  ])
  check(location('http://127.1:9096/write'), [
    'relay.toml:4: http[0].output[0].location: is this relay itself (http[0]); its writes would go in circles',
  ])
  check(location('localhost:9096', 'udp'), [
    'relay.toml:4: udp[0].output[0].location: is this relay itself (udp[0]); its writes would go in circles',
  ])
  check(location('http://localhost:9096/write').replace(':9096"\n', '127.0.0.1:9096"\n'), [
    'relay.toml:4: http[0].output[0].location: is this relay itself (http[0]); its writes would go in circles',
  ])
  check(location('http://relay.example:9096/write').replace('":9096"', '"relay.example:9096"'), [
    'relay.toml:4: http[0].output[0].location: is this relay itself (http[0]); its writes would go in circles',
  ])
})

test('locations must be of a known kind and complete', () => {
  check(location('a:8086'), [
    'relay.toml:4: http[0].output[0].location: has no scheme: "a:8086"; write "http://a:8086"',
  ])
  check(location('ftp://a/b'), [
    'relay.toml:4: http[0].output[0].location: has the unknown scheme "ftp:"; write http://, https://, udp:// or file:',
  ])
  check(location('http:///write'), [
    'relay.toml:4: http[0].output[0].location: has no host: "http:///write"; write "http://127.0.0.1:8086/write"',
  ])
  check(location('http://:8086/write'), [
    'relay.toml:4: http[0].output[0].location: has no host: "http://:8086/write"; write "http://127.0.0.1:8086/write"',
  ])
  check(location('http://a:0/write'), [
    'relay.toml:4: http[0].output[0].location: has port "0"; ports go from 1 to 65535',
  ])
  check(location('http://a:70000/write'), [
    'relay.toml:4: http[0].output[0].location: has port "70000"; ports go from 1 to 65535',
  ])
  check(location('http://a:port/write'), [
    'relay.toml:4: http[0].output[0].location: has port "port"; ports go from 1 to 65535',
  ])
  check(location('http://a b/write'), [
    'relay.toml:4: http[0].output[0].location: is not a URL: "http://a b/write"',
  ])
  check(location('http://a/write#x'), [
    'relay.toml:4: http[0].output[0].location: has a "#", which servers never see: "http://a/write#x"',
  ])
  check(location('http://user:100%@a/write'), [
    'relay.toml:4: http[0].output[0].location: has a user or password with a "%" that is no escape; write "%25" for it',
  ])
  check(location('user:secret@a:8086'), [
    'relay.toml:4: http[0].output[0].location: has no scheme: "(hidden)@a:8086"; write "http://(hidden)@a:8086"',
  ])
  check(location('udp://a'), [
    'relay.toml:4: http[0].output[0].location: is no "host:port": "udp://a"; write "127.0.0.1:8089"',
  ])
  check(location('udp://:8089'), [
    'relay.toml:4: http[0].output[0].location: has no host: "udp://:8089"; write "127.0.0.1:8089"',
  ])
  check(location('udp://a:8089/x'), [
    'relay.toml:4: http[0].output[0].location: is no "host:port": "udp://a:8089/x"; write "127.0.0.1:8089"',
  ])
  check(location('file:'), [
    'relay.toml:4: http[0].output[0].location: names no file; write "file:folder/name"',
  ])
  check(location('file:folder/'), [
    'relay.toml:4: http[0].output[0].location: names no file; write "file:folder/name"',
  ])
  check(location('file://host/a.lp'), [
    'relay.toml:4: http[0].output[0].location: names a host: "file://host/a.lp"; write "file:folder/name" or "file:///folder/name"',
  ])
  check(location('mailto:a@b'), [
    'relay.toml:4: http[0].output[0].location: has no scheme: "(hidden)@b"; write "http://(hidden)@b"',
  ])
  check(location('http:/a:80'), [
    'relay.toml:4: http[0].output[0].location: is not a URL: "http:/a:80"; write "http://host:8086/write"',
  ])
  check(location('8089', 'udp'), [
    'relay.toml:4: udp[0].output[0].location: is no "host:port": "8089"; write "127.0.0.1:8089"',
  ])
})

test('a key that would be ignored is refused', () => {
  check(output('mtu = 512'), [
    'relay.toml:5: http[0].output[0].mtu: has no meaning for an HTTP output, only for a UDP output; remove it',
  ])
  check(output('max-files = 2'), [
    'relay.toml:5: http[0].output[0].max-files: has no meaning for an HTTP output, only for a file output; remove it',
  ])
  check(
    '[[udp]]\nbind-addr = ":1"\noutput = [ { location = "a:1", gzip = true, password-file = "x" } ]',
    [
      'relay.toml:3: udp[0].output[0].password-file: has no meaning for a UDP output, only for an HTTP output; remove it',
      'relay.toml:3: udp[0].output[0].gzip: has no meaning for a UDP output, only for an HTTP output; remove it',
    ],
  )
  check(
    '[[http]]\nbind-addr = ":1"\noutput = [ { location = "file:a", timeout = "1s", token = "secret" } ]',
    [
      'relay.toml:3: http[0].output[0].token: has no meaning for a file output, only for an HTTP output; remove it',
    ],
  )
})

test('credentials are complete, given once, and never shown', () => {
  check(output('password = "secret"'), [
    'relay.toml:5: http[0].output[0].password: a password without a username; add username',
  ])
  check(output('password-file = "missing.txt"\nusername = "a"'), [
    'relay.toml:5: http[0].output[0].password-file: the file "missing.txt" does not exist',
  ])
  check(output('username = "a"\npassword = "secret"\npassword-file = "two-lines.txt"'), [
    'relay.toml:7: http[0].output[0].password-file: both password and password-file are given; keep one',
    'relay.toml:7: http[0].output[0].password-file: the file "two-lines.txt" holds more than one line',
  ])
  check(output('token-file = "empty.txt"'), [
    'relay.toml:5: http[0].output[0].token-file: the file "empty.txt" is empty',
  ])
  check(output('token = "secret"\nusername = "a"'), [
    'relay.toml:5: http[0].output[0].token: more than one of username, token and user:password@ in location; keep one',
  ])
  check(`${location('http://user:secret@a:1/write')}token = "secret"\n`, [
    'relay.toml:5: http[0].output[0].token: more than one of username, token and user:password@ in location; keep one',
  ])
  check(location('http://a:1/write?u=%ff&p=secret'), [
    'relay.toml:4: http[0].output[0].location: has a user or password that is not UTF-8; give it as username and password',
  ])
  check(output('password = 12345\nusername = "a"'), [
    'relay.toml:5: http[0].output[0].password: must be text in quotes, got (hidden)',
  ])
  check(output('token = ["secret"]'), [
    'relay.toml:5: http[0].output[0].token: must be text in quotes, got (hidden)',
  ])
  check(location('https://user:se/cr/et@:99999/write'), [
    'relay.toml:4: http[0].output[0].location: has no host: "https://(hidden)@:99999/write"; write "http://127.0.0.1:8086/write"',
  ])
  check(location('htp://user:secret@a:1/write?p=secret'), [
    'relay.toml:4: http[0].output[0].location: has the unknown scheme "htp:"; write http://, https://, udp:// or file:',
  ])
})

test('certificates are read and looked at before anything starts', () => {
  check(http('ssl-combined-pem = "missing.pem"'), [
    'relay.toml:3: http[0].ssl-combined-pem: the file "missing.pem" does not exist',
  ])
  check(http('ssl-combined-pem = "not.pem"'), [
    'relay.toml:3: http[0].ssl-combined-pem: the file "not.pem" has no "-----BEGIN CERTIFICATE-----"; it must be PEM',
  ])
  check(http('ssl-combined-pem = "cert.pem"'), [
    'relay.toml:3: http[0].ssl-combined-pem: the file "cert.pem" has no "-----BEGIN PRIVATE KEY-----"; it must be PEM',
  ])
  check(output('ca-cert = "missing.pem"'), [
    'relay.toml:5: http[0].output[0].ca-cert: the file "missing.pem" does not exist',
  ])
  check(output('client-cert = "cert.pem"'), [
    'relay.toml:5: http[0].output[0].client-cert: client-cert needs client-key; add it',
  ])
  check(output('client-key = "key.pem"'), [
    'relay.toml:5: http[0].output[0].client-key: client-key needs client-cert; add it',
  ])
  check(output('client-cert = "cert.pem"\nclient-key = "key.pem"'), [
    'relay.toml:5: http[0].output[0].client-cert: the key is damaged, or of a kind that is not known',
  ])
  check(output('ca-cert = "not.pem"'), [
    'relay.toml:5: http[0].output[0].ca-cert: the file "not.pem" has no "-----BEGIN CERTIFICATE-----"; it must be PEM',
  ])
})

test('filters name outputs that exist and hold expressions that Go has', () => {
  check(
    `${output('name = "east"')}[[filter]]\ntag-expression = "a"\noutputs = ["eats", "nowhere"]`,
    [
      'relay.toml:8: filter[0].outputs: no output is named "eats"; did you mean "east"?',
      'relay.toml:8: filter[0].outputs: no output is named "nowhere"; there are "east"',
    ],
  )
  check(`${http('')}[[filter]]\ntag-expression = "a"`, [
    'relay.toml:5: filter[0].outputs: names no output, so it would do nothing; write outputs = ["name"]',
  ])
  check(
    `${output('name = "a"')}[[filter]]\ntag-expression = '(?=a)'\nmeasurement-expression = '[a'\noutputs = ["a"]`,
    [
      'relay.toml:7: filter[0].tag-expression: is not a usable regular expression: invalid or unsupported Perl syntax: `(?=`',
      'relay.toml:8: filter[0].measurement-expression: is not a usable regular expression: missing closing ]: `[a`',
    ],
  )
  check(`${output('name = "a"')}[[filter]]\nmeasurement-expression = 'a**'\noutputs = "a"`, [
    'relay.toml:7: filter[0].measurement-expression: is not a usable regular expression: invalid nested repetition operator: `**`',
    'relay.toml:8: filter[0].outputs: must be a list such as ["a", "b"], got "a"',
  ])
  check(`${output('name = "a"')}[[filter]]\ntype = 5\noutputs = [5]`, [
    'relay.toml:7: filter[0].type: must be text in quotes, got 5',
    'relay.toml:8: filter[0].outputs: must be a list of text in quotes, such as ["a", "b"]',
  ])
})

test('a log on disk needs outputs with names, and what it contradicts is told', () => {
  check(http('log-dir = "/var/lib/relay"'), [
    'relay.toml:4: http[0].output[0].name: is missing; with log-dir each output needs a name',
  ])
  check(http('ack = "log"'), [
    'relay.toml:3: http[0].ack: "log" needs log-dir; add it, or write "any", "quorum" or "all"',
  ])
  check(
    `[[http]]\nbind-addr = ":9096"\nlog-dir = "x"\nack = "log"\noutput = [ { location = "http://a:1", buffer-size-mb = 0 } ]`,
    [
      'relay.toml:5: http[0].output[0].name: is missing; with log-dir each output needs a name',
      'relay.toml:5: http[0].output[0].buffer-size-mb: 0 contradicts log-dir, which keeps a backlog; remove one of the two',
    ],
  )
  check(
    `[[http]]\nbind-addr = ":9096"\nlog-dir = "x"\noutput = [ { name = "a", location = "http://a:1" } ]\n[[http]]\nbind-addr = ":9097"\nlog-dir = "./x"\noutput = [ { name = "a", location = "http://a:1" } ]`,
    [
      'relay.toml:7: http[1].log-dir: the same folder as http[0].log-dir (line 3); give each relay a folder of its own',
    ],
  )
})

test('variables that are missing or badly written', () => {
  check(http('name = "${NOT_SET}"'), [
    'relay.toml:3: http[0].name: environment variable NOT_SET is not set; set it or write ${NOT_SET:-default}',
  ])
  check(http('name = "${1A}"'), [
    'relay.toml:3: http[0].name: has a "${" that is not ${NAME} or ${NAME:-default}; for the characters write "$${"',
  ])
  check(http('name = "${A"'), [
    'relay.toml:3: http[0].name: has a "${" that is not ${NAME} or ${NAME:-default}; for the characters write "$${"',
  ])
  check(
    output('timeout = "${T}"'),
    [
      'relay.toml:5: http[0].output[0].timeout: is not a duration: "${T}"; write numbers with units ns, us, ms, s, m or h, e.g. "10s" or "1m30s"',
    ],
    { T: 'soon' },
  )
})

test('an override by the environment is checked as the file is', () => {
  check(
    http(''),
    [
      'relay.toml: http[0].max-connections: must be a whole number from 1 to 1000000, got "many" (in RELAY_HTTP_0_MAX_CONNECTIONS)',
    ],
    { RELAY_HTTP_0_MAX_CONNECTIONS: 'many' },
  )
  check(
    http(''),
    [
      'relay.toml: http[0].max-connections: must be a whole number from 1 to 1000000, got "-1" (in RELAY_HTTP_0_MAX_CONNECTIONS)',
    ],
    { RELAY_HTTP_0_MAX_CONNECTIONS: '-1' },
  )
  check(
    http(''),
    [
      'relay.toml: http[0].output[0].timeout: is not a duration: "10"; a unit is missing, write "10s" (in RELAY_HTTP_0_OUTPUT_0_TIMEOUT)',
    ],
    { RELAY_HTTP_0_OUTPUT_0_TIMEOUT: '10' },
  )
  check(
    http(''),
    [
      'relay.toml: http[0].unsigned-integers: must be true or false, got "1" (in RELAY_HTTP_0_UNSIGNED_INTEGERS)',
    ],
    { RELAY_HTTP_0_UNSIGNED_INTEGERS: '1' },
  )
  check(
    http(''),
    ['relay.toml:4: http[0].output[0].password: a password without a username; add username'],
    { RELAY_HTTP_0_OUTPUT_0_PASSWORD: 'secret' },
  )
  check(
    http(''),
    [
      'relay.toml: max-memory-mb: must be a whole number from 1 to 1048576, got "99999999999999999999" (in RELAY_MAX_MEMORY_MB)',
    ],
    { RELAY_MAX_MEMORY_MB: '99999999999999999999' },
  )
})

test('all problems of a file are reported together, in the order of its lines', () => {
  check(
    `log-level = "loud"
[[http]]
bind-addr = "9096"
max-bdy-mb = 5
[[http.output]]
location = "a:8086"
timeout = "10"
[[http.output]]
name = "b"
`,
    [
      'relay.toml:1: log-level: must be one of "debug", "info", "warn", "error"; got "loud"',
      'relay.toml:3: http[0].bind-addr: must be "host:port", got "9096"; write ":9096"',
      'relay.toml:4: http[0].max-bdy-mb: unknown key; did you mean "max-body-mb"?',
      'relay.toml:6: http[0].output[0].location: has no scheme: "a:8086"; write "http://a:8086"',
      'relay.toml:7: http[0].output[0].timeout: is not a duration: "10"; a unit is missing, write "10s"',
      'relay.toml:8: http[0].output[1].location: is missing; say where to send, e.g. "http://127.0.0.1:8086/write"',
    ],
  )
})

test('a file beyond the limit is refused', () => {
  check('#'.repeat(1_048_577), [
    'relay.toml: the file has 1048577 characters; at most 1048576 are read',
  ])
})
