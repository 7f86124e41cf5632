/**
 * UDP sockets; the only file that uses dgram-as-promised.
 *
 * The library creates, binds and closes sockets. Its `recv()` and `for await` lose the datagrams
 * that arrive while the caller is busy, and the promise of its `send` costs more than the datagram.
 * So the relay receives and sends on the inner socket.
 *
 * Lifecycle: `bind…` and `connect…` return a working socket, or reject and leave nothing open.
 */

import type { Socket } from 'node:dgram'
import { DgramAsPromised, type SocketAsPromised } from 'dgram-as-promised'

export interface UdpEndpoint {
  /** An IP address, never a name: Node would look up a name again for every datagram. */
  readonly address: string
  readonly family: 4 | 6
  readonly port: number
}

export interface UdpSocket {
  /** For receiving, sending, events and options. Close the socket with `close` only. */
  readonly inner: Socket
  /** Allowed more than once, and after the socket has closed by itself. Never rejects. */
  close(): Promise<void>
}

/** A bound, receiving socket. `::` also receives IPv4 on systems that have both. */
export async function bindUdpSocket(endpoint: UdpEndpoint): Promise<UdpSocket> {
  const { address, port, family } = endpoint
  const promised = DgramAsPromised.createSocket({ type: family === 6 ? 'udp6' : 'udp4' })
  const socket = withClose(promised)
  try {
    await promised.bind({ address, port })
  } catch (error) {
    // The next call on this socket would report the failed bind again, so close it.
    await socket.close()
    throw error
  }
  return socket
}

/** Bound to any port, connected to `endpoint`: the system reports refused datagrams on it. */
export async function connectUdpSocket(endpoint: UdpEndpoint): Promise<UdpSocket> {
  const { address, port, family } = endpoint
  const promised = DgramAsPromised.createSocket({ type: family === 6 ? 'udp6' : 'udp4' })
  const socket = withClose(promised)
  try {
    await promised.bind({ port: 0, exclusive: true })
    await new Promise<void>((resolve, reject) => {
      // Unlike the types say, the callback gets the error of a failed connect.
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
      // `close` rejects only when the socket is closed already, which is fine.
      closed ??= promised.close().catch(() => {})
      return closed
    },
  }
}
