/**
 * A separate process with one output that costs next to nothing: it finds the end of each request,
 * answers 204, and counts.
 *
 * Run by the benchmarks: `node bench/support/counting-sink.ts [DELAY_MS]`. Prints its port as its
 * first line and runs until it is killed. Sends every answer DELAY_MS after its request. `GET
 * /counts` answers the counts so far, as JSON (`SinkCounts`).
 *
 * Counts lines in uncompressed bodies. Counts the bytes of gzip bodies: a caller that sends the
 * same body again and again can compute the lines. Bodies without a length are not supported.
 */
import { createServer, type Socket } from 'node:net'
import type { SinkCounts } from './start-counting-sink.ts'

const DELAY_MS = Number(process.argv[2] ?? 0)
const HEAD_END = '\r\n\r\n'
const NEWLINE = 10
const NO_CONTENT = 'HTTP/1.1 204 No Content\r\n\r\n'

type Body = 'lines' | 'gzip' | 'other'

const counts: { -readonly [K in keyof SinkCounts]: number } = {
  requests: 0,
  lines: 0,
  gzipBytes: 0,
  otherRequests: 0,
}

class SinkConnection {
  readonly #socket: Socket
  /** The beginning of a head that is not complete yet. */
  #begun: Buffer = Buffer.alloc(0)
  #body: Body = 'lines'
  #bodyLeft = 0

  constructor(socket: Socket) {
    this.#socket = socket
  }

  read(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0) rest = this.#bodyLeft > 0 ? this.#readBody(rest) : this.#readHead(rest)
  }

  /** @returns the bytes after the body */
  #readBody(bytes: Buffer): Buffer {
    const part = bytes.subarray(0, this.#bodyLeft)
    this.#bodyLeft -= part.length
    if (this.#body === 'lines') counts.lines += countNewlines(part)
    if (this.#body === 'gzip') counts.gzipBytes += part.length
    if (this.#bodyLeft === 0) this.#finish()
    return bytes.subarray(part.length)
  }

  #readHead(bytes: Buffer): Buffer {
    const all = this.#begun.length === 0 ? bytes : Buffer.concat([this.#begun, bytes])
    const end = all.indexOf(HEAD_END)
    if (end < 0) {
      this.#begun = all
      return all.subarray(all.length)
    }
    this.#begun = Buffer.alloc(0)
    this.#begin(all.toString('latin1', 0, end))
    return all.subarray(end + HEAD_END.length)
  }

  #begin(head: string): void {
    if (!head.startsWith('POST')) {
      this.#answer(head.startsWith('GET /counts') ? renderCounts() : NO_CONTENT)
      return
    }
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (length === undefined) throw new Error(`a body without a length: ${head}`)
    this.#bodyLeft = Number(length)
    this.#body = bodyOf(/\r\ncontent-encoding: *(\S+)/i.exec(head)?.[1])
    if (this.#bodyLeft === 0) this.#finish()
  }

  #finish(): void {
    counts.requests++
    if (this.#body === 'other') counts.otherRequests++
    this.#answer(NO_CONTENT)
  }

  #answer(text: string): void {
    if (DELAY_MS === 0) this.#socket.write(text, 'latin1')
    else setTimeout(() => this.#socket.write(text, 'latin1'), DELAY_MS)
  }
}

function bodyOf(encoding: string | undefined): Body {
  if (encoding === undefined) return 'lines'
  return encoding.toLowerCase() === 'gzip' ? 'gzip' : 'other'
}

function countNewlines(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count++
  return count
}

function renderCounts(): string {
  const body = JSON.stringify(counts)
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

const server = createServer({ noDelay: true }, (socket) => {
  const connection = new SinkConnection(socket)
  socket.on('data', (chunk: Buffer) => connection.read(chunk))
  socket.on('error', () => socket.destroy()) // The program under load was stopped.
})
server.listen(0, '127.0.0.1', 4096, () => {
  const address = server.address()
  console.log(typeof address === 'object' ? address?.port : '')
})
