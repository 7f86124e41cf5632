/**
 * Resolves a host name to addresses, for a socket that is connected to one of them.
 *
 * Uses c-ares instead of `getaddrinfo`, which blocks a thread of libuv's pool while the name
 * servers do not answer: four such lookups would stop every write to disk. This file adds what
 * c-ares lacks: the hosts file, `localhost`, and the search list (Kubernetes and Compose names are
 * short).
 */

import { Resolver } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { errorCode } from '../std/errors.ts'

export interface HostAddress {
  readonly address: string
  readonly family: 4 | 6
}

/**
 * @param signal ends the lookup at once: the promise rejects
 * @returns at least one address, IPv4 first; rejects when the name has none or no server answers
 */
export type ResolveHost = (host: string, signal?: AbortSignal) => Promise<readonly HostAddress[]>

const HOSTS_PATH = '/etc/hosts'
const RESOLV_CONF_PATH = '/etc/resolv.conf'
/** Timeout per query and name server. */
const QUERY_TIMEOUT_MS = 2_000
const QUERY_TRIES = 2
/** Errors after which the next name or address family is tried: the name servers do answer. */
const NO_SUCH_NAME = new Set(['ENOTFOUND', 'ENODATA', 'ESERVFAIL', 'EBADNAME'])

/** Caches nothing: files and name servers may change at any time. */
export const resolveHost: ResolveHost = async (host, signal) => {
  const [hosts, resolvConf] = await Promise.all([textOf(HOSTS_PATH), textOf(RESOLV_CONF_PATH)])
  const known = knownAddresses(host, hosts)
  if (known.length > 0) return known
  const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES })
  return askServers(resolver, searchNames(host, resolvConf), signal)
}

/** Addresses known without a name server: IP addresses, the hosts file, `localhost`. */
export function knownAddresses(host: string, hostsFile: string): HostAddress[] {
  const literal = hostAddress(host)
  if (literal !== undefined) return [literal]
  const name = host.toLowerCase().replace(/\.$/, '')
  const found: HostAddress[] = []
  for (const line of hostsFile.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    const parsed = hostAddress(address)
    if (parsed !== undefined && names.some((each) => each.toLowerCase() === name)) {
      found.push(parsed)
    }
  }
  if (found.length === 0 && (name === 'localhost' || name.endsWith('.localhost'))) {
    // RFC 6761 section 6.3: name servers are never asked for localhost.
    found.push({ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 })
  }
  return found.sort((a, b) => a.family - b.family)
}

/** The full names to query, in the order that resolv.conf(5) defines. */
export function searchNames(host: string, resolvConf: string): string[] {
  if (host.endsWith('.')) return [host]
  let domains: string[] = []
  let dotsEnough = 1
  for (const line of resolvConf.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/)
    // The last `search` or `domain` line counts.
    if (keyword === 'search' || keyword === 'domain') domains = words
    const ndots = words.find((word) => word.startsWith('ndots:'))
    if (keyword === 'options' && ndots !== undefined) dotsEnough = Number(ndots.slice(6))
  }
  const searched = domains.map((domain) => `${host}.${domain.replace(/^\./, '')}`)
  const dots = host.split('.').length - 1
  return dots >= dotsEnough ? [host, ...searched] : [...searched, host]
}

/**
 * The addresses of the first name that has any. A timeout ends the search, because the queries for
 * the other names would time out too.
 *
 * @param signal cancels the queries of `resolver`; the promise rejects
 */
export async function askServers(
  resolver: Pick<Resolver, 'resolve4' | 'resolve6' | 'cancel'>,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<HostAddress[]> {
  signal?.throwIfAborted()
  const cancel = () => resolver.cancel()
  signal?.addEventListener('abort', cancel)
  try {
    return await firstAnswer(resolver, names)
  } finally {
    // Remove the listener: one signal serves many lookups.
    signal?.removeEventListener('abort', cancel)
  }
}

async function firstAnswer(
  resolver: Pick<Resolver, 'resolve4' | 'resolve6'>,
  names: readonly string[],
): Promise<HostAddress[]> {
  let failure: unknown = new Error('no name to ask for')
  for (const name of names) {
    for (const family of [4, 6] as const) {
      try {
        const answer = resolver[family === 4 ? 'resolve4' : 'resolve6'](name)
        const addresses = (await answer).map((address) => ({ address, family }))
        if (addresses.length > 0) return addresses
      } catch (error) {
        if (!NO_SUCH_NAME.has(errorCode(error))) throw error
        failure = error
      }
    }
  }
  throw failure
}

function hostAddress(text: string): HostAddress | undefined {
  const family = isIP(text)
  return family === 4 || family === 6 ? { address: text, family } : undefined
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return '' // A missing file counts as empty.
  }
}
