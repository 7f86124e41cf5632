/**
 * G9: stops clean.
 *
 * SIGINT and SIGTERM: listeners close first, requests in flight are answered, outputs that are up
 * drain until `shutdown-timeout`; what is left is told, and exit 1. A second signal ends it at
 * once. No other signal, and no closed or full stdout, ends it at all.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openFakeInflux } from '../support/fake-influx.ts'
import { httpRequest } from '../support/http-request.ts'
import { relayConfig } from '../support/relay-config.ts'
import { type LogLine, startRelayProcess } from '../support/relay-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'

const ROOT = join(import.meta.dirname, '../..')

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
  relay.signal('SIGTERM')
  assert.deepEqual(await relay.exited, { code: 130, signal: null })
  await unanswered
  assert.equal(relay.logs.at(-1)?.msg, 'SIGTERM: ending at once, without draining')
})

for (const when of ['at its first word', 'when it is ready'] as const) {
  test(`standard output and error closed ${when}: a stop is clean all the same, exit 0`, async (t) => {
    await using a = await openFakeInflux()
    const config = await relayConfig({ outputs: [a.url] })
    const path = join(await temporaryFolder(t), 'relay.toml')
    await writeFile(path, config.toml)
    const child = spawn(process.execPath, ['src/main.ts', '-config', path], { cwd: ROOT })
    const exited = once(child, 'exit')
    let printed = ''
    for await (const chunk of child.stdout) {
      printed += chunk
      if (when === 'at its first word' || printed.includes('"ready"')) break // Closes it.
    }
    child.stderr.destroy()
    const health = () =>
      httpRequest(`${config.adminUrl}/health`).then(({ status }) => status === 200)
    await until(() => health().catch(() => false), { what: 'it serves' })
    child.kill('SIGTERM')
    assert.deepEqual(await exited, [0, null])
  })
}

test('what was not delivered is told at the end, and nobody says that everything was', async () => {
  await using a = await openFakeInflux()
  const config = await relayConfig({ outputs: [a.url] })
  await using relay = await startRelayProcess({ config: config.toml })
  await a.stop()
  await relay.line(({ msg }) => msg.includes('is down'))
  assert.equal((await relay.write('m v=1 1\n')).status, 503)
  assert.equal((await relay.kill('SIGTERM')).code, 0)
  const said = 'stopped; nothing is left to deliver; since the start: 1 write answered 503'
  assert.equal(relay.logs.at(-1)?.msg, said)
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

test('a stop while the log is being opened waits for no longer than shutdown-timeout', async (t) => {
  const folder = await temporaryFolder(t)
  // The owner may be alive, on another machine: it is watched for seconds.
  const owner = { token: 'f'.repeat(32), boot: 'elsewhere', hasSocket: true, beat: 1 }
  await writeFile(join(folder, 'lock'), JSON.stringify(owner))
  const { toml } = await relayConfig({
    outputs: ['http://127.0.0.1:1'],
    top: 'shutdown-timeout = "100ms"',
    http: `log-dir = "${folder}"`,
  })
  const ready = ({ msg }: LogLine) => msg.startsWith('relay ')
  await using relay = await startRelayProcess({ config: toml, ready })
  assert.equal((await relay.kill('SIGTERM')).code, 0)
  assert(!relay.logs.some(({ msg }) => msg === 'ready'), relay.output)
  assert(relay.logs.some(({ msg }) => msg.includes('stopped while it was being opened')))
})
