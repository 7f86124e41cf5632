/**
 * Parses one HTTP/1.1 response at the beginning of some bytes (RFC 9112). Pure.
 *
 * Strict where a relay could be wrong: a bad status line or chunk is an error.
 */

export interface RawResponse {
  readonly status: number
  readonly reason: string
  /** Headers by name in lower case; the values of a repeated header are joined by ", ". */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Parsed {
  readonly response: RawResponse
  readonly byteCount: number
}

interface Body {
  readonly bytes: Buffer
  readonly byteCount: number
}

/**
 * @param context.toHead the request was a HEAD, so the answer has no body
 * @param context.ended the connection has ended: a body without a length is complete
 * @returns `undefined` while the response is not complete
 * @throws Error when the bytes are not an HTTP response
 */
export function parseResponse(
  bytes: Buffer,
  context: { toHead: boolean; ended: boolean },
): Parsed | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const [statusLine = '', ...headerLines] = bytes.toString('latin1', 0, headEnd).split('\r\n')
  const matched = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(statusLine)
  if (matched === null) throw new Error(`not a status line: ${JSON.stringify(statusLine)}`)
  const status = Number(matched[1])
  const headers = parseHeaders(headerLines)

  const rest = bytes.subarray(headEnd + 4)
  const hasBody = !(context.toHead || status < 200 || status === 204 || status === 304)
  const body = hasBody ? parseBody(rest, headers, context.ended) : emptyBody
  if (body === undefined) return undefined
  return {
    response: { status, reason: matched[2] ?? '', headers, body: body.bytes.toString() },
    byteCount: headEnd + 4 + body.byteCount,
  }
}

const emptyBody: Body = { bytes: Buffer.alloc(0), byteCount: 0 }

function parseHeaders(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon < 1) throw new Error(`not a header line: ${JSON.stringify(line)}`)
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  return headers
}

function parseBody(
  rest: Buffer,
  headers: Readonly<Record<string, string>>,
  ended: boolean,
): Body | undefined {
  if (/\bchunked\b/i.test(headers['transfer-encoding'] ?? '')) return parseChunks(rest)
  const length = headers['content-length']
  if (length === undefined) return ended ? { bytes: rest, byteCount: rest.length } : undefined
  const byteCount = Number(length)
  if (rest.length < byteCount) return undefined
  return { bytes: rest.subarray(0, byteCount), byteCount }
}

function parseChunks(rest: Buffer): Body | undefined {
  const chunks: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const sizeText = rest.toString('latin1', at, lineEnd)
    if (!/^[0-9a-f]+/i.test(sizeText)) throw new Error(`not a chunk size: ${sizeText}`)
    const size = Number.parseInt(sizeText, 16)
    const from = lineEnd + 2
    // Two more bytes: the end of the chunk's line, or of the (empty) trailer after the last chunk.
    if (rest.length < from + size + 2) return undefined
    if (size === 0) return { bytes: Buffer.concat(chunks), byteCount: from + 2 }
    chunks.push(rest.subarray(from, from + size))
    at = from + size + 2
  }
}
