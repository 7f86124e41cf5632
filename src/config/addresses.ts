/**
 * Parses addresses to listen on, and decides whether two addresses overlap.
 */

import { isIPv4 } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import type { PortLookup } from '../net/service-ports.ts'
import type { BindAddress } from './config.ts'

export type ParsedAddress =
  | { readonly kind: 'ok'; readonly address: BindAddress }
  | { readonly kind: 'bad'; readonly message: string }

const ADDRESS = /^(?:\[([\da-f:.%\w]*)\]|([^\s:/@[\]]*)):(\d{1,6}|[a-z][\w.+-]*)$/i
const NO_SERVICES: PortLookup = () => undefined

/**
 * `host:port`, `:port`, `[::1]:port`; the port may be the name of a service.
 *
 * @param portMin lowest port that is accepted; 0 = any free port
 */
export function parseBindAddress(
  text: string,
  { portMin = 0, portOf = NO_SERVICES }: { portMin?: number; portOf?: PortLookup } = {},
): ParsedAddress {
  const match = ADDRESS.exec(text)
  if (match === null) return { kind: 'bad', message: addressAdvice(text) }
  const [, ipv6, name = '', portText = ''] = match
  const port = /^\d/.test(portText) ? Number(portText) : portOf(portText)
  if (port === undefined) {
    return {
      kind: 'bad',
      message: `has port "${portText}", which names no service; write a number`,
    }
  }
  if (port < portMin || port > 65_535) {
    return { kind: 'bad', message: `has port ${port}; ports go from ${portMin} to 65535` }
  }
  const fault = ipv6 === undefined ? hostFault(name, portText) : undefined
  if (fault !== undefined) return { kind: 'bad', message: fault }
  return { kind: 'ok', address: { host: ipv6 ?? name, port } }
}

/** Why no host can have this name; `undefined` = the name is valid. */
function hostFault(host: string, port: string): string | undefined {
  if (host === '*') return `has the host "*"; for every address write ":${port}"`
  const isNumeric = /^\d+(?:\.\d+){3,}$/.test(host)
  if (isNumeric && !isIPv4(host)) return `has the host "${host}", which is no address`
  const isName = /^[\p{L}\p{N}._-]*$/u.test(host)
  return isName ? undefined : `has the host "${host}", which is no name`
}

function addressAdvice(text: string): string {
  if (/^[a-z]+:\/\//i.test(text)) return 'must be "host:port" without a scheme and a path'
  if (/^\d+$/.test(text)) return `must be "host:port", got "${text}"; write ":${text}"`
  if (/^[^:\s]+$/.test(text)) return 'has no port; write "host:port"'
  if (text.split(':').length > 2 && !text.includes('[')) {
    return 'is no "host:port"; an IPv6 address stands in brackets, "[::1]:9096"'
  }
  return 'must be "host:port", e.g. "127.0.0.1:9096" or ":9096"'
}

/** `host:port` with IPv6 hosts in brackets. */
export function renderAddress(address: BindAddress): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${host}:${address.port}`
}

/** Whether the second of two listeners would find its address taken. */
export function overlaps(a: BindAddress, b: BindAddress): boolean {
  if (a.port !== b.port || a.port === 0) return false
  return isWildcard(a.host) || isWildcard(b.host) || plainHost(a.host) === plainHost(b.host)
}

/** Whether something sent to `target` arrives at a listener on `listener`. */
export function reaches(target: BindAddress, listener: BindAddress): boolean {
  if (target.port !== listener.port || listener.port === 0) return false
  const to = plainHost(target.host)
  if (to === plainHost(listener.host)) return true
  // Connecting to a wildcard address goes to this machine.
  const isToSelf = isWildcard(to) || isLoopback(to)
  if (isToSelf) return isWildcard(listener.host) || isLoopback(listener.host)
  return isWildcard(listener.host) && isThisMachine(to)
}

/** Whether `host` is this machine's name, full or short, or one of its addresses. */
function isThisMachine(host: string): boolean {
  const name = hostname().toLowerCase()
  if (host === name || host === name.split('.')[0]) return true
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  return addresses.some(({ address }) => address.toLowerCase() === host)
}

function plainHost(host: string): string {
  const plain = host.toLowerCase().replace(/^\[|\]$|\.$/g, '')
  if (plain === 'localhost') return '127.0.0.1'
  return /^(0*:)+0*1$/.test(plain) ? '::1' : plain
}

function isWildcard(host: string): boolean {
  const plain = plainHost(host)
  return plain === '' || plain === '0.0.0.0' || /^[0:]*::?[0:]*$/.test(plain)
}

function isLoopback(host: string): boolean {
  const plain = plainHost(host)
  return plain === '::1' || /^127\.\d+\.\d+\.\d+$/.test(plain)
}
