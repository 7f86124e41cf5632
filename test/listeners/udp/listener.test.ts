import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import type { UdpRelayConfig } from '../../../src/config/config.ts'
import { parseUdpDrops } from '../../../src/listeners/udp/drops.ts'
import { openUdpListener, type UdpListenerOptions } from '../../../src/listeners/udp/listener.ts'
import type { BindSocket } from '../../../src/net/listen.ts'
import { bindUdpSocket, type UdpSocket } from '../../../src/net/udp-socket.ts'
import { systemClock } from '../../../src/std/clock.ts'
import { RelayError } from '../../../src/std/errors.ts'
import type { Logger } from '../../../src/std/logger.ts'
import { MemoryBudget } from '../../../src/std/memory-budget.ts'
import { RisingClock } from '../../../src/write/rising-clock.ts'
import type { Write } from '../../../src/write/write.ts'
import { Arrivals } from '../../support/arrivals.ts'

const FROM_MS = 1_700_000_000_000
const clock = {
  ...systemClock,
  wallMs: () => FROM_MS,
  wallNs: () => BigInt(FROM_MS) * 1_000_000n,
}

async function openListener(
  t: TestContext,
  change: Partial<UdpRelayConfig> = {},
  options: Partial<UdpListenerOptions> = {},
) {
  const writes = new Arrivals<Write>(({ body }) => body.toString())
  const log = new Arrivals<string>((text) => text)
  const push = (_: unknown, message: string) => log.push(message)
  const logger: Logger = { debug: push, info: push, warn: push, error: push }
  const config: UdpRelayConfig = {
    kind: 'udp',
    name: 'r',
    bindAddress: { kind: 'udp', host: '127.0.0.1', port: 0 },
    ...{ logDir: undefined, logMaxBytes: 1, acknowledgement: 'any', ackTimeoutMs: 1, outputs: [] },
    ...{ precision: 'ns', readBufferBytes: 0, database: 'udp', retentionPolicy: 'rp' },
    ...change,
  }
  const acceptUnanswered = (write: Write) => {
    writes.push(write)
    return undefined
  }
  const relay = { acceptUnanswered, memory: new MemoryBudget(1e6) }
  const stampClock = new RisingClock(clock, { look: () => 0 })
  const listener = await openUdpListener({ config, relay, stampClock, clock, logger, ...options })
  t.after(() => listener[Symbol.asyncDispose]())
  const bodies = async (count: number) =>
    (await writes.atLeast(count)).map(({ body }) => body.toString())
  return { listener, writes, bodies, log }
}

async function openSender(t: TestContext, type: 'udp4' | 'udp6' = 'udp4') {
  const socket = createSocket(type)
  socket.bind(0)
  await once(socket, 'listening')
  t.after(() => socket.close())
  return (port: number, text: string) =>
    new Promise<void>((resolve, reject) => {
      const host = type === 'udp4' ? '127.0.0.1' : '::1'
      socket.send(text, port, host, (error) => (error ? reject(error) : resolve()))
    })
}

/** A seam for faults that no test can bring about in the kernel; the sockets are real. */
function recordedBind(): { bind: BindSocket; sockets: UdpSocket[] } {
  const sockets: UdpSocket[] = []
  const bind: BindSocket = async (endpoint) => {
    const socket = await bindUdpSocket(endpoint)
    sockets.push(socket)
    return socket
  }
  return { bind, sockets }
}

test('each datagram becomes a write for the configured database, in order, with timestamps', async (t) => {
  const { listener, writes, bodies } = await openListener(t)
  const send = await openSender(t)
  await send(listener.address.port, 'a v=1 5\nb v=2')
  await send(listener.address.port, 'c v=3\n')
  await send(listener.address.port, 'd v=4\n')
  assert.deepEqual(await bodies(3), [
    'a v=1 5\nb v=2 1700000000000000000\n',
    'c v=3 1700000000000000001\n',
    'd v=4 1700000000000000002\n',
  ])
  const [first, second] = writes.items
  assert.equal(first?.lineCount, 2)
  assert.equal(first?.kind, 'lines')
  assert.equal(first?.receivedAtMs, FROM_MS)
  assert.equal(first?.target.database, 'udp')
  assert.equal(first?.target.retentionPolicy, 'rp')
  assert.equal(first?.target, second?.target)
  const { relay, counters } = listener.snapshot()
  assert.equal(relay, 'r')
  assert.equal(counters.receivedDatagrams, 3)
  assert.equal(counters.receivedBytes, 13 + 6 + 6)
  assert.equal(counters.receivedLines, 4)
})

test('a relay of seconds stamps in seconds', async (t) => {
  const { listener, bodies } = await openListener(t, { precision: 's' })
  const send = await openSender(t)
  await send(listener.address.port, 'a v=1\n')
  assert.deepEqual(await bodies(1), ['a v=1 1700000000\n'])
})

test('a datagram that the relay has no room for is told of as lost', async (t) => {
  const relay = { acceptUnanswered: () => 'backlog-full' as const, memory: new MemoryBudget(1e6) }
  const { listener, log } = await openListener(t, {}, { relay })
  const send = await openSender(t)
  await send(listener.address.port, 'a v=1 1\nb v=1 1\n')
  const [line = ''] = await log.atLeast(1)
  assert.equal(line, "lost a datagram of 2 lines: an output's backlog is full (buffer-size-mb)")
})

test('a bad line is dropped alone and counted, and a flood of them is one log line', async (t) => {
  const { listener, bodies, log } = await openListener(t)
  const send = await openSender(t)
  for (let sent = 0; sent < 3; sent++) {
    await send(listener.address.port, `a v=1 ${sent}\nbad line here\nb v=1 ${sent}\n`)
  }
  assert.deepEqual(
    await bodies(3),
    [0, 1, 2].map((sent) => `a v=1 ${sent}\nb v=1 ${sent}\n`),
  )
  assert.equal(listener.snapshot().counters.refusedLines, 3)
  assert.equal(listener.snapshot().counters.receivedLines, 6)
  assert.equal(log.items.length, 1)
  assert.match(log.items[0] ?? '', /1 bad line dropped .*unable to parse 'bad line here'/)
})

test('datagrams without a good line make no write, whatever is in them', async (t) => {
  const { listener, bodies } = await openListener(t)
  const send = await openSender(t)
  const empty = ['', '\n\n', '# comment\n', 'bad', '\0\0\0', '\u{1f600}'.repeat(1000)]
  for (const text of empty) await send(listener.address.port, text)
  await send(listener.address.port, 'a v=1 1')
  assert.deepEqual(await bodies(1), ['a v=1 1\n'])
  assert.equal(listener.snapshot().counters.emptyDatagrams, empty.length)
})

test('an address in use and one that is not ours are told by code', async (t) => {
  const { listener } = await openListener(t)
  const taken = { bindAddress: listener.address }
  await assert.rejects(openListener(t, taken), (error) => {
    assert(error instanceof RelayError)
    assert.equal(error.code, 'RELAY_ADDRESS_IN_USE')
    const where = `udp 127.0.0.1:${listener.address.port}`
    const who = `relay "${listener.snapshot().relay}"`
    const message = `${who} cannot listen on ${where}: another program is listening there`
    assert.equal(error.message, message)
    return true
  })
  const foreign = { bindAddress: { kind: 'udp', host: '192.0.2.1', port: 0 } as const }
  await assert.rejects(openListener(t, foreign), { code: 'RELAY_ADDRESS_UNUSABLE' })
})

test('without a host both IPv4 and IPv6 are taken', async (t) => {
  const { listener, bodies } = await openListener(t, {
    bindAddress: { kind: 'udp', host: '', port: 0 },
  })
  const send4 = await openSender(t)
  await send4(listener.address.port, 'a v=4 1\n')
  assert.deepEqual(await bodies(1), ['a v=4 1\n'])
  if (listener.address.host === '0.0.0.0') return t.diagnostic('no IPv6 on this machine')
  const send6 = await openSender(t, 'udp6')
  await send6(listener.address.port, 'a v=6 1\n')
  assert.deepEqual(await bodies(2), ['a v=4 1\n', 'a v=6 1\n'])
})

test('without a host, IPv4 alone is taken on a machine without IPv6', async (t) => {
  const bind: BindSocket = async (endpoint) => {
    if (endpoint.family === 4) return await bindUdpSocket(endpoint)
    throw Object.assign(new Error('bind EAFNOSUPPORT ::'), { code: 'EAFNOSUPPORT' })
  }
  const { listener, bodies } = await openListener(
    t,
    { bindAddress: { kind: 'udp', host: '', port: 0 } },
    { bind },
  )
  assert.equal(listener.address.host, '0.0.0.0')
  const send = await openSender(t)
  await send(listener.address.port, 'a v=1 1\n')
  assert.deepEqual(await bodies(1), ['a v=1 1\n'])
})

test('a receive buffer that the system cuts is told, one that it grants is not', async (t) => {
  const granted = await openListener(t, { readBufferBytes: 8192 })
  assert.deepEqual(granted.log.items, [])
  const cut = await openListener(t, { readBufferBytes: 2_147_483_647 })
  assert.match(cut.log.items.join(), /read-buffer of 2.1 GB was cut to .* net.core.rmem_max/)
})

test('read errors are counted, and what comes after them is read', async (t) => {
  const { bind, sockets } = recordedBind()
  const { listener, bodies, log } = await openListener(t, {}, { bind })
  const send = await openSender(t)
  for (let errors = 0; errors < 5; errors++) {
    sockets[0]?.inner.emit('error', new Error('recvmsg ENOMEM'))
  }
  await send(listener.address.port, 'a v=1 1\n')
  assert.deepEqual(await bodies(1), ['a v=1 1\n'])
  assert.equal(listener.snapshot().counters.readErrors, 5)
  assert.equal(listener.snapshot().counters.reopenedSockets, 0)
  assert.equal(log.items.length, 1)
})

test('a socket that has closed, or gives nothing but errors, is opened again on its address', async (t) => {
  const { bind, sockets } = recordedBind()
  const { listener, bodies } = await openListener(t, {}, { bind })
  const send = await openSender(t)
  const isReopened = async (count: number) => {
    // The listener takes the new socket over in the turn after it is bound.
    while (listener.snapshot().counters.reopenedSockets < count) {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  sockets[0]?.inner.close()
  await isReopened(1)
  await send(listener.address.port, 'a v=1 1\n')
  assert.deepEqual(await bodies(1), ['a v=1 1\n'])
  for (let errors = 0; errors < 100; errors++) {
    sockets[1]?.inner.emit('error', new Error('recvmsg EIO'))
  }
  await isReopened(2)
  await send(listener.address.port, 'b v=1 1\n')
  assert.deepEqual(await bodies(2), ['a v=1 1\n', 'b v=1 1\n'])
  assert.equal(sockets.length, 3)
})

test('an address that is lost for good ends the listener with the reason', async (t) => {
  const { bind, sockets } = recordedBind()
  const bindOnce: BindSocket = (endpoint) => {
    if (sockets.length === 0) return bind(endpoint)
    return Promise.reject(Object.assign(new Error('bind EADDRINUSE'), { code: 'EADDRINUSE' }))
  }
  const impatient = {
    ...clock,
    startTimer: (_: number, fire: () => void) => {
      const handle = setImmediate(fire)
      return { cancel: () => clearImmediate(handle) }
    },
  }
  const { listener } = await openListener(t, {}, { bind: bindOnce, clock: impatient })
  sockets[0]?.inner.close()
  await assert.rejects(listener.closed, { code: 'RELAY_ADDRESS_IN_USE' })
})

test('closing gives the address back, and may be done twice', async (t) => {
  const { listener } = await openListener(t)
  await listener[Symbol.asyncDispose]()
  await listener[Symbol.asyncDispose]()
  await listener.closed
  await openListener(t, { bindAddress: listener.address })
})

test('the drops that Linux counts are read by port', () => {
  const table = [
    '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops',
    '  92: 00000000:1F99 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 22734 2 0000000000000000 17',
    '  93: 0100007F:1F99 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 22735 2 0000000000000000 3',
    '  94: 00000000:1F9A 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 22736 2 0000000000000000 5',
    '',
  ].join('\n')
  const check = (port: number, drops: number) => assert.equal(parseUdpDrops(table, port), drops)
  check(8089, 20)
  check(8090, 5)
  check(8091, 0)
  assert.equal(parseUdpDrops('', 8089), 0)
  assert.equal(parseUdpDrops('head\n a b c', 8089), 0)
})
