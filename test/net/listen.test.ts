import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, Server } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Endpoint } from '../../src/net/endpoint.ts'
import { type BindSocket, listenTcp, listenUdp } from '../../src/net/listen.ts'
import { bindUdpSocket } from '../../src/net/udp-socket.ts'

const EVERYWHERE = { host: '', port: 0 }

/** Listens as on a machine whose kernel has no IPv6. */
class ServerWithoutIpv6 extends Server {
  override listen(...given: unknown[]): this {
    const [options] = given
    assert(typeof options === 'object' && options !== null && 'host' in options)
    if (options.host !== '::') return super.listen(options)
    const error = Object.assign(new Error('listen EAFNOSUPPORT'), { code: 'EAFNOSUPPORT' })
    setImmediate(() => this.emit('error', error))
    return this
  }
}

async function openServer(t: TestContext, wanted: Endpoint, server = new Server()) {
  t.after(() => server.close())
  return await listenTcp(server, wanted, 'relay "a"')
}

async function openSocket(t: TestContext, wanted: Endpoint, bind?: BindSocket) {
  const { socket, endpoint } = await listenUdp(wanted, 'relay "a"', bind)
  t.after(() => socket.close())
  return endpoint
}

test('a listener is told the port that the system chose', async (t) => {
  const tcp = await openServer(t, { kind: 'tcp', host: '127.0.0.1', port: 0 })
  const udp = await openSocket(t, { kind: 'udp', host: '127.0.0.1', port: 0 })
  assert.deepEqual([tcp.kind, tcp.host], ['tcp', '127.0.0.1'])
  assert.deepEqual([udp.kind, udp.host], ['udp', '127.0.0.1'])
  assert(tcp.port > 0 && udp.port > 0)
})

test('without a host, a TCP listener is reached over IPv4', async (t) => {
  const { port } = await openServer(t, { kind: 'tcp', ...EVERYWHERE })
  const client = connect(port, '127.0.0.1')
  await once(client, 'connect')
  client.destroy()
})

test('without a host and without IPv6, TCP and UDP listen on every IPv4 address', async (t) => {
  const tcp = await openServer(t, { kind: 'tcp', ...EVERYWHERE }, new ServerWithoutIpv6())
  const bind: BindSocket = async (endpoint) => {
    if (endpoint.family === 4) return await bindUdpSocket(endpoint)
    throw Object.assign(new Error('bind EAFNOSUPPORT ::'), { code: 'EAFNOSUPPORT' })
  }
  const udp = await openSocket(t, { kind: 'udp', ...EVERYWHERE }, bind)
  assert.deepEqual([tcp.host, udp.host], ['0.0.0.0', '0.0.0.0'])
})

test('an address that cannot be used is an error that says who, where and why', async (t) => {
  const check = async (opening: Promise<Endpoint>, code: string, message: RegExp) =>
    await assert.rejects(opening, { code, message })
  const tcp = await openServer(t, { kind: 'tcp', host: '127.0.0.1', port: 0 })
  const udp = await openSocket(t, { kind: 'udp', host: '127.0.0.1', port: 0 })
  const inUse =
    /^relay "a" cannot listen on (udp )?127\.0\.0\.1:\d+: another program is listening there$/
  await check(openServer(t, tcp), 'RELAY_ADDRESS_IN_USE', inUse)
  await check(openSocket(t, udp), 'RELAY_ADDRESS_IN_USE', inUse)
  const foreign = /^relay "a" cannot listen on (udp )?192\.0\.2\.1:1: .*EADDRNOTAVAIL/
  const [host, port] = ['192.0.2.1', 1]
  await check(openServer(t, { kind: 'tcp', host, port }), 'RELAY_ADDRESS_UNUSABLE', foreign)
  await check(openSocket(t, { kind: 'udp', host, port }), 'RELAY_ADDRESS_UNUSABLE', foreign)
})

test('without a host, an address in use is an error, and not taken for a lack of IPv6', async (t) => {
  const { port } = await openServer(t, { kind: 'tcp', ...EVERYWHERE })
  await assert.rejects(openServer(t, { kind: 'tcp', host: '', port }), {
    code: 'RELAY_ADDRESS_IN_USE',
    message: `relay "a" cannot listen on :${port}: another program is listening there`,
  })
})
