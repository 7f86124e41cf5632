/**
 * The one form of request head that the fast lane takes. Pure.
 *
 *     POST /write[?query] HTTP/1.1 CRLF
 *     *( name ":" blanks value blanks CRLF ) CRLF
 *
 *     request target    what RFC 3986 lets a query have, and nothing more
 *     names             of NAMES, each at most once; `host` and `content-length` have to be there
 *     values            visible ASCII, blanks and tabs inside; what NAMES asks for besides
 *
 * Stricter than node's parser in every rule: it may take nothing that node would read differently.
 * What it does not take is no error, and goes to node as it came (connection.ts). A name is
 * on the list when usual clients and proxies send it, and either means nothing to us or is read
 * here. So there is none that changes how a body is framed, or what connection it comes on, but for
 * those with a rule.
 */

/** What the lane needs to know of a request. */
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
/** Each with what its value has to be. */
const NAMES: ReadonlyMap<string, RegExp> = new Map([
  // As request-head.ts, and not empty.
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
 * @param text the head, a character a byte, without the empty line that ends it
 * @returns `undefined` when it is anything but the plain form
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
