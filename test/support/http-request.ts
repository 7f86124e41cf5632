/**
 * One HTTP request on one connection, with a time limit, as a simple client sends it.
 *
 * Not `fetch`: its pool would keep connections to a server that the test has killed. For bytes that
 * no HTTP library would send, see raw-http.ts.
 */
import { type Agent, type IncomingHttpHeaders, request } from 'node:http'
import { WAIT_LIMIT_MS } from './wait.ts'

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface HttpRequestOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly limitMs?: number
  /** Agent that keeps connections; default: a new connection for each request. */
  readonly agent?: Agent
}

/** Resolves with any answer; rejects when none comes in time or the connection breaks. */
export async function httpRequest(
  url: string,
  options: HttpRequestOptions = {},
): Promise<HttpAnswer> {
  const { method = 'GET', headers = {}, body, limitMs = WAIT_LIMIT_MS, agent = false } = options
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>()
  const signal = AbortSignal.timeout(limitMs)
  const outgoing = request(url, { method, headers, agent, signal }, (response) => {
    const chunks: Buffer[] = []
    response.on('error', reject)
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('end', () =>
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: Buffer.concat(chunks).toString(),
      }),
    )
  })
  outgoing.on('error', reject)
  outgoing.end(body)
  return await promise
}
