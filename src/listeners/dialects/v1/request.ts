/**
 * Parses the parameters of a write in the dialect of InfluxDB 1.x. Pure.
 *
 * An empty parameter counts as absent. An unknown precision means nanoseconds, as in InfluxDB up to
 * 1.8, and is passed on as nanoseconds, because each output might interpret it differently.
 */

import { parseV1Precision } from '../../../line-protocol/precision.ts'
import type { AcknowledgementPolicy } from '../../../write/acknowledgement.ts'
import { type WriteTarget, writeTarget } from '../../../write/write.ts'
import { type GoQuery, queryText } from '../go-query.ts'

export interface V1WriteRequest {
  /** `database` is '' when the request names none: InfluxDB answers `database is required`. */
  readonly target: WriteTarget
  /** The policy of `consistency`, if the relay honors that parameter. */
  readonly policy: AcknowledgementPolicy | undefined
  /**
   * InfluxDB does not know this `consistency`. Reported after the body was parsed, as by InfluxDB.
   */
  readonly hasInvalidConsistency: boolean
  /**
   * The retention policy's name has control characters. InfluxDB echoes the name of an unknown
   * policy into a header unchanged, and an answer with such a header is not valid HTTP: the output
   * could not read the answer, would treat the server as failing, and would retry for ever.
   */
  readonly hasInvalidRetentionPolicy: boolean
  readonly isPretty: boolean
}

/** Consistency levels; `one` and `any` are the same to a relay. */
const POLICIES: ReadonlyMap<string, AcknowledgementPolicy> = new Map([
  ['any', 'any'],
  ['one', 'any'],
  ['quorum', 'quorum'],
  ['all', 'all'],
])

// biome-ignore lint/suspicious/noControlCharactersInRegex: the expression searches for them.
const CONTROLS = /[\u0000-\u001f\u007f]/

export interface V1WriteRequestParts {
  readonly query: GoQuery
  /** Value of `Authorization`, or ''. */
  readonly authorization: string
  readonly defaultRetentionPolicy: string
  /** False: `consistency` is checked and otherwise ignored, as by a single InfluxDB. */
  readonly honorsConsistency: boolean
}

export function parseV1WriteRequest(parts: V1WriteRequestParts): V1WriteRequest {
  const { query, authorization, defaultRetentionPolicy, honorsConsistency } = parts
  const consistency = queryText(query, 'consistency').toLowerCase()
  const policy = POLICIES.get(consistency)
  const retentionPolicy = queryText(query, 'rp') || defaultRetentionPolicy
  return {
    target: writeTarget({
      database: queryText(query, 'db'),
      retentionPolicy,
      precision: parseV1Precision(queryText(query, 'precision')) ?? 'ns',
      credentials: { authorization, query: credentialsQuery(query) },
    }),
    policy: honorsConsistency ? policy : undefined,
    hasInvalidConsistency: consistency !== '' && policy === undefined,
    hasInvalidRetentionPolicy: CONTROLS.test(retentionPolicy),
    isPretty: queryText(query, 'pretty') === 'true',
  }
}

/** `u` and `p` as received: the outputs decide whether they are used. */
export function credentialsQuery(query: GoQuery): string {
  return ['u', 'p']
    .map((name) => [name, query.get(name)?.raw ?? ''] as const)
    .filter(([, raw]) => raw !== '')
    .map(([name, raw]) => `${name}=${raw}`)
    .join('&')
}
