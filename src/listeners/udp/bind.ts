/**
 * Opens the socket of a UDP listener: which addresses to try, and how large its receive buffer
 * became.
 */

import { type Endpoint, renderAddress } from '../../net/endpoint.ts'
import { type ResolveHost, resolveHost } from '../../net/udp-host.ts'
import { bindUdpSocket, type UdpEndpoint, type UdpSocket } from '../../net/udp-socket.ts'
import { errorCode, errorText, RelayError } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { renderBytes } from '../../std/units.ts'

export type BindSocket = (endpoint: UdpEndpoint) => Promise<UdpSocket>

export interface Bound {
  readonly socket: UdpSocket
  /** With the port that the system chose, if port 0 was configured. */
  readonly endpoint: UdpEndpoint
}

/** Errors of an IPv6 socket on a machine without IPv6. */
const NO_IPV6 = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EPROTONOSUPPORT', 'EINVAL'])

/**
 * Binds a socket to the first address of the host; '' is every address of the machine, IPv4 and
 * IPv6.
 *
 * @throws RelayError RELAY_ADDRESS_IN_USE, RELAY_ADDRESS_UNUSABLE
 */
export async function bindAddressOf(
  wanted: Endpoint,
  bind: BindSocket = bindUdpSocket,
  resolve: ResolveHost = resolveHost,
): Promise<Bound> {
  const { host, port } = wanted
  try {
    if (host === '') return await bindEverywhere(port, bind)
    const [address] = await resolve(host)
    if (address === undefined) throw new Error(`${host} has no address`)
    return await bound(await bind({ ...address, port }), address.family)
  } catch (error) {
    throw bindError(wanted, error)
  }
}

async function bindEverywhere(port: number, bind: BindSocket): Promise<Bound> {
  try {
    return bound(await bind({ address: '::', family: 6, port }), 6)
  } catch (error) {
    if (!NO_IPV6.has(errorCode(error))) throw error
  }
  return bound(await bind({ address: '0.0.0.0', family: 4, port }), 4)
}

function bound(socket: UdpSocket, family: 4 | 6): Bound {
  const { address, port } = socket.inner.address()
  return { socket, endpoint: { address, port, family } }
}

/** The error of a failed bind, for the operator. */
export function bindError(wanted: Endpoint, error: unknown): RelayError {
  const address = renderAddress(wanted)
  if (errorCode(error) === 'EADDRINUSE') {
    const text = `udp ${address} is in use by another program`
    return new RelayError('RELAY_ADDRESS_IN_USE', text, { cause: error })
  }
  const text = `udp ${address} cannot be bound: ${errorText(error)}`
  return new RelayError('RELAY_ADDRESS_UNUSABLE', text, { cause: error })
}

/** Sets SO_RCVBUF and reads it back, because the system silently cuts it to its own maximum. */
export function setReceiveBuffer(socket: UdpSocket, wantedBytes: number, logger: Logger): void {
  if (wantedBytes === 0) return
  let cause = ''
  try {
    socket.inner.setRecvBufferSize(wantedBytes)
  } catch (error) {
    cause = ` (${errorText(error)})`
  }
  // Linux reports twice the granted size: it doubles the size for its own bookkeeping.
  const factor = process.platform === 'linux' ? 2 : 1
  const grantedBytes = Math.floor(socket.inner.getRecvBufferSize() / factor)
  if (grantedBytes >= wantedBytes) return
  const text =
    `read-buffer of ${renderBytes(wantedBytes)} was cut to ` +
    `${renderBytes(grantedBytes)} by the system${cause}; raise net.core.rmem_max to get it all`
  logger.warn({ wantedBytes, grantedBytes }, text)
}
