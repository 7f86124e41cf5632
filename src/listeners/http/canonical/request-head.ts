/**
 * Parses the head of a request as Go's HTTP server does, and rewrites it for node's parser. Pure.
 *
 *     lines of a head ──▶ the error, in Go's words
 *                     └─▶ canonical head: POST TARGET HTTP/1.1, Host, known headers, framing
 *
 * Node's parser sees canonical heads only, so the length of a body and the value of a header are
 * decided only here. In other respects (methods, versions, bytes of a URL) node is stricter than
 * Go; it never sees what it would refuse.
 *
 * This file is stricter than Go where a proxy in front of the relay may read a head differently,
 * because a request could be smuggled past that proxy: folded headers, Content-Length beside
 * Transfer-Encoding, an empty Content-Length, Transfer-Encoding in HTTP/1.0, a header without a
 * name.
 */

import { METHODS } from 'node:http'

/** In Go's words if Go has an error for it. */
export interface HeadRefusal {
  readonly status: number
  /** The body of the answer. */
  readonly text: string
}

export type Framing =
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }

export interface RequestHead {
  readonly isRefused: false
  /** The rewritten head, for node. */
  readonly canonical: string
  readonly framing: Framing
  /** The connection closes after the answer. */
  readonly isLast: boolean
}

export interface RefusedHead extends HeadRefusal {
  readonly isRefused: true
}

export const BAD_REQUEST = refused(400, '400 Bad Request')
const BAD_VERSION = refused(505, '505 HTTP Version Not Supported: unsupported protocol version')
const MISSING_HOST = because('missing required Host header')
const MALFORMED_HOST = because('malformed Host header')
const INVALID_NAME = because('invalid header name')
const INVALID_VALUE = because('invalid header value')
const FOLDED = because('a header goes on in the next line')
const TWO_LENGTHS = because('both Content-Length and Transfer-Encoding')
const OLD_CHUNKED = because('Transfer-Encoding in HTTP/1.0')
/** A proxy that decodes one more encoding than the relay sees another body: request smuggling. */
const UNSUPPORTED_ENCODING = refused(501, 'Unsupported transfer encoding')
const EXPECTATION_FAILED = refused(417, '')

/** @param text ASCII */
export function refused(status: number, text: string): RefusedHead {
  return { isRefused: true, status, text }
}

/** @param reason for people */
export function because(reason: string): RefusedHead {
  return refused(400, `400 Bad Request: ${reason}`)
}

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^ ]+) HTTP\/(\d)\.(\d)$/
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: the expression searches for them.
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f]/
/** The values that Go's `httpguts.ValidHostHeader` accepts. */
const VALID_HOST = /^[-\w!$%&'()*+,.:;=[\]~]*$/
/** At most 15 digits, so that a JavaScript number is exact. */
const LENGTH = /^\d{1,15}$/

/** The headers that code behind node's parser reads; all others are dropped. */
const KEPT: ReadonlySet<string> = new Set([
  'accept',
  'authorization',
  'content-encoding',
  'content-type',
  'origin',
  'request-id',
  'x-prometheus-remote-write-version',
  'x-request-id',
])
/** Other methods become OTHER_METHOD: to the router, all methods without a route are the same. */
const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS.filter((name) => name !== 'CONNECT'))
const OTHER_METHOD = 'PUT'
/** A path without a route. */
const NOWHERE = '/*'

interface RequestLine {
  readonly method: string
  readonly target: string
  readonly minorVersion: number
}

/** The headers that decide how the request is read. */
interface Fields {
  readonly hosts: string[]
  readonly lengths: string[]
  readonly encodings: string[]
  readonly connections: string[]
  readonly expectations: string[]
  /** The headers of KEPT, each with its line end. */
  kept: string
}

/** @param lines the head, one character for each byte, without line ends and the empty last line */
export function readRequestHead(lines: readonly string[]): RequestHead | RefusedHead {
  const requestLine = readRequestLine(lines[0] ?? '')
  if ('isRefused' in requestLine) return requestLine
  const fields = readFields(lines)
  if ('isRefused' in fields) return fields
  const { method, target, minorVersion } = requestLine
  const framing = framingOf(fields, minorVersion)
  if ('isRefused' in framing) return framing
  const wrongHost = hostRefusal(fields.hosts, minorVersion)
  if (wrongHost !== undefined) return wrongHost
  const continuation = continuationOf(fields, minorVersion, framing)
  if (typeof continuation !== 'string') return continuation
  const isLast = isLastOn(fields.connections, minorVersion)
  const canonical =
    `${method} ${target} HTTP/1.1\r\nHost: relay\r\n${renderFraming(fields, framing)}` +
    `${continuation}${isLast ? 'Connection: close\r\n' : ''}${fields.kept}\r\n`
  return { isRefused: false, canonical, framing, isLast }
}

function readRequestLine(line: string): RequestLine | RefusedHead {
  const [, method = '', target = '', major, minor] = REQUEST_LINE.exec(line) ?? []
  if (method === '' || CONTROLS.test(target) || target.includes('\t')) return BAD_REQUEST
  // Go's server takes the preface of HTTP/2 for a request.
  if (major === '2' && method === 'PRI' && target === '*') return canonicalLine(method, NOWHERE, 0)
  if (major !== '1') return BAD_VERSION
  const path = originForm(method, target)
  return path === undefined ? BAD_REQUEST : canonicalLine(method, path, Number(minor))
}

function canonicalLine(method: string, path: string, minorVersion: number): RequestLine {
  // Bytes that node's parser refuses in a URL mean the same when they are escaped.
  const target = path.replaceAll(/[^!-~]|["#<>\\^`{|}]/g, escapeByte)
  return { method: KNOWN_METHODS.has(method) ? method : OTHER_METHOD, target, minorVersion }
}

function escapeByte(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}

/** Path and query of a target that may be a whole URL; `undefined` when Go cannot parse it. */
function originForm(method: string, target: string): string | undefined {
  let path = target
  if (!target.startsWith('/')) {
    if (target === '*' || method === 'CONNECT') return NOWHERE
    const origin = /^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i.exec(target)?.[0]
    if (origin === undefined) return undefined
    const rest = target.slice(origin.length)
    path = rest.startsWith('/') ? rest : `/${rest}`
  }
  return /^[^?]*%(?![0-9a-f]{2})/i.test(path) ? undefined : path
}

function readFields(lines: readonly string[]): Fields | RefusedHead {
  const fields: Fields = {
    hosts: [],
    lengths: [],
    encodings: [],
    connections: [],
    expectations: [],
    kept: '',
  }
  for (let index = 1; index < lines.length; index++) {
    const line = lines[index] ?? ''
    if (line.startsWith(' ') || line.startsWith('\t')) return FOLDED
    const colonAt = line.indexOf(':')
    if (colonAt < 0) return BAD_REQUEST
    const name = line.slice(0, colonAt)
    if (!HEADER_NAME.test(name)) return INVALID_NAME
    const value = trimBlanks(line.slice(colonAt + 1))
    if (CONTROLS.test(value)) return INVALID_VALUE
    noteField(fields, name.toLowerCase(), value)
  }
  return fields
}

function noteField(fields: Fields, name: string, value: string): void {
  switch (name) {
    case 'host':
      fields.hosts.push(value)
      return
    case 'content-length':
      fields.lengths.push(value)
      return
    case 'transfer-encoding':
      fields.encodings.push(value)
      return
    case 'connection':
      fields.connections.push(value)
      return
    case 'expect':
      fields.expectations.push(value)
      return
    default:
      if (KEPT.has(name)) fields.kept += `${name}: ${value}\r\n`
  }
}

function trimBlanks(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (start < end && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

function framingOf({ encodings, lengths }: Fields, minorVersion: number): Framing | RefusedHead {
  if (encodings.length > 0) {
    if (minorVersion === 0) return OLD_CHUNKED
    const isChunked = encodings.length === 1 && encodings[0]?.toLowerCase() === 'chunked'
    if (!isChunked) return UNSUPPORTED_ENCODING
    return lengths.length > 0 ? TWO_LENGTHS : { kind: 'chunked' }
  }
  const [first = '0'] = lengths
  const isOne = lengths.every((length) => length === first)
  return isOne && LENGTH.test(first) ? { kind: 'length', bytes: Number(first) } : BAD_REQUEST
}

function renderFraming({ lengths }: Fields, framing: Framing): string {
  if (framing.kind === 'chunked') return 'Transfer-Encoding: chunked\r\n'
  return lengths.length === 0 ? '' : `Content-Length: ${framing.bytes}\r\n`
}

/** Two Host headers are refused: a proxy and the relay might each use another one. */
function hostRefusal(hosts: readonly string[], minorVersion: number): RefusedHead | undefined {
  const [host] = hosts
  if (hosts.length > 1) return BAD_REQUEST
  if (host === undefined) return minorVersion >= 1 ? MISSING_HOST : undefined
  return VALID_HOST.test(host) ? undefined : MALFORMED_HOST
}

/** The header that makes node send `100 Continue`, or ''. HTTP/1.0 does not have it. */
function continuationOf(
  { expectations }: Fields,
  minorVersion: number,
  framing: Framing,
): string | RefusedHead {
  const [expectation = ''] = expectations
  if (expectation === '') return ''
  if (!hasToken([expectation], '100-continue')) return EXPECTATION_FAILED
  const hasBody = framing.kind === 'chunked' || framing.bytes > 0
  return hasBody && minorVersion >= 1 ? 'Expect: 100-continue\r\n' : ''
}

function isLastOn(connections: readonly string[], minorVersion: number): boolean {
  if (hasToken(connections, 'close')) return true
  return minorVersion === 0 && !hasToken(connections, 'keep-alive')
}

function hasToken(lists: readonly string[], token: string): boolean {
  return lists.some((list) => list.split(',').some((each) => each.trim().toLowerCase() === token))
}
