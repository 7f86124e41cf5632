/**
 * UDP sockets: the only file that knows dgram-as-promised.
 *
 * Used for what it does well: create, bind, close. Its `recv()` and `for await` lose the datagrams
 * that arrive while the caller is busy, and its promise of `send` costs more than the datagram: so
 * reading and sending are done on the inner socket.
 *
 * Life: `bind…` and `connect…` return a working socket, or reject with nothing left open.
 */

import type { Socket } from 'node:dgram'
import { DgramAsPromised, type SocketAsPromised } from 'dgram-as-promised'

export interface UdpEndpoint {
  /** An IP address, never a name: node would look it up again for every single datagram. */
  readonly address: string
  readonly family: 4 | 6
  readonly port: number
}

export interface UdpSocket {
  /** For reading, sending, events and options. Not to be closed through. */
  readonly inner: Socket
  /** Allowed more than once, and when the socket has closed by itself. Never rejects. */
  close(): Promise<void>
}

/** Bound and receiving. `::` takes IPv4 as well, where the system has both. */
export async function bindUdpSocket(endpoint: UdpEndpoint): Promise<UdpSocket> {
  const { address, port, family } = endpoint
  const promised = DgramAsPromised.createSocket({ type: family === 6 ? 'udp6' : 'udp4' })
  const socket = withClose(promised)
  try {
    await promised.bind({ address, port })
  } catch (error) {
    // A failed bind would be told once more by the next call: this socket is good for nothing.
    await socket.close()
    throw error
  }
  return socket
}

/** Bound to any port, sends to `endpoint` only. The system tells a connected socket of refusals. */
export async function connectUdpSocket(endpoint: UdpEndpoint): Promise<UdpSocket> {
  const { address, port, family } = endpoint
  const promised = DgramAsPromised.createSocket({ type: family === 6 ? 'udp6' : 'udp4' })
  const socket = withClose(promised)
  try {
    await promised.bind({ port: 0, exclusive: true })
    await new Promise<void>((resolve, reject) => {
      // The types do not say so, but the callback gets the error of a failed connect.
      const done = (error?: Error | null) => (error ? reject(error) : resolve())
      socket.inner.connect(port, address, done)
    })
  } catch (error) {
    await socket.close()
    throw error
  }
  return socket
}

function withClose(promised: SocketAsPromised): UdpSocket {
  const inner = promised.socket
  let closed: Promise<void> | undefined
  inner.once('close', () => {
    closed ??= Promise.resolve()
  })
  return {
    inner,
    close() {
      // It rejects only when the socket is closed already, which is all that was wanted.
      closed ??= promised.close().catch(() => {})
      return closed
    },
  }
}
