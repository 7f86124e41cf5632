/**
 * Renders answers as bytes, with the same headers as those of node and http/responder.ts.
 *
 * `Date` is rendered once a second. The answer to a stored write, which is nearly every answer, is
 * joined from three prepared pieces.
 */

import { STATUS_CODES } from 'node:http'
import type { Clock } from '../../../std/clock.ts'
import { type Reply, STORED } from '../../../write/reply.ts'
import type { ErrorFormat } from '../../dialects/v1/error-text.ts'
import { renderReply } from '../../dialects/v1/reply.ts'
import { REQUEST_TIMEOUT, renderClosing } from '../closing.ts'
import { RequestIds } from '../request/request-id.ts'

export interface FastAnswersOptions {
  readonly version: string
  readonly clock: Clock
  readonly keepAliveTimeoutMs: number
}

export class FastAnswers {
  readonly #options: FastAnswersOptions
  readonly #requestIds: RequestIds
  readonly #keepAlive: string
  #second = -1
  #date = ''
  /** The text before and after the request ids in the answer to a stored write. */
  #stored: readonly [string, string] = ['', '']

  constructor(options: FastAnswersOptions) {
    this.#options = options
    this.#requestIds = new RequestIds(options.clock)
    const seconds = Math.floor(options.keepAliveTimeoutMs / 1000)
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n\r\n`
  }

  /** The answer to a request that did not arrive in time; it closes the connection. */
  readonly timeout = renderClosing(REQUEST_TIMEOUT)

  /** @param isLast the answer closes the connection */
  of(reply: Reply, format: ErrorFormat, isLast: boolean): string | Buffer {
    this.#tick()
    const isPlain = reply === STORED && format !== 'csv' && format !== 'msgpack' && !isLast
    return isPlain ? this.#renderStored() : this.#render(reply, format, isLast)
  }

  #renderStored(): string {
    const id = this.#requestIds.next()
    const [before, behind] = this.#stored
    return `${before}Request-Id: ${id}\r\nX-Request-Id: ${id}${behind}`
  }

  #render(reply: Reply, format: ErrorFormat, isLast: boolean): string | Buffer {
    const { status, headers, body } = renderReply(reply, format)
    const id = this.#requestIds.next()
    const all = [...headers, ...this.#versionHeaders(), 'Request-Id', id, 'X-Request-Id', id]
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    if (status !== 204) all.push('Content-Length', String(bytes.length))
    const connection = isLast ? 'Connection: close\r\n\r\n' : this.#keepAlive
    const head = `${statusLine(status)}${renderHeaders(all)}Date: ${this.#date}\r\n${connection}`
    return bytes.length === 0 ? head : Buffer.concat([Buffer.from(head, 'latin1'), bytes])
  }

  #versionHeaders(): string[] {
    return ['X-Influxdb-Build', 'OSS', 'X-Influxdb-Version', this.#options.version]
  }

  #tick(): void {
    const nowMs = this.#options.clock.wallMs()
    const second = Math.floor(nowMs / 1000)
    if (second === this.#second) return
    this.#second = second
    this.#date = new Date(nowMs).toUTCString()
    const headers = renderHeaders(['Content-Type', 'application/json', ...this.#versionHeaders()])
    const behind = `\r\nDate: ${this.#date}\r\n${this.#keepAlive}`
    this.#stored = [statusLine(204) + headers, behind]
  }
}

function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`
}

function renderHeaders(namesAndValues: readonly string[]): string {
  let rendered = ''
  for (let i = 0; i + 1 < namesAndValues.length; i += 2) {
    // Other control characters of an echoed line stay in the header, as in InfluxDB's answers.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these would end the header.
    const value = namesAndValues[i + 1]?.replaceAll(/[\u0000\n\r]/g, ' ')
    rendered += `${namesAndValues[i]}: ${value}\r\n`
  }
  return rendered
}
