/**
 * A cache of parsed request targets: clients send the same query string and credentials with every
 * write.
 *
 * Writes of one plan share one `WriteTarget`; outputs merge writes with the same target object.
 *
 * Limits: two generations of `GENERATION_MAX_PLANS` each; a plan that is used moves to the younger
 * one. Keys longer than `KEY_MAX_CHARACTERS` are parsed each time. The cache holds credentials as
 * long as it keeps a plan.
 */

import type { ScanOptions } from '../../../line-protocol/scan/scan.ts'
import type { AcceptOptions } from '../../../relay/relay.ts'
import { Generations } from '../../../std/generations.ts'
import type { RisingClock } from '../../../write/rising-clock.ts'
import { parseGoQuery, queryStringOf } from '../../dialects/go-query.ts'
import { parseV1WriteRequest, type V1WriteRequest } from '../../dialects/v1/request.ts'

/** The parsed URL and credentials of a write, with the options that follow from them. */
export interface WritePlan extends V1WriteRequest {
  readonly accept: AcceptOptions
  readonly scan: ScanOptions
}

const GENERATION_MAX_PLANS = 512
const KEY_MAX_CHARACTERS = 2048

export interface WritePlansOptions {
  readonly defaultRetentionPolicy: string
  readonly honorsConsistency: boolean
  readonly unsignedIntegers: boolean
  readonly stampClock: RisingClock
}

export class WritePlans {
  readonly #options: WritePlansOptions
  readonly #kept = new Generations<WritePlan>(GENERATION_MAX_PLANS)

  constructor(options: WritePlansOptions) {
    this.#options = options
  }

  /** @param requestTarget path and query, as the client sent them */
  planFor(requestTarget: string, authorization: string): WritePlan {
    // A request target has no blanks, so no two pairs have the same key.
    const key = authorization === '' ? requestTarget : `${requestTarget} ${authorization}`
    const known = this.#kept.get(key)
    if (known !== undefined) return known
    const plan = this.#parse(requestTarget, authorization)
    if (key.length <= KEY_MAX_CHARACTERS) this.#kept.set(key, plan)
    return plan
  }

  #parse(requestTarget: string, authorization: string): WritePlan {
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
