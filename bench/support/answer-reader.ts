/**
 * Finds the end of the answer to one HTTP/1.1 request. Cheap for the expected answer, a 204 in one
 * piece; correct for all others, with a length, in chunks, or neither.
 */

const EXPECTED = Buffer.from('HTTP/1.1 204')
const HEAD_END = '\r\n\r\n'
const LAST_CHUNK = '\r\n0\r\n\r\n'

export class AnswerReader {
  /** The beginning of an answer that is not complete yet. */
  #begun = ''

  /**
   * @param bytes of one answer only: at most one request may be in flight
   * @returns the status once the answer is complete
   */
  read(bytes: Buffer): number | undefined {
    if (this.#begun === '' && isExpected(bytes)) return 204
    this.#begun += bytes.toString('latin1')
    const headEnd = this.#begun.indexOf(HEAD_END)
    if (headEnd < 0) return undefined
    const status = Number(this.#begun.slice('HTTP/1.1 '.length, 'HTTP/1.1 204'.length))
    const head = this.#begun.slice(0, headEnd)
    const body = this.#begun.slice(headEnd + HEAD_END.length)
    if (!isWhole(status, head, body)) return undefined
    this.#begun = ''
    return status
  }
}

function isExpected(bytes: Buffer): boolean {
  const { length } = bytes
  if (length < EXPECTED.length + HEAD_END.length) return false
  if (bytes.compare(EXPECTED, 0, EXPECTED.length, 0, EXPECTED.length) !== 0) return false
  // Compares bytes instead of searching: nothing follows the head of a 204.
  return bytes.readUInt32BE(length - HEAD_END.length) === 0x0d0a0d0a
}

/** A body without a length ends with the connection, so it is never complete. */
function isWhole(status: number, head: string, body: string): boolean {
  if (status === 204) return true
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return `\r\n${body}`.endsWith(LAST_CHUNK)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  return length !== undefined && body.length >= Number(length)
}
