/**
 * Reads an accepted connection into buffers of ours.
 *
 * For every read node allocates 64 KB, and copies what came once more. Against that there is
 * `onread` for connections that one makes oneself; for accepted ones there is no public way. So
 * this does to a socket what `onread` would have done, by the same properties
 * (docs/decisions/own-reads.md).
 *
 * Only on versions of Node on which it was tried, and not for TLS. Elsewhere `undefined`, and the
 * connection is read by its `data` events.
 */

import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

const NODE_MAJORS: readonly number[] = [24, 25, 26]
/** Of all connections that were released: what comes into it is copied at once. */
const RELEASED = Buffer.allocUnsafeSlow(64 * 1024)

export interface ReadSink {
  /** Where the next read may go; never empty. */
  room(): Buffer
  /** So many bytes have come into that room. */
  onRead(bytes: number, room: Buffer): void
}

/** Properties of net.Socket, by the names that node gives them. */
interface Keys {
  readonly buffer: symbol
  readonly onRead: symbol
  readonly nextBuffer: symbol
}

interface Handle {
  useUserBuffer(buffer: Buffer): void
}

export class OwnReads {
  readonly #socket: Socket
  #sink: ReadSink | undefined

  private constructor(socket: Socket, sink: ReadSink) {
    this.#socket = socket
    this.#sink = sink
  }

  /**
   * To be called before anything was read.
   *
   * @returns `undefined`, with nothing changed, where it cannot be done
   */
  static of(socket: Socket, sink: ReadSink): OwnReads | undefined {
    const handle: unknown = Reflect.get(socket, '_handle')
    const keys = socket instanceof TLSSocket ? undefined : keysOf(socket)
    if (keys === undefined || !isHandle(handle)) return undefined
    const reads = new OwnReads(socket, sink)
    const room = sink.room()
    Reflect.set(socket, keys.buffer, room)
    Reflect.set(socket, keys.onRead, reads.#onRead)
    Reflect.set(socket, keys.nextBuffer, reads.#nextBuffer)
    handle.useUserBuffer(room)
    return reads
  }

  /** What is read from here on comes out of the socket as it does of any other. */
  release(): void {
    this.#sink = undefined
  }

  /** @returns false to read no more for the time being */
  readonly #onRead = (bytes: number, room: Buffer): boolean => {
    if (this.#sink === undefined) return this.#socket.push(Buffer.from(room.subarray(0, bytes)))
    this.#sink.onRead(bytes, room)
    return true
  }

  readonly #nextBuffer = (): Buffer => this.#sink?.room() ?? RELEASED
}

/** Where node keeps what `onread` asks for; of one version all sockets have the same. */
let knownKeys: Keys | undefined

function keysOf(socket: Socket): Keys | undefined {
  const major = Number(process.versions.node.split('.')[0])
  if (!NODE_MAJORS.includes(major)) return undefined
  if (knownKeys !== undefined) return knownKeys
  const symbols = Object.getOwnPropertySymbols(socket)
  const keyOf = (name: string) => symbols.find(({ description }) => description === name)
  const buffer = keyOf('kBuffer')
  const onRead = keyOf('kBufferCb')
  const nextBuffer = keyOf('kBufferGen')
  if (buffer && onRead && nextBuffer) knownKeys = { buffer, onRead, nextBuffer }
  return knownKeys
}

function isHandle(handle: unknown): handle is Handle {
  return typeof handle === 'object' && handle !== null && 'useUserBuffer' in handle
}
