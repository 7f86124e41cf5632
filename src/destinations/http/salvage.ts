/**
 * A refusal that no HTTP parser reads: InfluxDB 1.x copies the name of a field into
 * `X-Influxdb-Error` with whatever control character it holds, and stores such fields.
 *
 * The words stand once more in the body, as JSON. So what the parser could not read is looked
 * through for them: else one client's conflicting field would look like a server in trouble, to
 * everybody, until it is found out to be the data.
 */

import { errors } from 'undici'
import type { Answer } from './answer.ts'

/** Said with 400, always; the status itself is behind us. */
const REFUSAL = /^\{"error":"(?:partial write: |field type conflict|unable to parse )/
const HEAD_END = '\r\n\r\n'

/** @returns `undefined` when the error is another one, or the rest of the answer is not at hand */
export function salvageRefusal(error: Error): Answer | undefined {
  if (!(error instanceof errors.HTTPParserError) || !('data' in error)) return undefined
  const rest = typeof error.data === 'string' ? error.data : ''
  const bodyAt = rest.indexOf(HEAD_END)
  if (bodyAt < 0) return undefined
  const body = rest.slice(bodyAt + HEAD_END.length)
  return REFUSAL.test(body) ? { status: 400, headers: {}, body } : undefined
}
