/**
 * Parses the parameters of a write in the dialect of InfluxDB 1.x. Pure.
 *
 * An empty parameter counts as absent. An unknown precision means nanoseconds, as in InfluxDB up to
 * 1.8, and is passed on as nanoseconds, because each output might interpret it differently.
 */

import { parseV1Precision } from '../../../line-protocol/precision.ts'
import type { AckPolicy } from '../../../write/acks.ts'
import { type WriteTarget, writeTarget } from '../../../write/write.ts'
import { type GoQuery, isQueryText, queryText } from '../go-query.ts'

export interface V1WriteRequest {
  /** `database` is '' when the request names none: InfluxDB answers `database is required`. */
  readonly target: WriteTarget
  /** The policy of `consistency`, if the relay honors that parameter. */
  readonly policy: AckPolicy | undefined
  /**
   * InfluxDB does not know this `consistency`. Reported after the body was parsed, as by InfluxDB.
   */
  readonly hasInvalidConsistency: boolean
  /** Why `target` must not be written to; absent = it may be. */
  readonly fault: TargetFault | undefined
  readonly isPretty: boolean
}

/**
 * A name that no output may be given.
 *
 * - Not UTF-8: no database of InfluxDB can have it, because its statements read U+FFFD in the place
 *   of such bytes. That would be another name, which another database may have.
 * - A retention policy with control characters: InfluxDB echoes the name of one that it does not
 *   have into a header as it is, and an answer with such a header is no HTTP. An output could not
 *   read it, would take the server for broken, and try again for ever.
 */
export type TargetFault = 'database-not-utf8' | 'policy-not-utf8' | 'policy-with-controls'

/** Consistency levels; `one` and `any` are the same to a relay. */
const POLICIES: ReadonlyMap<string, AckPolicy> = new Map([
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
    fault: targetFault(query, retentionPolicy),
    isPretty: queryText(query, 'pretty') === 'true',
  }
}

function targetFault(query: GoQuery, retentionPolicy: string): TargetFault | undefined {
  if (!isQueryText(query, 'db')) return 'database-not-utf8'
  if (!isQueryText(query, 'rp')) return 'policy-not-utf8'
  return CONTROLS.test(retentionPolicy) ? 'policy-with-controls' : undefined
}

/** `u` and `p` as they came: whether they count is for the outputs to say. */
export function credentialsQuery(query: GoQuery): string {
  return ['u', 'p']
    .map((name) => [name, query.get(name)?.raw ?? ''] as const)
    .filter(([, raw]) => raw !== '')
    .map(([name, raw]) => `${name}=${raw}`)
    .join('&')
}
