import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import type { UdpOutputConfig } from '../../../src/config/config.ts'
import type { Destination, Payload } from '../../../src/destinations/destination.ts'
import {
  openUdpDestination,
  type UdpDestinationOptions,
} from '../../../src/destinations/udp/udp-destination.ts'
import type { Precision } from '../../../src/line-protocol/precision.ts'
import type { HostAddress, ResolveHost } from '../../../src/net/udp-host.ts'
import { type Clock, systemClock } from '../../../src/std/clock.ts'
import type { Logger } from '../../../src/std/logger.ts'
import { NO_CREDENTIALS, type Write, writeTarget } from '../../../src/write/write.ts'
import { Arrivals } from '../../support/arrivals.ts'
import { until } from '../../support/wait.ts'

const events = { onTimeout() {} }
const LOCAL: HostAddress = { address: '127.0.0.1', family: 4 }

interface Receiver {
  readonly port: number
  readonly datagrams: Arrivals<string>
  close(): Promise<void>
}

async function openReceiver(t: TestContext, port = 0, address = '127.0.0.1'): Promise<Receiver> {
  const socket: Socket = createSocket({ type: 'udp4', recvBufferSize: 4_000_000 })
  const datagrams = new Arrivals<string>((text) => text)
  socket.on('message', (bytes) => datagrams.push(bytes.toString()))
  socket.bind(port, address)
  await once(socket, 'listening')
  let isOpen = true
  const close = async () => {
    if (!isOpen) return
    isOpen = false
    await new Promise<void>((resolve) => socket.close(resolve))
  }
  t.after(close)
  return { port: socket.address().port, datagrams, close }
}

async function openOutput(
  t: TestContext,
  port: number,
  options: Partial<UdpDestinationOptions> & { host?: string; mtu?: number } = {},
): Promise<{ output: Destination; log: Arrivals<string> }> {
  const log = new Arrivals<string>((text) => text)
  const push = (_: unknown, message: string) => log.push(message)
  const logger: Logger = { debug: push, info: push, warn: push, error: push }
  const { host = '127.0.0.1', mtu = 100, ...rest } = options
  const config: UdpOutputConfig = {
    kind: 'udp',
    name: 'o',
    location: `${host}:${port}`,
    ...{ host, port, mtu, bufferBytes: 1, batchMaxBytes: 1, timeoutMs: 1, delayMaxMs: 1 },
    filters: [],
  }
  const defaults = { config, precision: 'ns' as const, clock: systemClock, logger }
  const output = await openUdpDestination({ ...defaults, ...rest })
  t.after(() => output[Symbol.asyncDispose]())
  return { output, log }
}

function payload(texts: readonly string[], precision: Precision = 'ns'): Payload {
  const parts = { database: 'd', retentionPolicy: '', precision, credentials: NO_CREDENTIALS }
  const target = writeTarget(parts)
  const writes = texts.map((text): Write => {
    const body = Buffer.from(text)
    const lineCount = text.split('\n').length - 1
    return { kind: 'lines', target, body, lineCount, receivedAtMs: 0 }
  })
  return { target, writes, bytes: writes.reduce((sum, { body }) => sum + body.length, 0) }
}

const DELIVERED = { kind: 'delivered', body: '', lost: [] }

test('the lines of a batch arrive, small writes in one datagram', async (t) => {
  const receiver = await openReceiver(t)
  const { output } = await openOutput(t, receiver.port)
  assert.deepEqual(await output.send(payload(['a v=1 1\n', 'b v=1 1\n']), events), DELIVERED)
  assert.deepEqual(await receiver.datagrams.atLeast(1), ['a v=1 1\nb v=1 1\n'])
})

test('a line over the mtu is told as lost, the others arrive, and the log says so once', async (t) => {
  const receiver = await openReceiver(t)
  const { output, log } = await openOutput(t, receiver.port)
  const long = `m v="${'x'.repeat(100)}" 1\n`
  for (let sends = 0; sends < 3; sends++) {
    const verdict = await output.send(payload([`a v=1 1\n${long}`, 'b v=1 1\n', long]), events)
    assert.deepEqual(verdict, {
      ...DELIVERED,
      lost: [
        { reason: 'over-mtu', writeIndex: 0, lineCount: 1 },
        { reason: 'over-mtu', writeIndex: 2, lineCount: 1 },
      ],
    })
  }
  const expected = Array(3).fill('a v=1 1\nb v=1 1\n')
  assert.deepEqual(await receiver.datagrams.atLeast(3), expected)
  assert.equal(log.items.filter((line) => line.includes('mtu of 100')).length, 1)
})

test('a datagram that the system refuses is told as lost, those beside it arrive', async (t) => {
  const receiver = await openReceiver(t)
  // Larger than IPv4 can carry: no configuration allows it, but the system may have smaller bounds.
  const { output, log } = await openOutput(t, receiver.port, { mtu: 100_000 })
  const long = `m v="${'x'.repeat(70_000)}" 1\n`
  const verdict = await output.send(payload(['a v=1 1\n', long, 'b v=1 1\n']), events)
  const lost = [{ reason: 'send-error', writeIndex: 1, lineCount: 1 }]
  assert.deepEqual(verdict, { ...DELIVERED, lost })
  assert.deepEqual(await receiver.datagrams.atLeast(2), ['a v=1 1\n', 'b v=1 1\n'])
  await log.first((line) => line.includes('EMSGSIZE'), 'the cause in the log')
})

test('timestamps are rescaled for a receiver that takes them for nanoseconds', async (t) => {
  const receiver = await openReceiver(t)
  const { output } = await openOutput(t, receiver.port)
  await output.send(payload(['a v=1 1500\n'], 'ms'), events)
  assert.deepEqual(await receiver.datagrams.atLeast(1), ['a v=1 1500000000\n'])
})

test('a UDP relay of another precision sends timestamps as they came', async (t) => {
  const receiver = await openReceiver(t)
  const { output } = await openOutput(t, receiver.port, { precision: 's' })
  await output.send(payload(['a v=1 1500\n'], 's'), events)
  assert.deepEqual(await receiver.datagrams.atLeast(1), ['a v=1 1500\n'])
})

test('statements and batches without lines send nothing, and nothing is amiss', async (t) => {
  const receiver = await openReceiver(t)
  const { output } = await openOutput(t, receiver.port)
  const { target } = payload([])
  const body = Buffer.from('CREATE DATABASE d')
  const write: Write = { kind: 'statement', target, body, lineCount: 1, receivedAtMs: 0 }
  assert.deepEqual(await output.send({ target, writes: [write], bytes: 17 }, events), DELIVERED)
  assert.deepEqual(await output.send(payload(['']), events), DELIVERED)
  await output.send(payload(['a v=1 1\n']), events)
  assert.deepEqual(await receiver.datagrams.atLeast(1), ['a v=1 1\n'])
})

// Told as delivered it would look as if the points had gone somewhere.
test('a body that is no line protocol is refused for good, and nothing is sent', async (t) => {
  const receiver = await openReceiver(t)
  const { output } = await openOutput(t, receiver.port)
  const { target } = payload([])
  const base = { target, body: Buffer.from('\u0001'), lineCount: 3, receivedAtMs: 0 }
  const write: Write = { kind: 'opaque', headers: {}, ...base }
  const verdict = await output.send({ target, writes: [write], bytes: 1 }, events)
  assert(verdict.kind === 'refused', JSON.stringify(verdict))
  assert.equal(verdict.reply.status, 400)
  assert.match(verdict.reply.error, /sends line protocol only/)
  assert.equal(verdict.isUnconfirmed, false)
  await output.send(payload(['a v=1 1\n']), events)
  assert.deepEqual(await receiver.datagrams.atLeast(1), ['a v=1 1\n'])
})

test('a batch of more datagrams than may be in flight arrives whole and in order', async (t) => {
  const receiver = await openReceiver(t)
  const { output } = await openOutput(t, receiver.port)
  // No more than a receive buffer of the usual size holds: the receiver is as busy as we are.
  const lines = Array.from({ length: 400 }, (_, index) => `a v="${'x'.repeat(60)}" ${index}\n`)
  assert.deepEqual(await output.send(payload([lines.join('')]), events), DELIVERED)
  assert.deepEqual(await receiver.datagrams.atLeast(400), lines)
})

test('a name that cannot be looked up yet is down, and up once it can', async (t) => {
  const receiver = await openReceiver(t)
  let addresses: readonly HostAddress[] = []
  const resolve = async (host: string) => {
    assert.equal(host, 'db.example')
    if (addresses.length === 0) throw new Error('queryA ENOTFOUND db.example')
    return addresses
  }
  const { output } = await openOutput(t, receiver.port, { host: 'db.example', resolve })
  assert.equal((await output.probe()).isAnswered, false)
  const verdict = await output.send(payload(['a v=1 1\n']), events)
  assert.deepEqual(verdict, {
    kind: 'retry',
    why: 'cannot connect to db.example: queryA ENOTFOUND db.example',
    retryAfterMs: undefined,
    hasBegun: false,
    isDown: true,
    evidence: 'none',
  })
  addresses = [LOCAL]
  assert.equal((await output.probe()).isAnswered, true)
  await output.send(payload(['a v=1 1\n']), events)
  assert.deepEqual(await receiver.datagrams.atLeast(1), ['a v=1 1\n'])
})

test('the first address that can be connected is taken', async (t) => {
  const receiver = await openReceiver(t)
  // No address of this family: as IPv6 on a machine that has none.
  const useless: HostAddress = { address: 'fe80::1%nonesuch', family: 6 }
  const resolve = async () => [useless, LOCAL]
  const { output } = await openOutput(t, receiver.port, { host: 'db.example', resolve })
  await output.send(payload(['a v=1 1\n']), events)
  assert.deepEqual(await receiver.datagrams.atLeast(1), ['a v=1 1\n'])
})

test('a name that has moved is followed, and a failing lookup keeps the old address', async (t) => {
  const before = await openReceiver(t)
  const after = await openReceiver(t, before.port, '127.0.0.2')
  const timers: (() => void)[] = []
  const startTimer: Clock['startTimer'] = (_, fire) => {
    timers.push(fire)
    return { cancel() {} }
  }
  let addresses: readonly HostAddress[] = [LOCAL]
  const resolve = async () => {
    if (addresses.length === 0) throw new Error('queryA ETIMEOUT')
    return addresses
  }
  const clock = { ...systemClock, startTimer }
  const { output, log } = await openOutput(t, before.port, { host: 'db.example', resolve, clock })
  await output.send(payload(['a v=1 1\n']), events)
  await before.datagrams.atLeast(1)

  addresses = []
  timers.pop()?.()
  await log.first((line) => line.includes('ETIMEOUT'), 'the failed lookup in the log')
  await output.send(payload(['b v=1 1\n']), events)
  await before.datagrams.atLeast(2)

  addresses = [{ address: '127.0.0.2', family: 4 }]
  timers.pop()?.()
  await log.first((line) => line.includes('127.0.0.2 (before: 127.0.0.1)'), 'the move in the log')
  await output.send(payload(['c v=1 1\n']), events)
  assert.deepEqual(await after.datagrams.atLeast(1), ['c v=1 1\n'])
  assert.deepEqual(before.datagrams.items, ['a v=1 1\n', 'b v=1 1\n'])
})

test('a receiver that is gone is logged, and what is sent after its return arrives', async (t) => {
  const gone = await openReceiver(t)
  const { output, log } = await openOutput(t, gone.port)
  await gone.close()
  await until(
    async () => {
      assert.deepEqual(await output.send(payload(['a v=1 1\n']), events), DELIVERED)
      return log.items.some((line) => line.includes('ECONNREFUSED'))
    },
    { what: 'the refusal in the log' },
  )
  const back = await openReceiver(t, gone.port)
  assert.deepEqual(await output.send(payload(['b v=1 1\n']), events), DELIVERED)
  assert.deepEqual(await back.datagrams.atLeast(1), ['b v=1 1\n'])
})

test('closing twice is allowed, and waits for no lookup, which is given up', async (t) => {
  // Only an abort ends it, as with name servers that are silent.
  const resolve: ResolveHost = (_, signal) =>
    new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(new Error('given up')))
    })
  const { output } = await openOutput(t, 9, { host: 'db.example', resolve })
  const sending = output.send(payload(['a v=1 1\n']), events)
  await output[Symbol.asyncDispose]()
  await output[Symbol.asyncDispose]()
  const verdict = await sending
  assert(verdict.kind === 'retry', JSON.stringify(verdict))
  assert.equal(verdict.why, 'the output is closed')
  assert.equal((await output.probe()).isAnswered, false)
})
