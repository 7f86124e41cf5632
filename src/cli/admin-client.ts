/**
 * Sends requests to the relay that runs on this machine, at its `[admin]` address.
 */

import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { type Endpoint, renderAddress } from '../net/endpoint.ts'
import { errorText } from '../std/errors.ts'
import { printable } from '../std/printable.ts'

/** @returns the URL's origin, or `undefined` when the address is off or has no fixed port */
export function adminOrigin(address: Endpoint | undefined): string | undefined {
  if (address === undefined || address.port === 0) return undefined
  return `http://${renderAddress(reachable(address))}`
}

export type AdminAnswer =
  | { readonly kind: 'done'; readonly counts: Readonly<Record<string, number>> }
  | { readonly kind: 'problem'; readonly problem: string }

/**
 * Sends a POST without a body and waits for the answer without a time limit: the relay may have to
 * read gigabytes. Never rejects.
 */
export async function postToAdmin(
  origin: string,
  path: string,
  query: Readonly<Record<string, string>>,
): Promise<AdminAnswer> {
  const url = `${origin}${path}?${new URLSearchParams(query)}`
  try {
    const { status, body } = await post(url)
    const fields = typeof body === 'object' && body !== null ? Object.entries(body) : []
    const counts = fields.flatMap(([name, value]) =>
      typeof value === 'number' ? [[name, value]] : [],
    )
    if (status === 200) return { kind: 'done', counts: Object.fromEntries(counts) }
    const [, error] = fields.find(([name]) => name === 'error') ?? []
    const problem =
      typeof error === 'string' ? printable(error) : `${origin} answered ${status}; is it a relay?`
    return { kind: 'problem', problem }
  } catch (error) {
    const problem = `${origin} did not answer (${causeText(error)}); does the relay run?`
    return { kind: 'problem', problem }
  }
}

function post(url: string): Promise<{ readonly status: number; readonly body: unknown }> {
  // Not `fetch`, which gives up after five minutes without a byte.
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent: false }, (answer) => {
      const status = answer.statusCode ?? 0
      text(answer).then((body) => resolve({ status, body: parsed(body) }), reject)
    })
    sent.on('error', reject)
    sent.end()
  })
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined // Another program listens at this address.
  }
}

/** The message of `fetch` is always "fetch failed"; the reason is in the cause. */
export function causeText(error: unknown): string {
  return errorText(error instanceof Error && error.cause !== undefined ? error.cause : error)
}

/** Replaces a wildcard address by the loopback address, which connections can be made to. */
function reachable(address: Endpoint): Endpoint {
  if (address.host === '::') return { ...address, host: '::1' }
  const isWildcard = address.host === '' || address.host === '0.0.0.0'
  return isWildcard ? { ...address, host: '127.0.0.1' } : address
}
