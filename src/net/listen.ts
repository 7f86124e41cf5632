/**
 * Binds the sockets of all listeners, TCP and UDP, with one error for the operator.
 *
 * The host '' stands for every address of the machine, IPv6 and IPv4; on a machine without IPv6,
 * for every IPv4 address. A name stands for the first of its addresses.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:net'
import { errorCode, errorText, RelayError } from '../std/errors.ts'
import { type Endpoint, renderAddress } from './endpoint.ts'
import { type ResolveHost, resolveHost } from './udp-host.ts'
import { bindUdpSocket, type UdpEndpoint, type UdpSocket } from './udp-socket.ts'

export type BindSocket = (endpoint: UdpEndpoint) => Promise<UdpSocket>

export interface BoundSocket {
  readonly socket: UdpSocket
  /** With the port that the system chose, if the wanted port is 0. */
  readonly endpoint: Endpoint
}

/** Connections that may wait in the kernel's accept queue; the machine's limit may be lower. */
const BACKLOG_CONNECTIONS = 1024
/** Errors of an IPv6 socket on a machine without IPv6. */
const NO_IPV6 = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EPROTONOSUPPORT', 'EINVAL'])

/**
 * @param who the listener, for errors: `relay "a"`
 * @returns the endpoint with the port that the system chose, if the wanted port is 0
 * @throws RelayError RELAY_ADDRESS_IN_USE, RELAY_ADDRESS_UNUSABLE; the server does not listen then
 */
export async function listenTcp(server: Server, wanted: Endpoint, who: string): Promise<Endpoint> {
  return await bindFirst(wanted, who, async (host) => {
    server.listen({ host, port: wanted.port, backlog: BACKLOG_CONNECTIONS })
    await once(server, 'listening')
    const bound = server.address()
    assert(typeof bound === 'object' && bound !== null, 'a TCP server has an address and a port')
    return { kind: 'tcp', host: bound.address, port: bound.port }
  })
}

/**
 * Opens a receiving socket.
 *
 * @param who the listener, for errors: `relay "a"`
 * @throws RelayError RELAY_ADDRESS_IN_USE, RELAY_ADDRESS_UNUSABLE
 */
export async function listenUdp(
  wanted: Endpoint,
  who: string,
  bind: BindSocket = bindUdpSocket,
  resolve: ResolveHost = resolveHost,
): Promise<BoundSocket> {
  return await bindFirst(wanted, who, async (host) => {
    const [first] = await resolve(host)
    if (first === undefined) throw new Error(`${host} has no address`)
    const socket = await bind({ ...first, port: wanted.port })
    const { address, port } = socket.inner.address()
    return { socket, endpoint: { kind: 'udp', host: address, port } }
  })
}

async function bindFirst<T>(
  wanted: Endpoint,
  who: string,
  bind: (host: string) => Promise<T>,
): Promise<T> {
  try {
    return await (wanted.host === '' ? bindEverywhere(bind) : bind(wanted.host))
  } catch (error) {
    throw listenError(wanted, who, error)
  }
}

async function bindEverywhere<T>(bind: (host: string) => Promise<T>): Promise<T> {
  try {
    return await bind('::')
  } catch (error) {
    if (!NO_IPV6.has(errorCode(error))) throw error
  }
  return await bind('0.0.0.0')
}

function listenError(wanted: Endpoint, who: string, cause: unknown): RelayError {
  const isInUse = errorCode(cause) === 'EADDRINUSE'
  const code = isInUse ? 'RELAY_ADDRESS_IN_USE' : 'RELAY_ADDRESS_UNUSABLE'
  const why = isInUse ? 'another program is listening there' : errorText(cause)
  // A TCP port of the same number may be free.
  const transport = wanted.kind === 'udp' ? 'udp ' : ''
  const message = `${who} cannot listen on ${transport}${renderAddress(wanted)}: ${why}`
  return new RelayError(code, message, { cause })
}
