/**
 * What people see of a running relay: log lines that name what they are about, say what is true,
 * and give nothing away.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { influxError, openFakeInflux } from '../support/fake-influx.ts'
import { freePort } from '../support/free-port.ts'
import { httpRequest } from '../support/http-request.ts'
import { relayConfig } from '../support/relay-config.ts'
import { type LogLine, startRelayProcess } from '../support/relay-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const PASSWORD = 'hunter2-hunter2'
const TOKEN = 'abcdef0123456789=='
const ROOT = join(import.meta.dirname, '../..')

/** @returns what it printed, on both streams */
async function runCommand(...args: string[]): Promise<string> {
  const main = ['src/main.ts', ...args]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, main, { cwd: ROOT })
  return stdout + stderr
}

test('two relays with the same outputs: every line about an output names its relay', async () => {
  await using a = await openFakeInflux()
  const b = await openFakeInflux()
  const more = `[[udp]]
name = "datagrams"
bind-addr = "127.0.0.1:${await freePort()}"
output = [
  { name = "a", location = "${a.url}/write" },
  { name = "b", location = "${b.url}/write" },
]`
  const config = await relayConfig({ outputs: [a.url, b.url], more })
  await using relay = await startRelayProcess({ config: config.toml })
  await b[Symbol.asyncDispose]()
  for (const name of ['test', 'datagrams']) {
    const { msg } = await relay.line((line) => line['relay'] === name && /is down/.test(line.msg))
    assert.match(msg, new RegExp(`^relay "${name}": output "b" is down: `))
  }
  for (const line of relay.logs) {
    if ('output' in line) assert.equal(typeof line['relay'], 'string', line.msg)
  }
})

for (const status of [400, 401, 404, 500] as const) {
  test(`an output that quotes the request in its ${status}: no credentials in any line or command`, async (t) => {
    await using a = await openFakeInflux()
    await using b = await openFakeInflux({
      answer: ({ url, headers }) =>
        influxError(status, `database not found: ${url}, ${headers.authorization}`),
    })
    const logDir = join(await temporaryFolder(t), 'log')
    const config = await relayConfig({ outputs: [a.url, b.url], http: `log-dir = "${logDir}"` })
    await using relay = await startRelayProcess({ config: config.toml, args: ['-v'] })
    const basic = Buffer.from(`bob:${PASSWORD}`).toString('base64')
    await relay.write('m v=1 1\n', `db=d&u=bob&p=${PASSWORD}`)
    await relay.write('m v=1 1\n', 'db=d', { authorization: `Basic ${basic}` })
    await relay.write('m v=1 1\n', 'db=d', { authorization: `Token ${TOKEN}` })
    const isAboutIt = (line: LogLine) => line['output'] === 'b' && /\*\*\*/.test(line.msg)
    await relay.line(isAboutIt)
    const health = await httpRequest(`${config.adminUrl}/health`)
    const metrics = await httpRequest(`${config.adminUrl}/metrics`)
    const dead = await runCommand('dead', 'show', '-dir', logDir, '-json')
    const shown = [relay.output, health.body, metrics.body, dead].join('\n')
    for (const secret of [PASSWORD, basic, TOKEN]) assert(!shown.includes(secret), shown)
  })
}

test("an output's own credentials, quoted in its answer, reach neither a line nor a client", async () => {
  await using a = await openFakeInflux({
    answer: ({ url, headers }) => influxError(400, `no: ${url}, ${headers.authorization}`),
  })
  const output = `{ location = "${a.url}/write?token=${TOKEN}", username = "bob", password = "${PASSWORD}" }`
  const config = await relayConfig({ outputs: [output] })
  await using relay = await startRelayProcess({ config: config.toml, args: ['-v'] })
  const answer = await relay.write('m v=1 1\n', 'db=d')
  await relay.line((line) => line['output'] === 'a' && line['status'] === 400)
  const basic = Buffer.from(`bob:${PASSWORD}`).toString('base64')
  const shown = `${answer.body} ${relay.output}`
  for (const secret of [PASSWORD, basic, TOKEN]) assert(!shown.includes(secret), shown)
  assert.match(`${answer.body}`, /no: \/write/)
})
