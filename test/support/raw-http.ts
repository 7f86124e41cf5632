/**
 * HTTP on a plain socket: sends any bytes, parses the answers.
 *
 * For requests that no HTTP library sends (pipelining, broken framing, half-closed connections,
 * bodies byte by byte), and for tests of exactly which bytes came back on which connection.
 *
 *     await using connection = await openRawConnection(relay.url)
 *     await connection.send('POST /write?db=db HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n')
 *     await connection.send('m v=1')
 *     const { status } = await connection.response()
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { parseResponse, type RawResponse } from './raw-response.ts'
import { resetSocket } from './reset-socket.ts'
import { withinLimit } from './wait.ts'

export type { RawResponse }

/** @param url only its host and port are used */
export async function openRawConnection(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true })
  await once(socket, 'connect')
  return new RawConnection(socket)
}

/** Sends the bytes, and returns the answers until the server closes the connection. */
export async function rawExchange(url: string, bytes: string | Uint8Array): Promise<RawResponse[]> {
  await using connection = await openRawConnection(url)
  await connection.send(bytes)
  await connection.closed
  const responses: RawResponse[] = []
  while (connection.unread.length > 0) responses.push(await connection.response())
  return responses
}

export class RawConnection implements AsyncDisposable {
  /** Resolves when the server has ended or reset the connection. */
  readonly closed: Promise<void>
  readonly socket: Socket
  #unread: Buffer = Buffer.alloc(0)
  #ended = false
  #failure: Error | undefined
  #changed = Promise.withResolvers<void>()

  constructor(socket: Socket) {
    this.socket = socket
    const { promise, resolve } = Promise.withResolvers<void>()
    this.closed = promise
    const end = (error?: Error) => {
      this.#ended = true
      this.#failure ??= error
      this.#wake()
      resolve()
    }
    socket.on('data', (chunk: Buffer) => {
      this.#unread = Buffer.concat([this.#unread, chunk])
      this.#wake()
    })
    socket.on('end', () => end())
    socket.on('error', end)
    socket.on('close', () => end())
  }

  /** Received bytes that no `response()` has returned yet. */
  get unread(): Buffer {
    return this.#unread
  }

  /** Why the connection broke; `undefined` if it ended cleanly. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Resolves when the kernel has taken the bytes. */
  async send(bytes: string | Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.socket.write(bytes, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** Closes the client's half: the server reads an end, and may still answer. */
  endSending(): void {
    this.socket.end()
  }

  reset(): void {
    resetSocket(this.socket)
  }

  /**
   * The next answer, interim ones (1xx) included.
   *
   * @param options.toHead the request was a HEAD: the answer has no body, whatever its headers say
   */
  async response({ toHead = false } = {}): Promise<RawResponse> {
    return await withinLimit(this.#next(toHead), {
      what: () => `an HTTP response; unread: ${JSON.stringify(this.#unread.toString('latin1'))}`,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy()
  }

  async #next(toHead: boolean): Promise<RawResponse> {
    for (;;) {
      const parsed = parseResponse(this.#unread, { toHead, ended: this.#ended })
      if (parsed !== undefined) {
        this.#unread = this.#unread.subarray(parsed.byteCount)
        return parsed.response
      }
      if (this.#ended) {
        const rest = JSON.stringify(this.#unread.toString('latin1').slice(0, 500))
        const cause = this.#failure
        throw new Error(`the connection ended without a whole response: ${rest}`, { cause })
      }
      await this.#changed.promise
    }
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers<void>()
  }
}
