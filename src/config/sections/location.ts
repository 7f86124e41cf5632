/**
 * The `location` of an output: the kind of the output, and where its data goes.
 *
 * Two styles of HTTP location exist: influxdb-relay uses the full URL of `/write`, the veepee fork
 * a base URL and `endpoints`. Both give the same four paths.
 */

import { parseBindAddress } from '../../net/endpoint.ts'
import type { PortLookup } from '../../net/service-ports.ts'
import type { HttpOutputPaths, OutputDialect } from '../config.ts'
import { hideCredentials } from '../schema/values.ts'

export interface HttpLocation {
  readonly kind: 'http'
  readonly origin: string
  readonly host: string
  readonly port: number
  /** As given: '', or a path that begins with a slash. */
  readonly path: string
  /** Without the question mark. */
  readonly query: string
  readonly user: { readonly username: string; readonly password: string } | undefined
  /** The location without credentials, for logs. */
  readonly shown: string
}

export type Location =
  | HttpLocation
  | { readonly kind: 'udp'; readonly host: string; readonly port: number; readonly shown: string }
  | { readonly kind: 'file'; readonly path: string; readonly shown: string }

export type ParsedLocation =
  | { readonly kind: 'ok'; readonly location: Location }
  | { readonly kind: 'bad'; readonly message: string }

/**
 * @param relayKind a location without a scheme is a UDP address in `[[udp]]`, and a mistake in
 * `[[http]]`
 */
export function parseLocation(
  text: string,
  relayKind: 'http' | 'udp',
  portOf: PortLookup,
): ParsedLocation {
  const scheme = (/^(?:([a-z][a-z\d+.-]*):\/\/|(file):)/i.exec(text)?.slice(1) ?? [])
    .find((part) => part !== undefined)
    ?.toLowerCase()
  if (scheme === 'http' || scheme === 'https') return parseHttp(text)
  if (scheme === 'udp') return parseUdp(text.slice('udp://'.length), text, portOf)
  if (scheme === 'file') return parseFile(text)
  if (scheme !== undefined) {
    return bad(`has the unknown scheme "${scheme}:"; write http://, https://, udp:// or file:`)
  }
  if (relayKind === 'udp') return parseUdp(text, text, portOf)
  if (/^https?:/i.test(text))
    return bad(`is not a URL: ${show(text)}; write "http://host:8086/write"`)
  return bad(`has no scheme: ${show(text)}; write "http://${hideCredentials(text)}"`)
}

function parseUdp(address: string, text: string, portOf: PortLookup): ParsedLocation {
  const parsed = parseBindAddress(address, 'udp', { portMin: 1, portOf })
  if (parsed.kind === 'bad') {
    const isPlain = /^has (?:port|the host)/.test(parsed.message)
    return bad(
      isPlain ? parsed.message : `is no "host:port": ${show(text)}; write "127.0.0.1:8089"`,
    )
  }
  const { host, port } = parsed.address
  if (host === '') return bad(`has no host: ${show(text)}; write "127.0.0.1:${port}"`)
  return { kind: 'ok', location: { kind: 'udp', host, port, shown: text } }
}

function parseFile(text: string): ParsedLocation {
  const path = text.slice('file:'.length)
  if (/^\/\/[^/]/.test(path)) {
    return bad(`names a host: ${show(text)}; write "file:folder/name" or "file:///folder/name"`)
  }
  const plain = path.replace(/^\/{2,}/, '/')
  if (plain === '' || plain.endsWith('/')) return bad('names no file; write "file:folder/name"')
  return { kind: 'ok', location: { kind: 'file', path: plain, shown: text } }
}

const HTTP_PARTS =
  /^(https?):\/\/(?:(.*)@)?(\[[^\]]*\]|[^/?#:@]*)(?::([^/?#]*))?([^?#]*)(?:\?([^#]*))?(#.*)?$/is

function parseHttp(text: string): ParsedLocation {
  const parts = HTTP_PARTS.exec(text)
  if (parts === null || /[\s\\]/.test(text)) return bad(`is not a URL: ${show(text)}`)
  const [, scheme = '', userInfo, host = '', portText, path = '', query = '', fragment] = parts
  if (host === '') return bad(`has no host: ${show(text)}; write "http://127.0.0.1:8086/write"`)
  if (fragment !== undefined) return bad(`has a "#", which servers never see: ${show(text)}`)
  const standardPort = scheme.toLowerCase() === 'https' ? 443 : 80
  const port = portText === undefined || portText === '' ? standardPort : Number(portText)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    return bad(`has port "${portText}"; ports go from 1 to 65535`)
  }
  const url = URL.parse(`${scheme}://${host}:${port}${path}?${query}`)
  if (url === null) return bad(`is not a URL: ${show(text)}`)
  const user = userInfo === undefined ? undefined : parseUser(userInfo)
  if (userInfo !== undefined && user === undefined) {
    return bad('has a user or password with a "%" that is no escape; write "%25" for it')
  }
  const ownPath = path === '' ? '' : url.pathname
  const tail = `${ownPath}${url.search}`
  return {
    kind: 'ok',
    location: {
      kind: 'http',
      origin: url.origin,
      host: url.hostname,
      port,
      path: ownPath,
      query: url.search.slice(1),
      user,
      shown: hideCredentials(`${url.origin}${tail}`),
    },
  }
}

function parseUser(userInfo: string): HttpLocation['user'] {
  const colon = userInfo.indexOf(':')
  const [name, password] =
    colon < 0 ? [userInfo, ''] : [userInfo.slice(0, colon), userInfo.slice(colon + 1)]
  try {
    return { username: decodeURIComponent(name), password: decodeURIComponent(password) }
  } catch {
    // Malformed escape; the caller reports it without showing the credentials.
    return undefined
  }
}

/** veepee's `endpoints`; '' = not given. */
export type Endpoints = HttpOutputPaths

/**
 * The path for each kind of request, with the location's own query string.
 *
 * - `…/write` without endpoints: writes go to this path, other requests to paths beside it.
 * - base URL with endpoints: each endpoint is appended to the base, without the base's last slash.
 * - base URL without endpoints: `/write` and the other default paths; the originals would post to
 *   `/`.
 */
export function outputPaths(location: HttpLocation, endpoints: Endpoints): HttpOutputPaths {
  const hasEndpoints = Object.values(endpoints).some((endpoint) => endpoint !== '')
  const base = location.path.replace(/\/$/, '')
  const besides = hasEndpoints ? base : base.replace(/(\/api\/v[23])?\/[^/]*$/, '')
  const bareWrite = base === '' ? '/write' : location.path
  const resolve = (endpoint: string, fallback: string) =>
    withQuery(endpoint === '' ? fallback : `${base}${rooted(endpoint)}`, location.query)
  return {
    write: resolve(endpoints.write, bareWrite),
    prometheusWrite: resolve(endpoints.prometheusWrite, `${besides}/api/v1/prom/write`),
    ping: resolve(endpoints.ping, `${besides}/ping`),
    query: resolve(endpoints.query, `${besides}/query`),
  }
}

/** @param writePath may have a prefix and a query */
export function outputDialect(writePath: string): OutputDialect {
  const [path = ''] = writePath.split('?')
  if (/\/api\/v2\/write\/?$/.test(path)) return 'v2'
  return /\/api\/v3\/write_lp\/?$/.test(path) ? 'v3' : 'v1'
}

/** The endpoint as an HTTP path: with a leading slash, and non-ASCII characters escaped. */
function rooted(endpoint: string): string {
  const path = endpoint.startsWith('/') ? endpoint : `/${endpoint}`
  return encodeURI(path).replaceAll('%25', '%')
}

function withQuery(path: string, query: string): string {
  if (query === '') return path
  return `${path}${path.includes('?') ? '&' : '?'}${query}`
}

function show(text: string): string {
  return JSON.stringify(hideCredentials(text))
}

function bad(message: string): ParsedLocation {
  return { kind: 'bad', message }
}
