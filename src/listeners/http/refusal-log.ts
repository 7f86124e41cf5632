/**
 * A debug line for each request that is not answered with success: what came, from whom, and what
 * it was told. The first question of whoever sees nothing arrive.
 *
 *     answered 404 to POST /api/v2/write from 10.0.0.9:51514: 404 page not found
 *
 * Never a query string or a header, for credentials are in both; and where an answer quotes what
 * the request carried (write/redact.ts), that neither.
 *
 * Limits: one line of a status in REPEAT_INTERVAL_MS; the next one says how many were left out. A
 * line that is not written costs a look at the clock.
 */

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../../std/clock.ts'
import type { Logger } from '../../std/logger.ts'
import { LogThrottle, renderRepeats } from '../../std/throttle.ts'
import { redacted } from '../../write/redact.ts'
import type { Reply } from '../../write/reply.ts'
import { NO_CREDENTIALS, type WriteTarget } from '../../write/write.ts'
import { parseGoQuery, queryStringOf, queryText } from '../dialects/go-query.ts'
import type { HttpAnswer } from '../dialects/v1/reply.ts'

const REPEAT_INTERVAL_MS = 1_000
const PATH_MAX_CHARS = 200
const ERROR_MAX_CHARS = 500
/** The lowest status that is one. */
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
  /** By status: of each kind of mistake one can be seen, however common another is. */
  readonly #throttles = new Map<number, LogThrottle>()

  constructor(options: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = options.clock
    this.#logger = options.logger
  }

  /** An answer of node's lanes is about to be written. */
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

  /** A write of the fast lane is about to be answered. */
  noteWrite(target: WriteTarget, reply: Reply, peer: Peer): void {
    const { status, error } = reply
    this.#note(status, peer, () => {
      const shown = redacted(error, target.credentials)
      return { status, what: 'POST /write', database: target.database, error: shown }
    })
  }

  /** Bytes that are no request, or one that did not come to its end. */
  noteBytes(status: number, error: string, peer: Peer): void {
    this.#note(status, peer, () => {
      const shown = redacted(error, NO_CREDENTIALS)
      return { status, what: 'what is no whole request', database: '', error: shown }
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

/** Of a target that is a whole URL as well: no user and password. */
function pathOf(target: string): string {
  const path = target.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '')
  return path.length <= PATH_MAX_CHARS ? path : `${path.slice(0, PATH_MAX_CHARS)}…`
}

/** As it stands in the header for it; else the first line of the body. */
function errorOf({ headers, body }: HttpAnswer): string {
  const nameAt = headers.indexOf('X-Influxdb-Error')
  if (nameAt >= 0) return headers[nameAt + 1] ?? ''
  return String(body).trim().split('\n', 1)[0] ?? ''
}

function shorten(text: string): string {
  return text.length <= ERROR_MAX_CHARS ? text : `${text.slice(0, ERROR_MAX_CHARS)}…`
}
