/**
 * One connection of the load generator: sends bytes that were rendered before, and reports when the
 * answer is complete. One request at a time.
 */
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AnswerReader } from './answer-reader.ts'

/** Answers are short; longer ones come in several reads. */
const READ_BYTES = 4096

export interface LoadConnectionOptions {
  /** On 127.0.0.1. */
  readonly port: number
  /** Certificate to trust; with it the connection uses TLS. */
  readonly ca?: string | undefined
  /** The connection is open. */
  readonly onOpen: () => void
  /** The status of the answer to the last request. */
  readonly onAnswer: (status: number) => void
  /** The connection could not be opened, or ended without a call of `close`. */
  readonly onBroken: () => void
}

export class LoadConnection {
  /**
   * When the request in flight was due, in milliseconds of `performance.now()`; `undefined` while
   * there is none.
   */
  dueAt: number | undefined
  readonly #socket: Socket
  readonly #reader = new AnswerReader()
  #isClosed = false

  constructor({ port, ca, onOpen, onAnswer, onBroken }: LoadConnectionOptions) {
    const read = (length: number, into: Uint8Array) => {
      const bytes = Buffer.from(into.buffer, into.byteOffset, length)
      const status = this.#reader.read(bytes)
      if (status !== undefined) onAnswer(status)
      return true
    }
    const onread = { buffer: Buffer.alloc(READ_BYTES), callback: read }
    const place = { host: '127.0.0.1', port, noDelay: true, onread }
    this.#socket = ca === undefined ? connect(place) : connectTls({ ...place, ca })
    this.#socket.once(ca === undefined ? 'connect' : 'secureConnect', onOpen)
    this.#socket.on('error', () => {}) // Followed by 'close'.
    this.#socket.once('close', () => {
      if (!this.#isClosed) onBroken()
    })
  }

  send(request: Buffer): void {
    this.#socket.write(request)
  }

  /** No event follows. */
  close(): void {
    this.#isClosed = true
    this.#socket.destroy()
  }
}
