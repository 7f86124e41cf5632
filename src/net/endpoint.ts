/**
 * Where a server listens: reads it as operators write it, and shows it in logs, messages and URLs.
 *
 * Not here: binding (listen.ts); which host names mean the same machine (config/addresses.ts).
 */

import { isIPv4 } from 'node:net'
import type { PortLookup } from './service-ports.ts'

/** Code that needs a host or a port checks `kind` first: a unix socket will have neither. */
export type Endpoint = {
  readonly kind: 'tcp' | 'udp'
  /** '' = every address of the machine. */
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
}

export type ParsedAddress =
  | { readonly kind: 'ok'; readonly address: Endpoint }
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
  kind: Endpoint['kind'],
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
  return { kind: 'ok', address: { kind, host: ipv6 ?? name, port } }
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
export function renderAddress(address: Endpoint): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${host}:${address.port}`
}
