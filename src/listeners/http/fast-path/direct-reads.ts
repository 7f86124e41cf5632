/**
 * Reads an accepted connection into buffers of the relay.
 *
 * For every read node allocates 64 KB and then copies the bytes. The option `onread` avoids both
 * for outgoing connections; accepted connections have no public option. So this file sets the same
 * properties of a socket that `onread` would set (docs/decisions/direct-reads.md).
 *
 * Works only on the tested versions of Node, and not with TLS. Otherwise `of` returns `undefined`,
 * and the connection is read by its `data` events.
 */

import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

const NODE_MAJORS: readonly number[] = [24, 25, 26]
/** The read buffer of all released connections; bytes in it are copied at once. */
const RELEASED = Buffer.allocUnsafeSlow(64 * 1024)

export interface ReadSink {
  /** The buffer for the next read; never empty. */
  room(): Buffer
  /** The read has put so many bytes into `room`. */
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

export class DirectReads {
  readonly #socket: Socket
  #sink: ReadSink | undefined

  private constructor(socket: Socket, sink: ReadSink) {
    this.#socket = socket
    this.#sink = sink
  }

  /**
   * Call before anything is read.
   *
   * @returns `undefined`, with nothing changed, when the socket does not support it
   */
  static of(socket: Socket, sink: ReadSink): DirectReads | undefined {
    const handle: unknown = Reflect.get(socket, '_handle')
    const keys = socket instanceof TLSSocket ? undefined : keysOf(socket)
    if (keys === undefined || !isHandle(handle)) return undefined
    const reads = new DirectReads(socket, sink)
    const room = sink.room()
    Reflect.set(socket, keys.buffer, room)
    Reflect.set(socket, keys.onRead, reads.#onRead)
    Reflect.set(socket, keys.nextBuffer, reads.#nextBuffer)
    handle.useUserBuffer(room)
    return reads
  }

  /** From now on the socket emits `data` like any other socket. */
  release(): void {
    this.#sink = undefined
  }

  /** @returns false to stop reading for now */
  readonly #onRead = (bytes: number, room: Buffer): boolean => {
    if (this.#sink === undefined) return this.#socket.push(Buffer.from(room.subarray(0, bytes)))
    this.#sink.onRead(bytes, room)
    return true
  }

  readonly #nextBuffer = (): Buffer => this.#sink?.room() ?? RELEASED
}

/** The properties that `onread` sets. All sockets of one version of node have the same keys. */
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
