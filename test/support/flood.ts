/**
 * Hostile clients: many connections, any bytes, answers that nobody reads.
 *
 *     await flood(relay.url, { connections: 500, bytes: (index) => requestsOf(index) })
 *
 * Resolves when every connection has sent all its bytes or was closed, or when the relay reads no
 * more from any of them. The connections stay open until the test closes them.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { httpRequest } from './http-request.ts'

export interface FloodOptions {
  readonly connections: number
  /** What connection number `index` sends, piece by piece. */
  readonly bytes: (index: number) => Iterable<Buffer | string>
  /** Default: true. A client that does not read its answers makes the relay keep them. */
  readonly reads?: boolean
  readonly tls?: boolean
}

export interface Flood extends Disposable {
  /** Number of connections that the relay has not closed. */
  readonly openCount: number
}

/** Connections opened at a time: more would reach the kernel's own limit. */
const OPENING_MAX = 100
/** After this many answered requests in which the relay read nothing, it will read nothing more. */
const STILL_ROUNDS = 8

/** @param url only its host and port are used */
export async function flood(url: string, options: FloodOptions): Promise<Flood> {
  const sockets: Socket[] = []
  const floods: Promise<void>[] = []
  while (sockets.length < options.connections) {
    const opening: Promise<unknown>[] = []
    for (let i = 0; i < OPENING_MAX && sockets.length < options.connections; i++) {
      const socket = openSocket(url, options)
      opening.push(opened(socket))
      floods.push(sendAll(socket, options.bytes(sockets.length)))
      sockets.push(socket)
    }
    await Promise.all(opening)
  }
  await Promise.race([Promise.all(floods), nothingMoves(url, sockets)])
  return {
    get openCount() {
      return sockets.filter((socket) => !socket.destroyed && !socket.readableEnded).length
    },
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy()
    },
  }
}

function openSocket(url: string, { reads = true, tls = false }: FloodOptions): Socket {
  const { hostname: host, port } = new URL(url)
  const address = { host, port: Number(port) }
  const socket = tls ? connectTls({ ...address, rejectUnauthorized: false }) : connect(address)
  socket.on('error', () => {}) // The relay may close the connection, as it should in a flood.
  if (reads) socket.resume()
  else socket.pause()
  return socket
}

async function opened(socket: Socket): Promise<void> {
  const closed = once(socket, 'close').catch(() => {})
  await Promise.race([once(socket, 'connect').catch(() => {}), closed])
}

async function sendAll(socket: Socket, pieces: Iterable<Buffer | string>): Promise<void> {
  const closed = once(socket, 'close').catch(() => {})
  for (const piece of pieces) {
    if (socket.destroyed) return
    if (!socket.write(piece)) await Promise.race([once(socket, 'drain').catch(() => {}), closed])
  }
  await Promise.race([closed, new Promise<void>((resolve) => socket.write('', () => resolve()))])
}

/** The relay reads from none of them, while it answers or refuses other clients. */
async function nothingMoves(url: string, sockets: readonly Socket[]): Promise<void> {
  let still = 0
  let before = -1
  while (still < STILL_ROUNDS) {
    await httpRequest(`${url}/ping`, {}).catch(() => {})
    await new Promise((resolve) => setTimeout(resolve, 20))
    const left = sockets.reduce((sum, { writableLength }) => sum + writableLength, 0)
    const written = sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0) - left
    still = written === before ? still + 1 : 0
    before = written
  }
}
