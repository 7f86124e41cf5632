/**
 * A batch as a request in the dialect of InfluxDB 1.x: path, headers, body.
 *
 * Path and headers depend on the target alone and are kept with it, so that a busy stream renders
 * them once.
 */

import type { HttpOutputConfig, OutputCredentials } from '../../config/config.ts'
import { renderV1Precision } from '../../line-protocol/precision.ts'
import { unreachable } from '../../std/errors.ts'
import { type Credentials, packedBody, type WriteTarget } from '../../write/write.ts'
import type { Batch } from '../destination.ts'
import type { ExchangeRequest } from './exchange.ts'
import { packBodies } from './packed-bodies.ts'

/** Below this size compressing costs more than it saves. */
const GZIP_MIN_BYTES = 1024
/** Bodies of this size on average are sent as they are; smaller ones are joined into one. */
const PART_MIN_BYTES = 32 * 1024

export interface BatchRequest extends ExchangeRequest {
  /** Of the body, what is not the writes' own bytes but a copy. */
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

  async render(batch: Batch): Promise<BatchRequest> {
    const first = batch.writes[0]
    if (first === undefined) throw new Error('BUG: a batch without writes')
    switch (first.kind) {
      case 'lines':
        return await this.#renderLines(batch)
      case 'statement':
        return this.#renderStatement(batch.target, first.body)
      case 'opaque':
        return this.#renderOpaque(batch.target, first.body, first.headers)
      default:
        return unreachable(first)
    }
  }

  /** A write without lines. */
  renderQuestion(target: WriteTarget): ExchangeRequest {
    return { method: 'POST', ...this.#targetParts(target), body: [] }
  }

  async #renderLines(batch: Batch): Promise<BatchRequest> {
    const { path, headers } = this.#targetParts(batch.target)
    if (this.#config.gzip && batch.bytes >= GZIP_MIN_BYTES) {
      const body = await packBodies(batch.writes, this.#config.dialect === 'v1')
      const ofClients = new Set(batch.writes.map(packedBody))
      const copiedBytes = totalBytes(body.filter((member) => !ofClients.has(member)))
      const gzipHeaders = [...headers, 'content-encoding', 'gzip']
      return { method: 'POST', path, headers: gzipHeaders, body, copiedBytes }
    }
    const bodies = batch.writes.map((write) => write.body)
    if (bodies.length === 1 || batch.bytes >= bodies.length * PART_MIN_BYTES) {
      return { method: 'POST', path, headers, body: bodies, copiedBytes: 0 }
    }
    const body = [Buffer.concat(bodies, batch.bytes)]
    return { method: 'POST', path, headers, body, copiedBytes: batch.bytes }
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

  /** The output's own credentials replace the client's altogether. */
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
  // The bytes of UTF-8, as Go sends them: a header's text stands for bytes.
  if (credentials.kind === 'token')
    return `Token ${Buffer.from(credentials.token).toString('latin1')}`
  const { username, password } = credentials
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** The location's own query string stays. */
function withQuery(path: string, query: readonly string[]): string {
  if (query.length === 0) return path
  return `${path}${path.includes('?') ? '&' : '?'}${query.join('&')}`
}
