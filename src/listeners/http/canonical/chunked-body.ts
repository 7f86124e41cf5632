/**
 * Decodes a chunked body as Go's server does, and reports errors in Go's words.
 *
 *     size [; extension] CR LF  data CR LF  …  0 CR LF  *( trailer CR LF ) CR LF
 *
 * Extensions and trailers are discarded. A bare LF is not a line end, as in Go 1.23.8 and newer: if
 * two servers disagreed on it, a client could smuggle a request past one of them.
 *
 * Limits: `LINE_MAX_BYTES` for a line; `OVERHEAD_MAX_BYTES` for bytes other than data, beyond the
 * bytes that chunks of a usual size need.
 */

const LF = 0x0a
const LINE_MAX_BYTES = 4096
/** Go's limit for extensions: rejects a body that consists of little else. */
const OVERHEAD_MAX_BYTES = 16 * 1024
const SIZE_MAX_DIGITS = 16

export interface ChunkedPiece {
  /** The offset up to which bytes were read. */
  readonly end: number
  /** The decoded body. */
  readonly data: readonly Buffer[]
  readonly dataBytes: number
  readonly state: 'more' | 'complete' | 'broken'
}

type State = 'size' | 'data' | 'behind data' | 'trailer' | 'complete' | 'broken'

export class ChunkedBody {
  #state: State = 'size'
  /** The beginning of an incomplete line. */
  #line = ''
  #missingBytes = 0
  #overheadBytes = 0
  /** The error in the body, or ''. */
  error = ''

  read(bytes: Buffer, start: number): ChunkedPiece {
    const data: Buffer[] = []
    let dataBytes = 0
    let at = start
    while (at < bytes.length && this.#state !== 'complete' && this.#state !== 'broken') {
      if (this.#state !== 'data') {
        at = this.#readLine(bytes, at)
        continue
      }
      const end = Math.min(bytes.length, at + this.#missingBytes)
      data.push(bytes.subarray(at, end))
      dataBytes += end - at
      this.#missingBytes -= end - at
      at = end
      if (this.#missingBytes === 0) this.#state = 'behind data'
    }
    return { end: at, data, dataBytes, state: this.#progress }
  }

  get #progress(): ChunkedPiece['state'] {
    return this.#state === 'complete' || this.#state === 'broken' ? this.#state : 'more'
  }

  #readLine(bytes: Buffer, at: number): number {
    const lfAt = bytes.indexOf(LF, at)
    const end = lfAt < 0 ? bytes.length : lfAt + 1
    if (this.#line.length + end - at > LINE_MAX_BYTES) {
      this.#break('header line too long')
      return end
    }
    this.#line += bytes.toString('latin1', at, end)
    if (this.#state === 'behind data' && !'\r\n'.startsWith(this.#line)) {
      this.#break('malformed chunked encoding')
    } else if (lfAt >= 0) this.#takeLine()
    return end
  }

  #takeLine(): void {
    const line = this.#line
    this.#line = ''
    if (!line.endsWith('\r\n')) return this.#break('malformed chunked encoding')
    const text = line.slice(0, -2)
    if (this.#state === 'behind data') this.#state = 'size'
    else if (this.#state === 'size') this.#takeSize(text)
    else this.#takeTrailer(text)
  }

  #takeSize(text: string): void {
    const extensionAt = text.indexOf(';')
    const size = (extensionAt < 0 ? text : text.slice(0, extensionAt)).replace(/[ \t]+$/, '')
    if (!/^[0-9a-f]+$/i.test(size)) return this.#break('invalid byte in chunk length')
    const bytes = Number.parseInt(size, 16)
    if (size.length > SIZE_MAX_DIGITS || !Number.isSafeInteger(bytes)) {
      return this.#break('http chunk length too large')
    }
    // As in Go: the data of a chunk of usual size offsets the chunk's own line.
    const freeBytes = 16 + 2 * bytes
    this.#overheadBytes = Math.max(0, this.#overheadBytes + text.length + 2 - freeBytes)
    if (this.#overheadBytes > OVERHEAD_MAX_BYTES) {
      return this.#break('chunked encoding contains too much non-data')
    }
    this.#missingBytes = bytes
    this.#state = bytes === 0 ? 'trailer' : 'data'
  }

  #takeTrailer(text: string): void {
    if (text === '') {
      this.#state = 'complete'
      return
    }
    if (!text.includes(':')) {
      return this.#break(`malformed MIME header: missing colon: ${JSON.stringify(text)}`)
    }
    this.#overheadBytes += text.length + 2
    if (this.#overheadBytes > OVERHEAD_MAX_BYTES) this.#break('header line too long')
  }

  #break(error: string): void {
    this.error = error
    this.#state = 'broken'
  }
}
