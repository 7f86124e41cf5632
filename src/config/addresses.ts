/**
 * Decides whether two addresses of a configuration are the same place.
 */

import { hostname, networkInterfaces } from 'node:os'
import type { Endpoint } from '../net/endpoint.ts'

/** Whether the second of two listeners would find its address taken. */
export function overlaps(a: Endpoint, b: Endpoint): boolean {
  if (a.kind !== b.kind || a.port !== b.port || a.port === 0) return false
  return isWildcard(a.host) || isWildcard(b.host) || plainHost(a.host) === plainHost(b.host)
}

/** Whether something sent to `target` arrives at a listener on `listener`. */
export function reaches(target: Endpoint, listener: Endpoint): boolean {
  if (target.kind !== listener.kind) return false
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
