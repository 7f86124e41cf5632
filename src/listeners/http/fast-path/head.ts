/**
 * The one form of request head that the fast path accepts. Pure.
 *
 *     POST /write[?query] HTTP/1.1 CRLF
 *     *( name ":" blanks value blanks CRLF ) CRLF
 *
 *     request target    the characters that RFC 3986 allows in a query, and no others
 *     names             from NAMES, each at most once; `host` and `content-length` are required
 *     values            visible ASCII, with blanks and tabs inside; NAMES may restrict them further
 *
 * Every rule is stricter than node's parser, so that the fast path never accepts a head that node
 * would read differently. Any other head is not an error; it goes unchanged to node
 * (connection.ts). NAMES holds the headers that usual clients and proxies send and that are either
 * read here or irrelevant to the relay. Headers that affect the framing of a body or the connection
 * are in NAMES only with a rule for their value.
 */

/** The parts of a request head that the fast path uses. */
export interface FastHead {
  /** Path and query, as the client sent them. */
  readonly requestTarget: string
  readonly authorization: string
  readonly bodyBytes: number
  readonly isGzip: boolean
  /** The client wants the connection closed after the answer. */
  readonly isLast: boolean
  readonly accept: string
}

const REQUEST_LINE = /^POST (\/write(?:\?[-\w.~!$&'()*+,;=:@/?%]*)?) HTTP\/1\.1$/
const FIELD = /^([A-Za-z0-9-]+):[ \t]*((?:[!-~](?:[ -~\t]*[!-~])?)?)[ \t]*$/

const ANY = /^/
/** The accepted headers, each with the form of its value. */
const NAMES: ReadonlyMap<string, RegExp> = new Map([
  // As in request-head.ts, but not empty.
  ['host', /^[-\w!$%&'()*+,.:;=[\]~]+$/],
  // No sign, no list, no leading zero.
  ['content-length', /^(?:0|[1-9]\d{0,9})$/],
  ['content-encoding', /^(?:gzip|identity)$/],
  ['connection', /^(?:keep-alive|close)$/i],
  ['authorization', ANY],
  ['accept', ANY],
  ['content-type', ANY],
  ['user-agent', ANY],
  ['accept-encoding', ANY],
  ['accept-language', ANY],
  ['cache-control', ANY],
  ['forwarded', ANY],
  ['pragma', ANY],
  ['referer', ANY],
  ['traceparent', ANY],
  ['tracestate', ANY],
  ['via', ANY],
  ['x-forwarded-for', ANY],
  ['x-forwarded-host', ANY],
  ['x-forwarded-port', ANY],
  ['x-forwarded-proto', ANY],
  ['x-real-ip', ANY],
])

/**
 * @param text the head, one character for each byte, without the empty line at its end
 * @returns `undefined` when the head is not of the plain form
 */
export function readFastHead(text: string): FastHead | undefined {
  const [requestLine = '', ...lines] = text.split('\r\n')
  const requestTarget = REQUEST_LINE.exec(requestLine)?.[1]
  if (requestTarget === undefined) return undefined
  const fields = new Map<string, string>()
  for (const line of lines) {
    const [, spelledName, value = ''] = FIELD.exec(line) ?? []
    const name = spelledName?.toLowerCase() ?? ''
    if (NAMES.get(name)?.test(value) !== true || fields.has(name)) return undefined
    fields.set(name, value)
  }
  const length = fields.get('content-length')
  if (length === undefined || !fields.has('host')) return undefined
  return {
    requestTarget,
    authorization: fields.get('authorization') ?? '',
    bodyBytes: Number(length),
    isGzip: fields.get('content-encoding') === 'gzip',
    isLast: fields.get('connection')?.toLowerCase() === 'close',
    accept: fields.get('accept') ?? '',
  }
}
