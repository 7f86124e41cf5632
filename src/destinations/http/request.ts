/**
 * Renders a batch as a request in the dialect of InfluxDB 1.x: path, headers, body.
 *
 * Path and headers of lines depend on the target alone and are cached for each target, so that a
 * busy stream renders them once.
 */

import type { HttpOutputConfig, OutputCredentials } from '../../config/config.ts'
import { renderV1Precision } from '../../line-protocol/precision.ts'
import { unreachable } from '../../std/errors.ts'
import { type Credentials, packedBody, type WriteTarget } from '../../write/write.ts'
import type { Payload } from '../destination.ts'
import type { ExchangeRequest } from './exchange.ts'
import { packBodies } from './packed-bodies.ts'

/** Below this size, compression costs more than it saves. */
const GZIP_MIN_BYTES = 1024
/** Bodies of at least this average size are sent one by one; smaller ones are joined into one. */
const PART_MIN_BYTES = 32 * 1024

export interface BatchRequest extends ExchangeRequest {
  /** Bytes of the body that are copies; the others are the buffers of the writes themselves. */
  readonly copiedBytes: number
}

interface TargetParts {
  readonly path: string
  readonly headers: readonly string[]
}

export class HttpRequestRenderer {
  readonly #config: HttpOutputConfig
  readonly #userAgent: string
  readonly #targets = new WeakMap<WriteTarget, TargetParts>()

  constructor(config: HttpOutputConfig, userAgent: string) {
    this.#config = config
    this.#userAgent = userAgent
  }

  async render(payload: Payload): Promise<BatchRequest> {
    const first = payload.writes[0]
    if (first === undefined) throw new Error('BUG: a batch without writes')
    switch (first.kind) {
      case 'lines':
        return await this.#renderLines(payload)
      case 'statement':
        return this.#renderStatement(payload.target, first.body)
      case 'opaque':
        return this.#renderOpaque(payload.target, first.body, first.headers)
      default:
        return unreachable(first)
    }
  }

  /** Renders a write without lines. */
  renderQuestion(target: WriteTarget): ExchangeRequest {
    return { method: 'POST', ...this.#targetParts(target), body: [] }
  }

  async #renderLines(payload: Payload): Promise<BatchRequest> {
    const { path, headers } = this.#targetParts(payload.target)
    if (this.#config.gzip && payload.bytes >= GZIP_MIN_BYTES) {
      const body = await packBodies(payload.writes, this.#config.dialect === 'v1')
      const ofClients = new Set(payload.writes.map(packedBody))
      const copiedBytes = totalBytes(body.filter((member) => !ofClients.has(member)))
      const gzipHeaders = [...headers, 'content-encoding', 'gzip']
      return { method: 'POST', path, headers: gzipHeaders, body, copiedBytes }
    }
    const bodies = payload.writes.map((write) => write.body)
    if (bodies.length === 1 || payload.bytes >= bodies.length * PART_MIN_BYTES) {
      return { method: 'POST', path, headers, body: bodies, copiedBytes: 0 }
    }
    const body = [Buffer.concat(bodies, payload.bytes)]
    return { method: 'POST', path, headers, body, copiedBytes: payload.bytes }
  }

  #targetParts(target: WriteTarget): TargetParts {
    let parts = this.#targets.get(target)
    if (parts === undefined) {
      const { precision } = target
      const query = [
        `db=${encodeURIComponent(target.database)}`,
        ...(precision === 'ns' ? [] : [`precision=${renderV1Precision(precision)}`]),
        ...retentionPolicyQuery(target),
        ...this.#credentialsQuery(target.credentials),
      ]
      const headers = this.#headers(target.credentials, 'text/plain; charset=utf-8')
      parts = { path: withQuery(this.#config.paths.write, query), headers }
      this.#targets.set(target, parts)
    }
    return parts
  }

  #renderStatement(target: WriteTarget, text: Buffer): BatchRequest {
    const query = this.#credentialsQuery(target.credentials)
    const headers = this.#headers(target.credentials, 'application/x-www-form-urlencoded')
    const body = Buffer.from(`q=${encodeURIComponent(text.toString('utf8'))}`)
    const path = withQuery(this.#config.paths.query, query)
    return { method: 'POST', path, headers, body: [body], copiedBytes: body.length }
  }

  #renderOpaque(
    target: WriteTarget,
    body: Buffer,
    bodyHeaders: Readonly<Record<string, string>>,
  ): BatchRequest {
    const query = [
      `db=${encodeURIComponent(target.database)}`,
      ...retentionPolicyQuery(target),
      ...this.#credentialsQuery(target.credentials),
    ]
    const { 'content-type': contentType = 'application/octet-stream', ...others } = bodyHeaders
    const headers = this.#headers(target.credentials, contentType)
    for (const [name, value] of Object.entries(others)) headers.push(name, value)
    const path = withQuery(this.#config.paths.prometheusWrite, query)
    return { method: 'POST', path, headers, body: [body], copiedBytes: 0 }
  }

  #headers(credentials: Credentials, contentType: string): string[] {
    const authorization = this.#config.credentials
      ? ownAuthorization(this.#config.credentials)
      : credentials.authorization
    const headers = ['content-type', contentType, 'user-agent', this.#userAgent]
    if (authorization !== '') headers.push('authorization', authorization)
    return headers
  }

  /** The output's own credentials replace all credentials of the client. */
  #credentialsQuery(credentials: Credentials): string[] {
    return this.#config.credentials || credentials.query === '' ? [] : [credentials.query]
  }
}

function totalBytes(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0)
}

function retentionPolicyQuery(target: WriteTarget): string[] {
  return target.retentionPolicy === '' ? [] : [`rp=${encodeURIComponent(target.retentionPolicy)}`]
}

export function ownAuthorization(credentials: OutputCredentials): string {
  // Node sends a header as latin1. So the token's UTF-8 bytes go out unchanged, as from Go.
  if (credentials.kind === 'token')
    return `Token ${Buffer.from(credentials.token).toString('latin1')}`
  const { username, password } = credentials
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** Keeps the query string that the location has. */
function withQuery(path: string, query: readonly string[]): string {
  if (query.length === 0) return path
  return `${path}${path.includes('?') ? '&' : '?'}${query.join('&')}`
}
