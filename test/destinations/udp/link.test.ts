import assert from 'node:assert/strict'
import type { Socket } from 'node:dgram'
import { EventEmitter } from 'node:events'
import { type TestContext, test } from 'node:test'
import { UdpLink } from '../../../src/destinations/udp/link.ts'
import type { UdpSocket } from '../../../src/net/udp-socket.ts'
import { type Clock, systemClock } from '../../../src/std/clock.ts'
import type { Logger } from '../../../src/std/logger.ts'

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }
const DATAGRAM = Buffer.from('a v=1 1\n')

type Done = (error?: Error | null) => void

/**
 * A socket that answers when told to: what a full send buffer does cannot be had for the asking.
 */
interface Fake {
  readonly sends: Done[]
  connects: number
  nowMs: number
  readonly timers: (() => void)[]
  readonly warnings: string[]
}

async function openLink(t: TestContext): Promise<{ link: UdpLink; fake: Fake }> {
  const fake: Fake = { sends: [], connects: 0, nowMs: 0, timers: [], warnings: [] }
  const startTimer: Clock['startTimer'] = (_, fire) => {
    fake.timers.push(fire)
    return { cancel() {} }
  }
  const connect = async (): Promise<UdpSocket> => {
    fake.connects++
    const send = (_: Buffer, done: Done) => fake.sends.push(done)
    const inner: unknown = Object.assign(new EventEmitter(), { send })
    // The link uses only what is here.
    return { inner: inner as Socket, close: async () => {} }
  }
  const link = new UdpLink({
    ...{ name: 'o', host: '127.0.0.1', port: 9, connect },
    logger: { ...silent, warn: (_, text) => fake.warnings.push(text) },
    resolve: async () => [{ address: '127.0.0.1', family: 4 as const }],
    clock: { ...systemClock, startTimer, monotonicMs: () => fake.nowMs },
  })
  t.after(() => link[Symbol.asyncDispose]())
  assert.equal(await link.ready(), '')
  return { link, fake }
}

function failure(code: string): Error {
  return Object.assign(new Error(`send ${code}`), { code })
}

test('256 datagrams are in flight at the most; whoever waits is woken when one has left', async (t) => {
  const { link, fake } = await openLink(t)
  let left = 0
  for (let sent = 0; sent < 256; sent++) {
    assert(link.hasRoom)
    link.send(DATAGRAM, () => left++)
  }
  assert(!link.hasRoom)
  const room = link.room()
  fake.sends[0]?.(null)
  await room
  assert(link.hasRoom)
  assert.equal(left, 1)
  await link.room()
})

test('a system that is short of memory is given time, and nothing is lost', async (t) => {
  const { link, fake } = await openLink(t)
  const sent = Promise.withResolvers<Error | undefined>()
  link.send(DATAGRAM, sent.resolve)
  for (const code of ['ENOBUFS', 'EAGAIN', 'ENOMEM']) {
    fake.sends.shift()?.(failure(code))
    fake.timers.pop()?.()
  }
  fake.sends.shift()?.(null)
  assert.equal(await sent.promise, undefined)
})

test('a shortage without end is an error in the end', async (t) => {
  const { link, fake } = await openLink(t)
  const sent = Promise.withResolvers<Error | undefined>()
  link.send(DATAGRAM, sent.resolve)
  for (let tries = 1; tries <= 40; tries++) {
    fake.sends.shift()?.(failure('ENOBUFS'))
    fake.timers.pop()?.()
  }
  assert.match(String(await sent.promise), /ENOBUFS/)
})

test('a refusal of an earlier datagram does not cost the one that met it', async (t) => {
  const { link, fake } = await openLink(t)
  const sent = Promise.withResolvers<Error | undefined>()
  link.send(DATAGRAM, sent.resolve)
  fake.sends.shift()?.(failure('ECONNREFUSED'))
  fake.sends.shift()?.(null)
  assert.equal(await sent.promise, undefined)
  assert.deepEqual(fake.warnings, [
    'output "o": 127.0.0.1:9 refuses datagrams (ECONNREFUSED), 1 so far; ' +
      'the refused datagrams are lost, sending continues',
  ])
})

test('a socket that cannot send any more is replaced, at most once a second', async (t) => {
  const { link, fake } = await openLink(t)
  const fail = async () => {
    const sent = Promise.withResolvers<Error | undefined>()
    link.send(DATAGRAM, sent.resolve)
    fake.sends.shift()?.(failure('EINVAL'))
    assert.match(String(await sent.promise), /EINVAL/)
  }
  await fail()
  assert(link.isReady)
  fake.nowMs = 1000
  await fail()
  assert(!link.isReady)
  assert.equal(await link.ready(), '')
  assert.equal(fake.connects, 2)
  await fail()
  assert(link.isReady)
})

test('a socket that opens after closing is closed at once, and no further address is tried', async () => {
  const opening = Promise.withResolvers<UdpSocket>()
  const asked = Promise.withResolvers<void>()
  let connects = 0
  const connect = () => {
    connects++
    asked.resolve()
    return opening.promise
  }
  const link = new UdpLink({
    ...{ name: 'o', host: '127.0.0.1', port: 9, logger: silent, clock: systemClock, connect },
    resolve: async () => [
      { address: '127.0.0.1', family: 4 as const },
      { address: '127.0.0.2', family: 4 as const },
    ],
  })
  const ready = link.ready()
  await asked.promise
  await link[Symbol.asyncDispose]()
  let closes = 0
  const close = async () => {
    closes++
  }
  const inner: unknown = new EventEmitter()
  opening.resolve({ inner: inner as Socket, close })
  assert.equal(await ready, 'the output is closed')
  assert.deepEqual({ connects, closes }, { connects: 1, closes: 1 })
  assert.equal(await link.ready(), 'the output is closed')
  assert.equal(connects, 1)
})
