import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { badUsage, help, missingConfig } from '../../src/cli/arguments/help.ts'
import { check } from '../../src/cli/check.ts'
import { healthcheck } from '../../src/cli/healthcheck.ts'
import { loadConfig } from '../../src/cli/load-config.ts'
import { printExample } from '../../src/cli/print-example.ts'
import { readVersion, version } from '../../src/cli/version.ts'
import { capturedIo } from '../support/captured-io.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const RELAY = `
[[http]]
bind-addr = "127.0.0.1:9096"
output = [{ location = "http://127.0.0.1:8086/write" }]
`

async function configFile(t: TestContext, text: string): Promise<string> {
  const path = join(await temporaryFolder(t), 'relay.toml')
  await writeFile(path, text)
  return path
}

test('version names the build, the commit and Node', () => {
  const io = capturedIo()
  assert.equal(version(io), 0)
  assert.equal(io.out(), 'relay 1.2.3 (commit abc1234, Node 26.10.0)\n')
  const real = readVersion()
  assert.match(real.version, /^\d+\.\d+\.\d+/)
  assert.match(real.commit, /^([\da-f]{7,}|unknown)$/)
  assert.equal(real.node, process.versions.node)
})

test('help goes to standard output; usage after a mistake to standard error', () => {
  const asked = capturedIo()
  assert.equal(help('', asked), 0)
  assert.match(asked.out(), /^Usage: relay -config FILE\n/)
  assert.equal(asked.err(), '')

  const mistaken = capturedIo()
  assert.equal(badUsage('unknown command: x', mistaken), 2)
  assert.equal(mistaken.out(), '')
  assert.equal(mistaken.err(), 'relay: unknown command: x\nTry "relay -help".\n')
})

test("without a configuration the original's words come first, then the usage, exit 1", () => {
  const io = capturedIo()
  assert.equal(missingConfig(io), 1)
  assert.match(io.err(), /^Missing configuration file\n\nUsage: /)
  assert.equal(io.out(), '')
})

test('`relay config` prints a configuration that `relay check` accepts', async (t) => {
  const printed = capturedIo()
  assert.equal(printExample(printed), 0)
  const checked = capturedIo()
  assert.equal(check(await configFile(t, printed.out()), checked), 0)
  assert.match(checked.out(), /127\.0\.0\.1:9096/)
  assert.equal(checked.err(), '')
})

test('check shows the plan, and warnings apart from it', async (t) => {
  const io = capturedIo({ RELAY_PORT_80_TCP: 'tcp://10.0.0.1' })
  assert.equal(check(await configFile(t, RELAY), io), 0)
  assert.match(io.out(), /http:\/\/127\.0\.0\.1:8086/)
  assert.match(io.err(), /^warning: .*RELAY_PORT_80_TCP.*\n$/)
})

test('check names every problem of a file at once, and where to look', async (t) => {
  const path = await configFile(t, `${RELAY}bind-adr = 1\nack = "some"\n`)
  assert.throws(
    () => check(path, capturedIo()),
    (error: Error) => {
      assert.deepEqual([Reflect.get(error, 'code')], ['RELAY_CONFIG_INVALID'])
      const lines = error.message.split('\n')
      assert.match(lines[0] ?? '', /relay\.toml:5: http\[0\]\.bind-adr: .*did you mean/)
      assert.match(lines[1] ?? '', /relay\.toml:6: http\[0\]\.ack: /)
      assert.match(lines[2] ?? '', /^2 problems in .*relay\.toml; run "relay config"/)
      return lines.length === 3
    },
  )
})

test('a file that cannot be read is one line that says what to do', async (t) => {
  const folder = await temporaryFolder(t)
  const nested = join(folder, 'relay.toml')
  await mkdir(nested)
  const fails = (path: string, why: RegExp) =>
    assert.throws(() => loadConfig(path, {}), { code: 'RELAY_CONFIG_INVALID', message: why })

  fails(join(folder, 'none.toml'), /^cannot read the configuration .*: there is no such file;/)
  fails(nested, /^cannot read the configuration .*: it is a folder;/)
  // A file that never ends is read as far as shows that it is none of ours.
  fails('/dev/zero', /characters; at most/)
  fails(join(nested, '\0'), /^cannot read the configuration /)
})

async function answering(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  // Of a server on TCP the address is never a text.
  const { port } = server.address() as AddressInfo
  return await configFile(t, `[admin]\nbind-addr = ":${port}"\n${RELAY}`)
}

test('healthcheck passes on what /health says, in one line and an exit code', async (t) => {
  const passing = await answering(t, (request, response) => {
    const isHealth = request.url === '/health'
    response.end(JSON.stringify({ status: isHealth ? 'pass' : 'wrong', message: 'all up' }))
  })
  const good = capturedIo()
  assert.equal(await healthcheck(passing, good), 0)
  assert.equal(good.out(), 'pass: all up\n')

  const failing = await answering(t, (_request, response) => {
    response.writeHead(503).end(JSON.stringify({ status: 'fail', message: 'all down' }))
  })
  const bad = capturedIo()
  assert.equal(await healthcheck(failing, bad), 1)
  assert.equal(bad.out(), 'fail: all down\n')

  const strange = await answering(t, (_request, response) => {
    response.writeHead(404).end('<html>')
  })
  const foreign = capturedIo()
  assert.equal(await healthcheck(strange, foreign), 1)
  assert.equal(foreign.out(), "fail: HTTP 404, and the answer is not a relay's\n")
})

test('healthcheck fails in one line when nobody answers, or nobody is to be asked', async (t) => {
  const server = createTcpServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  const gone = capturedIo()
  const gonePath = await configFile(t, `[admin]\nbind-addr = "127.0.0.1:${port}"\n${RELAY}`)
  assert.equal(await healthcheck(gonePath, gone), 1)
  assert.match(gone.err(), /^fail: http:\/\/127\.0\.0\.1:\d+\/health did not answer: .+\n$/)

  const off = capturedIo()
  assert.equal(await healthcheck(await configFile(t, `[admin]\nbind-addr = ""\n${RELAY}`), off), 1)
  assert.match(off.err(), /^unknown: \[admin\] bind-addr/)
})
