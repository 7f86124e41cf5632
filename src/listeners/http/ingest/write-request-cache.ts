/**
 * A cache of parsed request targets: clients send the same query string and credentials with every
 * write.
 *
 * Writes with one request target share one `WriteTarget`; outputs merge writes with the same target
 * object.
 *
 * Limits: two generations of `GENERATION_MAX_REQUESTS` each; an entry that is used moves to the
 * younger one. Keys longer than `KEY_MAX_CHARACTERS` are parsed each time. The cache holds
 * credentials as long as it keeps an entry.
 */

import type { ScanOptions } from '../../../line-protocol/scan/scan.ts'
import type { AcceptOptions } from '../../../relay/relay.ts'
import { TwoGenerationCache } from '../../../std/two-generation-cache.ts'
import type { RisingClock } from '../../../write/rising-clock.ts'
import { parseGoQuery, queryStringOf } from '../../dialects/go-query.ts'
import { parseV1WriteRequest, type V1WriteRequest } from '../../dialects/v1/request.ts'

/** The parsed URL and credentials of a write, with the options that follow from them. */
export interface ParsedWriteRequest extends V1WriteRequest {
  readonly accept: AcceptOptions
  readonly scan: ScanOptions
}

const GENERATION_MAX_REQUESTS = 512
const KEY_MAX_CHARACTERS = 2048

export interface ParsedWriteRequestsOptions {
  readonly defaultRetentionPolicy: string
  readonly honorsConsistency: boolean
  readonly unsignedIntegers: boolean
  readonly stampClock: RisingClock
}

export class ParsedWriteRequests {
  readonly #options: ParsedWriteRequestsOptions
  readonly #kept = new TwoGenerationCache<ParsedWriteRequest>(GENERATION_MAX_REQUESTS)

  constructor(options: ParsedWriteRequestsOptions) {
    this.#options = options
  }

  /** @param requestTarget path and query, as the client sent them */
  parse(requestTarget: string, authorization: string): ParsedWriteRequest {
    // A request target has no blanks, so no two pairs have the same key.
    const key = authorization === '' ? requestTarget : `${requestTarget} ${authorization}`
    const known = this.#kept.get(key)
    if (known !== undefined) return known
    const parsed = this.#parse(requestTarget, authorization)
    if (key.length <= KEY_MAX_CHARACTERS) this.#kept.set(key, parsed)
    return parsed
  }

  #parse(requestTarget: string, authorization: string): ParsedWriteRequest {
    const { unsignedIntegers, stampClock } = this.#options
    const query = parseGoQuery(queryStringOf(requestTarget))
    const request = parseV1WriteRequest({ ...this.#options, query, authorization })
    const { precision } = request.target
    return {
      ...request,
      accept: { policy: request.policy },
      scan: { precision, unsignedIntegers, stamp: () => stampClock.next(precision) },
    }
  }
}
