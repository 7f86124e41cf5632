/**
 * The parameters of a write in the dialect of InfluxDB 1.x → where it goes and how it is read.
 * Pure.
 *
 * Empty parameters are absent ones. An unknown precision means nanoseconds, as it did to InfluxDB
 * up to 1.8, and is passed on as nanoseconds: outputs would each make something else of it.
 */

import { parseV1Precision } from '../../line-protocol/precision.ts'
import type { AcknowledgementPolicy } from '../../write/acknowledgement.ts'
import { type WriteTarget, writeTarget } from '../../write/write.ts'
import { type GoQuery, queryText } from './go-query.ts'

export interface V1WriteRequest {
  /** `database` is '' when the request names none: InfluxDB answers `database is required`. */
  readonly target: WriteTarget
  readonly policy: AcknowledgementPolicy | undefined
  /**
   * `consistency` is none that InfluxDB knows. Told after the body was parsed, as InfluxDB does.
   */
  readonly hasInvalidConsistency: boolean
  readonly isPretty: boolean
}

/** Consistency levels; `one` and `any` are the same to a relay. */
const POLICIES: ReadonlyMap<string, AcknowledgementPolicy> = new Map([
  ['any', 'any'],
  ['one', 'any'],
  ['quorum', 'quorum'],
  ['all', 'all'],
])

export interface V1WriteRequestParts {
  readonly query: GoQuery
  /** Value of `Authorization`, or ''. */
  readonly authorization: string
  readonly defaultRetentionPolicy: string
}

export function parseV1WriteRequest(parts: V1WriteRequestParts): V1WriteRequest {
  const { query, authorization, defaultRetentionPolicy } = parts
  const consistency = queryText(query, 'consistency').toLowerCase()
  const policy = POLICIES.get(consistency)
  return {
    target: writeTarget({
      database: queryText(query, 'db'),
      retentionPolicy: queryText(query, 'rp') || defaultRetentionPolicy,
      precision: parseV1Precision(queryText(query, 'precision')) ?? 'ns',
      credentials: { authorization, query: credentialsQuery(query) },
    }),
    policy,
    hasInvalidConsistency: consistency !== '' && policy === undefined,
    isPretty: queryText(query, 'pretty') === 'true',
  }
}

/** `u` and `p` as they came: whether they count is for the outputs to say. */
export function credentialsQuery(query: GoQuery): string {
  return ['u', 'p']
    .map((name) => [name, query.get(name)?.raw ?? ''] as const)
    .filter(([, raw]) => raw !== '')
    .map(([name, raw]) => `${name}=${raw}`)
    .join('&')
}
