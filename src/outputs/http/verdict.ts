/**
 * What an answer of an HTTP output means. Decided here and nowhere else, from the answer alone.
 *
 * Judged by the text as well as by the status: InfluxDB answers 500 for some refusals for good
 * (`retention policy not found`), and 400 for writes that it has stored in part.
 *
 * Sources: InfluxDB 1.x services/httpd and coordinator, measured on 1.6.7; docs/outputs.md has the
 * table.
 */

import { retryAfterMs } from '../../std/backoff.ts'
import { type Reply, refusedReply } from '../../write/reply.ts'
import type { Batch, Verdict } from '../destination.ts'

/** An answer as it came; header names in lower case, the body cut at the reader's limit. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * Statuses that say something about where the write goes or on whose word, whatever its lines are.
 */
const TARGET_STATUSES: ReadonlySet<number> = new Set([401, 403, 404])
/** Statuses below 500 that may heal. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 425, 429])
/** Texts of a 5xx that will not heal: InfluxDB 1.x says them of the write, not of itself. */
const REFUSING_5XX =
  /retention policy not found|unable to parse|partial write|beyond retention policy|invalid UTF-8/
const RETENTION_POLICY_MISSING = /retention policy not found/

export interface JudgeOptions {
  /** Wall clock, milliseconds since the Unix epoch: for a `Retry-After` that names a date. */
  readonly nowMs: number
  /** The output has credentials of its own: a refusal of them is no word on the client's write. */
  readonly hasOwnCredentials: boolean
}

export function judge(answer: Answer, batch: Batch, options: JudgeOptions): Verdict {
  const { status } = answer
  const { nowMs, hasOwnCredentials } = options
  if (status >= 200 && status < 300) return judgeSuccess(answer, batch)
  if (hasOwnCredentials && (status === 401 || status === 403)) {
    const text = `to its own credentials (${errorOf(answer)}): are they right?`
    return retryLater(status, text, undefined)
  }
  if (TARGET_STATUSES.has(status)) return refused(answer, batch)
  if (PASSING_STATUSES.has(status)) return retry(answer, nowMs)
  if (status >= 400 && status < 500) return refusedOrSplit(answer, batch)
  if (status >= 500 && REFUSING_5XX.test(answer.body)) {
    return RETENTION_POLICY_MISSING.test(answer.body)
      ? refused(answer, batch)
      : refusedOrSplit(answer, batch)
  }
  return retry(answer, nowMs)
}

function judgeSuccess(answer: Answer, batch: Batch): Verdict {
  const isStatement = batch.writes[0]?.kind === 'statement'
  if (answer.headers['content-type']?.startsWith('text/html')) {
    return retryLater(answer.status, 'with a web page: is its location right?', undefined)
  }
  if (isStatement && statementFailed(answer.body)) {
    const reply: Reply = { ...refusedReply(answer.status, errorOf(answer)), body: answer.body }
    return { kind: 'refused', reply, lineCount: 1 }
  }
  return { kind: 'delivered', body: isStatement ? answer.body : '', lost: [] }
}

function refusedOrSplit(answer: Answer, batch: Batch): Verdict {
  if (batch.writes.length === 1) return refused(answer, batch)
  return { kind: 'split', why: `${answer.status} ${errorOf(answer)}` }
}

function refused(answer: Answer, batch: Batch): Verdict {
  const text = errorOf(answer)
  const authenticate = answer.headers['www-authenticate'] ?? ''
  const reply = refusedReply(answer.status, text, authenticate)
  const lineCount = batch.writes.reduce((sum, write) => sum + write.lineCount, 0)
  return { kind: 'refused', reply, lineCount: Math.min(lineCount, refusedLines(text) ?? lineCount) }
}

/** @returns how many lines a partial write says were refused; `undefined` when all were. */
function refusedLines(text: string): number | undefined {
  const match = /^partial write:.* dropped=(\d+)/s.exec(text)
  const count = Number(match?.[1] ?? 0)
  return count > 0 ? count : undefined
}

function retry(answer: Answer, nowMs: number): Verdict {
  const header = answer.headers['retry-after']
  const askedMs = header === undefined ? undefined : retryAfterMs(header, nowMs)
  const isRedirect = answer.status >= 300 && answer.status < 400
  const text = isRedirect
    ? 'a redirect, which is never followed: is its location right?'
    : errorOf(answer)
  return retryLater(answer.status, text, askedMs)
}

function retryLater(status: number, text: string, askedMs: number | undefined): Verdict {
  return {
    kind: 'retry',
    why: `answered ${status} ${text}`.trim(),
    retryAfterMs: askedMs,
    // A 503 is said before the work, a 500 in the middle of it.
    hasBegun: status >= 500 && status !== 503,
    isDown: false,
    isReset: false,
  }
}

/**
 * The server's own words: `error` (v1, v3) or `message` (v2) of a JSON body, else the body itself.
 */
function errorOf(answer: Answer): string {
  const fields = parseObject(answer.body)
  for (const name of ['error', 'message']) {
    const text = fields[name]
    if (typeof text === 'string') return text
  }
  const statementError = firstStatementError(fields)
  return statementError ?? answer.body.trim()
}

function statementFailed(body: string): boolean {
  const fields = parseObject(body)
  return typeof fields['error'] === 'string' || firstStatementError(fields) !== undefined
}

function firstStatementError(fields: Readonly<Record<string, unknown>>): string | undefined {
  const results = fields['results']
  if (!Array.isArray(results)) return undefined
  for (const result of results as unknown[]) {
    const error = isObject(result) ? result['error'] : undefined
    if (typeof error === 'string') return error
  }
  return undefined
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {} // Not JSON: the caller takes the text as it is.
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
