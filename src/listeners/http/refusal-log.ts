/**
 * A debug line for each request that is answered with an error: the request, the client, and the
 * answer. An operator whose data does not arrive looks here first.
 *
 *     answered 404 to POST /api/v2/write from 10.0.0.9:51514: 404 page not found
 *
 * A line never holds a query string or a header, because both can hold credentials. Credentials
 * that an answer quotes from the request are redacted (write/redact.ts).
 *
 * Limits: one line for each status in REPEAT_INTERVAL_MS; the next line says how many were left
 * out. A suppressed line costs one call of the clock.
 */

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../../std/clock.ts'
import { LogThrottle, renderRepeats } from '../../std/log-throttle.ts'
import type { Logger } from '../../std/logger.ts'
import { redacted } from '../../write/redact.ts'
import type { Reply } from '../../write/reply.ts'
import { NO_CREDENTIALS, type WriteTarget } from '../../write/write.ts'
import { parseGoQuery, queryStringOf, queryText } from '../dialects/go-query.ts'
import type { HttpAnswer } from '../dialects/v1/reply.ts'

const REPEAT_INTERVAL_MS = 1_000
const PATH_MAX_CHARS = 200
const ERROR_MAX_CHARS = 500
/** The lowest status that counts as a refusal. */
export const FIRST_REFUSAL = 400

type Peer = Pick<Socket, 'remoteAddress' | 'remotePort'>

interface Refusal {
  readonly status: number
  readonly what: string
  readonly database: string
  readonly error: string
}

export class RefusalLog {
  readonly #clock: Clock
  readonly #logger: Logger
  /** By status, so that a frequent kind of error does not hide a rare one. */
  readonly #throttles = new Map<number, LogThrottle>()

  constructor(options: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = options.clock
    this.#logger = options.logger
  }

  /** Logs an answer to a request that node's parser has read. */
  noteAnswer(request: IncomingMessage, answer: HttpAnswer): void {
    const { status } = answer
    this.#note(status, request.socket, () => {
      const { method = '', url = '', headers } = request
      const query = queryStringOf(url)
      const database = queryText(parseGoQuery(query), 'db')
      const credentials = { authorization: headers.authorization ?? '', query }
      const error = redacted(errorOf(answer), credentials)
      return { status, what: `${method} ${pathOf(url)}`, database, error }
    })
  }

  /** Logs an answer to a write on the fast path. */
  noteWrite(target: WriteTarget, reply: Reply, peer: Peer): void {
    const { status, error } = reply
    this.#note(status, peer, () => {
      const shown = redacted(error, target.credentials)
      return { status, what: 'POST /write', database: target.database, error: shown }
    })
  }

  /** Logs an answer to bytes that are not a request, or only the beginning of one. */
  noteBytes(status: number, error: string, peer: Peer): void {
    this.#note(status, peer, () => {
      const shown = redacted(error, NO_CREDENTIALS)
      return { status, what: 'an invalid or incomplete request', database: '', error: shown }
    })
  }

  #note(status: number, peer: Peer, describe: () => Refusal): void {
    if (status < FIRST_REFUSAL) return
    let throttle = this.#throttles.get(status)
    if (throttle === undefined) {
      throttle = new LogThrottle(this.#clock, REPEAT_INTERVAL_MS)
      this.#throttles.set(status, throttle)
    }
    const suppressed = throttle.hit()
    if (suppressed === undefined) return
    const { what, database, error } = describe()
    const client = clientOf(peer)
    const where = database === '' ? '' : ` for database "${database}"`
    const text = `answered ${status} to ${what}${where} from ${client}: ${shorten(error)}`
    const fields = { status, database, client, error: shorten(error), suppressed }
    this.#logger.debug(fields, text + renderRepeats(suppressed))
  }
}

function clientOf({ remoteAddress, remotePort }: Peer): string {
  if (remoteAddress === undefined) return 'a client that is gone'
  return `${remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`
}

/** The path of a request target. A whole URL is also a valid target; its user and password go. */
function pathOf(target: string): string {
  const path = target.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '')
  return path.length <= PATH_MAX_CHARS ? path : `${path.slice(0, PATH_MAX_CHARS)}…`
}

/** The error text from its header if there is one, otherwise the first line of the body. */
function errorOf({ headers, body }: HttpAnswer): string {
  const nameAt = headers.indexOf('X-Influxdb-Error')
  if (nameAt >= 0) return headers[nameAt + 1] ?? ''
  return String(body).trim().split('\n', 1)[0] ?? ''
}

function shorten(text: string): string {
  return text.length <= ERROR_MAX_CHARS ? text : `${text.slice(0, ERROR_MAX_CHARS)}…`
}
