// Addresses, locations, certificates and folders: what cannot work is refused before anything
// starts, what runs otherwise than it looks is a warning, and what the originals run with runs.

import assert from 'node:assert/strict'
import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { hostname, networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { check } from '../../src/cli/check.ts'
import { folderFaults } from '../../src/cli/check-folders.ts'
import { loadConfig } from '../../src/cli/load-config.ts'
import { parseConfig } from '../../src/config/parse-config.ts'
import { renderPlan } from '../../src/config/render/plan.ts'
import { capturedIo } from '../support/captured-io.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const PEM = new URL('../support/pem/', import.meta.url)
const SERVICES = 'http 80/tcp www\nhttp-alt 8080/tcp webcache # WWW caching\nhttp-alt 8081/udp\n'

function readFile(path: string): string {
  if (path === '/etc/services') return SERVICES
  return path
    .split('+')
    .map((name) => readFileSync(new URL(name, PEM), 'utf8'))
    .join('')
}

function parse(text: string) {
  return parseConfig({ path: 'f', text }, { variables: {}, readFile })
}

function configOf(text: string) {
  const parsed = parse(text)
  assert(parsed.kind === 'config', JSON.stringify(parsed))
  return parsed
}

function problemsOf(text: string): readonly string[] {
  const parsed = parse(text)
  return parsed.kind === 'config' ? [] : parsed.problems.map(({ message }) => message)
}

const relay = (address: string, ...locations: string[]) =>
  `[[http]]\nbind-addr = "${address}"\n${locations
    .map((location) => `[[http.output]]\nlocation = "${location}"\n`)
    .join('')}`
const output = (keys: string) => `${relay(':1', 'https://a:2')}${keys}\n`

test('ports may be named, as in /etc/services', () => {
  const portOf = (address: string) =>
    configOf(relay(address, 'http://a')).config.http[0]?.bindAddress
  assert.deepEqual(portOf('127.0.0.1:http-alt'), { kind: 'tcp', host: '127.0.0.1', port: 8080 })
  assert.deepEqual(portOf(':WebCache'), { kind: 'tcp', host: '', port: 8080 })
  assert.deepEqual(portOf('[::1]:https'), { kind: 'tcp', host: '::1', port: 443 })
  const udp = configOf(relay(':1', 'udp://a:http-alt')).config.http[0]?.outputs[0]
  assert(udp?.kind === 'udp')
  assert.equal(udp.port, 8081)
  assert.deepEqual(problemsOf(relay(':nonsense', 'http://a')), [
    'has port "nonsense", which names no service; write a number',
  ])
})

test('a host that nobody can have is refused, with what was meant', () => {
  const checkHost = (host: string, ...messages: string[]) => {
    assert.deepEqual(problemsOf(relay(`${host}:9096`, 'http://a')), messages, host)
    const inUdp = messages.length === 0 ? 0 : 1
    assert.equal(
      problemsOf(relay(':1', `udp://${host}x:9`.replace('x:', ':'))).length,
      host === '' ? 1 : inUdp,
    )
  }
  checkHost('*', 'has the host "*"; for every address write ":9096"')
  checkHost('256.1.1.1', 'has the host "256.1.1.1", which is no address')
  checkHost('a,b', 'has the host "a,b", which is no name')
  for (const fine of ['', 'localhost', '127.0.0.1', 'db_1.example.com', 'größe', '[::]', '[::1]']) {
    checkHost(fine)
  }
})

test('writes that would go in circles are refused, by whatever way they come back', () => {
  const own = Object.values(networkInterfaces())
    .flat()
    .find((each) => each?.family === 'IPv4')
  const names = [hostname(), hostname().toUpperCase(), own?.address ?? '127.0.0.1', '127.0.0.1']
  for (const name of names) {
    assert.deepEqual(problemsOf(relay(':9', `http://${name}:9/write`)), [
      'is this relay itself (http[0]); its writes would go in circles',
    ])
    assert.deepEqual(problemsOf(relay(':9', `http://${name}:8/write`)), [])
  }
  const circle = 'is http[0] (line 1), whose writes come back here; they would go in circles'
  const two = relay(':1', 'http://localhost:2') + relay(':2', 'http://127.0.0.1:1', 'http://a:1')
  assert.deepEqual(problemsOf(two), [circle])
  const three =
    relay(':1', 'http://[::1]:2') +
    relay(':2', 'http://localhost:3') +
    relay(':3', 'http://0.0.0.0:1')
  assert.deepEqual(problemsOf(three), [circle])
  const through = `${relay(':1', 'udp://localhost:2')}[[udp]]\nbind-addr = ":2"\noutput = [{ location = "http://localhost:1" }]`
  assert.deepEqual(problemsOf(through), [circle])
  const chain = relay(':1', 'http://localhost:2') + relay(':2', 'http://a:1')
  assert.deepEqual(problemsOf(chain), [])
  const converging =
    relay(':1', 'http://localhost:3') + relay(':2', 'http://localhost:3') + relay(':3', 'http://a')
  assert.deepEqual(problemsOf(converging), [])
})

test('what each write says itself is left out of a location, and what is missing is told', () => {
  const checkLocation = (location: string, write: string, ...warnings: RegExp[]) => {
    const { config, warnings: told } = configOf(relay(':1', location))
    const [first] = config.http[0]?.outputs ?? []
    assert(first?.kind === 'http')
    assert.equal(first.paths.write, write)
    assert.equal(told.length, warnings.length, told.join())
    for (const [index, warning] of warnings.entries()) assert.match(told[index] ?? '', warning)
  }
  checkLocation('http://a:1/write?db=x&node=1', '/write?node=1', /\(line 4\): db= is left out/)
  checkLocation('http://a:1/write?p=x&rp=y', '/write', /rp=, p= is left out/)
  checkLocation(
    'http://a:1/api/v2/write?bucket=b&org=o&precision=ns',
    '/api/v2/write?bucket=b&org=o',
    /precision= is left out/,
  )
  checkLocation('http://a:1/api/v3/write_lp?db=x', '/api/v3/write_lp', /db= is left out/)
  checkLocation('http://a:1/api/v2/write?org=o', '/api/v2/write?org=o', /names no bucket/)
  checkLocation('http://a:1/api/v2/write?bucket=b', '/api/v2/write?bucket=b', /names no org/)
  checkLocation('http://a:1/write?x=ä', '/write?x=%C3%A4')
  const { config, warnings } = configOf(
    output('[http.output.endpoints]\nwrite = "/ä%20?consistency=all&x=1"\n'),
  )
  const [first] = config.http[0]?.outputs ?? []
  assert(first?.kind === 'http')
  assert.equal(first.paths.write, '/%C3%A4%20?x=1')
  assert.match(warnings[0] ?? '', /consistency= is left out/)
})

test('the plan says the port that a location without one has', () => {
  const plan = (location: string) => renderPlan(configOf(relay(':1', location)).config)
  assert.match(
    plan('http://localhost'),
    /http:\/\/localhost\/write \(port 80; that of InfluxDB is 8086\)/,
  )
  assert.match(plan('https://a/write'), /https:\/\/a\/write \(port 443\)/)
  assert.doesNotMatch(plan('http://a:8086'), /\(port/)
})

test('what OpenSSL does not take is told with the cure, and an expired certificate is a warning', () => {
  const pem = (name: string) =>
    problemsOf(`${relay(':1', 'http://a')}`.replace('\n', `\nssl-combined-pem = "${name}"\n`))
  assert.deepEqual(pem('ec.crt+ec.key'), [])
  assert.deepEqual(pem('rsa-1024.pem'), [
    "the certificate's key is too short for TLS today; make one with RSA of 2048 bits, or ECDSA",
  ])
  assert.match(pem('ec.crt+ec-encrypted.key')[0] ?? '', /^the key is encrypted/)
  assert.match(pem('ec.crt+rsa.key')[0] ?? '', /^the key is not that of the certificate/)
  const client = (cert: string, key: string) =>
    problemsOf(output(`client-cert = "${cert}"\nclient-key = "${key}"`))
  assert.deepEqual(client('ec.crt', 'ec.key'), [])
  assert.match(client('ec.crt', 'ec-encrypted.key')[0] ?? '', /^the key is encrypted/)
  const { warnings } = configOf(output('ca-cert = "ec-expired.crt"'))
  assert.match(
    warnings[0] ?? '',
    /^http\[0\]\.output\[0\]\.ca-cert \(line 5\): .* has expired on Dec 31/,
  )
})

test('mtu is what the originals take, and never more than a datagram holds', () => {
  const mtuOf = (mtu: number) => {
    const parsed = parse(`${relay(':1', 'udp://a:1')}mtu = ${mtu}\n`)
    const first = parsed.kind === 'config' ? parsed.config.http[0]?.outputs[0] : undefined
    return first?.kind === 'udp' ? first.mtu : undefined
  }
  assert.deepEqual([0, 7, 8, 32, 1500].map(mtuOf), [1024, undefined, 8, 32, 1500])
  assert.deepEqual([65_507, 65_508, 65_535, 65_536].map(mtuOf), [65_507, 65_507, 65_507, undefined])
})

test('a key of another section is told where it belongs', () => {
  const hint = (text: string) => problemsOf(`${text}\n${relay(':1', 'http://a:1')}`)[0]
  assert.equal(
    hint('[[output]]\nlocation = "http://a"'),
    'unknown key; write [[http.output]] or [[udp.output]], below its relay',
  )
  assert.equal(hint('rate-limit = 5'), 'unknown key; it belongs in [[http]]')
  assert.equal(hint('missing-db-grace = "1h"'), 'unknown key; it belongs in [[http.output]]')
  assert.deepEqual(problemsOf(output('shutdown-timeout = "1s"')), [
    'unknown key; it belongs above all tables',
  ])
})

test('a log-dir or a file that cannot be made is told by -check, and nothing is made', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'file'), '')
  await mkdir(join(folder, 'closed'))
  const checked = async (logDir: string, file: string) => {
    const path = join(folder, 'relay.toml')
    const text = `[[http]]\nname = "r"\nbind-addr = ":1"\nlog-dir = "${join(folder, logDir)}"\n[[http.output]]\nname = "o"\nlocation = "file:${join(folder, file)}"\n`
    await writeFile(path, text)
    const io = capturedIo()
    try {
      return [check(path, io)]
    } catch (error) {
      return String(error).replaceAll(folder, '').split('\n')
    }
  }
  assert.deepEqual(await checked('new/log', 'new/lines.lp'), [0])
  assert.equal(existsSync(join(folder, 'new')), false)
  assert.deepEqual(await checked('file/log', 'closed'), [
    'RelayError: relay "r": log-dir "/file/log": "/file" is no folder',
    'output "o": file "/closed": is a folder',
  ])
  chmodSync(join(folder, 'closed'), 0o500)
  if (process.getuid?.() === 0) return // To whom nothing is closed.
  assert.deepEqual(await checked('closed/log', 'closed/x.lp'), [
    'RelayError: relay "r": log-dir "/closed/log": this user may not write to "/closed"',
    'output "o": file "/closed/x.lp": this user may not write to "/closed"',
  ])
  assert.equal(folderFaults(loadConfig(join(folder, 'relay.toml'), {}).config).length, 2)
})
