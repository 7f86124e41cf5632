/**
 * G9: stops clean.
 *
 * SIGINT and SIGTERM: listeners close first, requests in flight are answered, outputs that are up
 * drain until `shutdown-timeout`; what is left is told, and exit 1. A second signal ends it at
 * once. No other signal, and no closed or full stdout, ends it at all.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openFakeInflux } from '../support/fake-influx.ts'
import { relayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal}: a request in flight is answered, a slow output gets everything, exit 0`, async () => {
    await using a = await openFakeInflux()
    await using b = await openFakeInflux()
    const config = await relayConfig({ outputs: [a.url, b.url] })
    await using relay = await startRelayProcess({ config: config.toml })
    a.hold()
    b.hold()
    const answer = relay.write('m v=1 1\n')
    await a.nextRequest()
    relay.signal(signal)
    await relay.line(({ msg }) => msg.includes('stopping'))
    // Refused, or taken by the kernel just before and never read.
    await assert.rejects(relay.write('m v=2 2\n'), /ECONNREFUSED|ECONNRESET|socket hang up/)
    a.release()
    assert.equal((await answer).status, 204)
    b.release()
    assert.deepEqual(await relay.exited, { code: 0, signal: null })
    assert.equal(b.received, 'm v=1 1\n', 'what was not accepted was sent')
  })
}

test('an output that is down is not waited for; what it misses is told, exit 1', async () => {
  await using a = await openFakeInflux()
  const b = await openFakeInflux()
  const config = await relayConfig({ outputs: [a.url, b.url] })
  await using relay = await startRelayProcess({ config: config.toml })
  await b[Symbol.asyncDispose]()
  assert.equal((await relay.write('m v=1 1\n')).status, 204)
  await relay.line(({ msg }) => msg.includes('output "b" is down'))
  relay.signal('SIGTERM')
  assert.deepEqual(await relay.exited, { code: 1, signal: null })
  assert(relay.logs.some(({ output, lines }) => output === 'b' && lines === 1))
})

test('a second signal ends it at once', async () => {
  await using a = await openFakeInflux()
  const config = await relayConfig({ outputs: [a.url] })
  await using relay = await startRelayProcess({ config: config.toml })
  a.hold()
  const unanswered = assert.rejects(relay.write('m v=1 1\n'))
  await a.nextRequest()
  relay.signal('SIGINT')
  await relay.line(({ msg }) => msg.includes('stopping'))
  relay.signal('SIGINT')
  assert.deepEqual(await relay.exited, { code: 130, signal: null })
  await unanswered
})

test('SIGHUP, SIGPIPE, SIGUSR1 and SIGUSR2 change nothing', async () => {
  await using a = await openFakeInflux()
  const config = await relayConfig({ outputs: [a.url] })
  await using relay = await startRelayProcess({ config: config.toml })
  for (const signal of ['SIGHUP', 'SIGPIPE', 'SIGUSR1', 'SIGUSR2'] as const) {
    relay.signal(signal)
    assert.equal((await relay.write('m v=1 1\n')).status, 204, signal)
  }
  assert.equal((await relay.kill('SIGTERM')).code, 0)
})
