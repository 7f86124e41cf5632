/**
 * What people see of a running relay: log lines that name what they are about, say what is true,
 * and give nothing away.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openFakeInflux } from '../support/fake-influx.ts'
import { freePort } from '../support/free-port.ts'
import { relayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'

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
