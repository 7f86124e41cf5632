/**
 * Reads a refusal that no HTTP parser accepts. InfluxDB 1.x copies the name of a field into
 * `X-Influxdb-Error` with any control character in the name, and it stores such fields.
 *
 * The body repeats the error as JSON, so this file searches the unparsed rest of the answer for
 * that JSON. Otherwise one client's conflicting field would look like a failing server, and would
 * hold up all clients until the data is found to be the cause.
 */

import { errors } from 'undici'
import type { Answer } from './answer.ts'

/** InfluxDB sends these with status 400 only; the parser has already dropped the status line. */
const REFUSAL = /^\{"error":"(?:partial write: |field type conflict|unable to parse )/
const HEAD_END = '\r\n\r\n'

/** @returns `undefined` for any other error, or when the rest of the answer is not available */
export function salvageRefusal(error: Error): Answer | undefined {
  if (!(error instanceof errors.HTTPParserError) || !('data' in error)) return undefined
  const rest = typeof error.data === 'string' ? error.data : ''
  const bodyAt = rest.indexOf(HEAD_END)
  if (bodyAt < 0) return undefined
  const body = rest.slice(bodyAt + HEAD_END.length)
  return REFUSAL.test(body) ? { status: 400, headers: {}, body } : undefined
}
