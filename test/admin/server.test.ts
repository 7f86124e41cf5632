import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import { type AdminOptions, openAdmin } from '../../src/admin/server.ts'
import { systemClock } from '../../src/std/clock.ts'
import type { Logger } from '../../src/std/logger.ts'
import { freePort } from '../support/free-port.ts'
import { failAccept, withServerOf } from '../support/listening-server.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { openRawConnection } from '../support/raw-http.ts'
import { outputSnapshot, relaySnapshot, serviceSnapshot } from '../support/service-snapshot.ts'

class RememberingLogger implements Logger {
  readonly warnings: string[] = []
  readonly errors: string[] = []
  debug(): void {}
  info(): void {}
  error(_fields: object, message: string): void {
    this.errors.push(message)
  }
  warn(_fields: object, message: string): void {
    this.warnings.push(message)
  }
}

async function open(options: Partial<AdminOptions> = {}) {
  const admin = await openAdmin({
    clock: systemClock,
    bindAddress: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    isConfigured: true,
    snapshot: () => serviceSnapshot(),
    logger: new RememberingLogger(),
    ...options,
  })
  assert(admin !== undefined)
  return admin
}

test('metrics, health and readiness are there; all else is 404', async () => {
  let snapshot = serviceSnapshot()
  await using admin = await open({ snapshot: () => snapshot })
  const ask = async (path: string, method = 'GET') => {
    const answer = await fetch(`http://127.0.0.1:${admin.address.port}${path}`, { method })
    return {
      status: answer.status,
      type: answer.headers.get('content-type'),
      text: await answer.text(),
    }
  }

  const metrics = await ask('/metrics')
  assert.equal(metrics.status, 200)
  assert.equal(metrics.type, 'text/plain; version=0.0.4; charset=utf-8')
  assert.match(metrics.text, /^process_resident_memory_bytes [1-9]\d+$/m)

  const health = await ask('/health')
  assert.equal(health.status, 200)
  assert.equal(health.type, 'application/json; charset=utf-8')
  assert.equal(JSON.parse(health.text).status, 'pass')
  assert.deepEqual([(await ask('/ready')).status, (await ask('/')).status], [200, 404])
  assert.equal((await ask('/metrics', 'POST')).status, 404)
  assert.equal((await ask('/%zz')).status, 400)

  snapshot = serviceSnapshot({
    isStopping: true,
    relays: [relaySnapshot({ outputs: [outputSnapshot({ isUp: false })] })],
  })
  assert.deepEqual([(await ask('/ready')).status, (await ask('/health')).status], [503, 503])
})

test('an error of accept is logged, and the next request is answered', async () => {
  const logger = new RememberingLogger()
  const [admin, server] = await withServerOf(() => open({ logger }))
  await using _admin = admin
  failAccept(server)
  const answer = await fetch(`http://127.0.0.1:${admin.address.port}/ready`)
  assert.equal(answer.status, 200)
  assert.deepEqual(logger.errors, [
    '[admin]: cannot accept connections: accept EMFILE; still listening',
  ])
})

test('a request whose body takes too long is told 408, however steadily its bytes arrive', async () => {
  const clock = new ManualClock()
  await using admin = await open({ clock })
  await using connection = await openRawConnection(`http://127.0.0.1:${admin.address.port}`)
  const head = 'POST /dead-letters/replay HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
  await connection.send(`${head}Content-Length: 99\r\n\r\n{`)
  // The head is read before the time begins to pass: a request behind it is answered.
  await (await fetch(`http://127.0.0.1:${admin.address.port}/ready`)).text()
  for (let second = 0; second <= 10; second++) {
    await clock.advance(1_000)
    await connection.send(' ').catch(() => {})
  }
  assert.equal((await connection.response()).status, 408)
  await connection.closed
})

test('closing does not wait for a client that says nothing, or only half', async () => {
  const admin = await open()
  const { port } = admin.address
  const sockets = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  sockets[1]?.write('GET /metrics HT')
  // Known to be accepted, since another one is answered after them.
  await (await fetch(`http://127.0.0.1:${port}/ready`)).text()
  const closed = sockets.map((socket) => {
    socket.on('error', () => {}) // A reset is as good an end as any here.
    return once(socket.resume(), 'close')
  })
  await admin[Symbol.asyncDispose]()
  await Promise.all(closed)
  await admin[Symbol.asyncDispose]()
})

test('a taken address is an error when it was asked for, and a warning when not', async () => {
  const port = await freePort()
  const squatter = createServer().listen(port, '127.0.0.1')
  await once(squatter, 'listening')
  try {
    const bindAddress = { kind: 'tcp', host: '127.0.0.1', port } as const
    await assert.rejects(open({ bindAddress }), {
      code: 'RELAY_ADDRESS_IN_USE',
      message: `[admin] cannot listen on 127.0.0.1:${port}: another program is listening there`,
    })
    const logger = new RememberingLogger()
    const snapshot = () => serviceSnapshot()
    const admin = await openAdmin({
      bindAddress,
      isConfigured: false,
      snapshot,
      logger,
      clock: systemClock,
    })
    assert.equal(admin, undefined)
    assert.match(logger.warnings[0] ?? '', /listening there; running without metrics and health$/)
  } finally {
    squatter.close()
  }
})

test('an address that is not of this machine is an error that says so', async () => {
  await assert.rejects(open({ bindAddress: { kind: 'tcp', host: '192.0.2.1', port: 9097 } }), {
    code: 'RELAY_ADDRESS_UNUSABLE',
    message: /^\[admin\] cannot listen on 192\.0\.2\.1:9097: /,
  })
})

test('an empty host listens on every address', async () => {
  await using admin = await open({ bindAddress: { kind: 'tcp', host: '', port: 0 } })
  const answer = await fetch(`http://127.0.0.1:${admin.address.port}/ready`)
  assert.equal(answer.status, 200)
})
