/**
 * The outcome of one write at one output.
 *
 * A write is pending at an output until exactly one outcome is reported; then it is counted under
 * that outcome. So the sum of G10 is exact: accepted = pending + the sum over all outcomes.
 */

import type { Reply } from './reply.ts'

/** The final outcomes, in the order of the metrics. */
export const OUTCOME_KINDS = [
  'delivered',
  'refused',
  'dead-lettered',
  'dropped',
  'withdrawn',
  'filtered',
] as const
export type OutcomeKind = (typeof OUTCOME_KINDS)[number]

/** Why an output dropped a write. Always counted, always logged. */
export type DropReason =
  /** The output's backlog bound was reached; another output has stored the write. */
  | 'backlog-full'
  /** `buffer-size-mb = 0`: the one attempt failed. */
  | 'one-attempt'
  /** A line does not fit into a datagram of the configured MTU. */
  | 'over-mtu'
  /** The operating system refused the datagram. */
  | 'send-error'
  /** Still owed when the process ended. */
  | 'shutdown'
  /** The write was in a file of the log on disk that was removed or damaged. */
  | 'log-lost'

export interface Refusal {
  readonly reply: Reply
  readonly lineCount: number
  /** The refused lines. */
  readonly bodies: readonly Buffer[]
}

export type Outcome =
  /** The destination stored the write. `body` is its answer to a statement, else ''. */
  | { readonly kind: 'delivered'; readonly body: string }
  /** The destination refused the bytes for good. `lineCount` of the write's lines were refused. */
  | ({ readonly kind: 'refused' } & Refusal)
  /** Refused, but the client does not know: with a log on disk, kept for the operator. */
  | ({ readonly kind: 'dead-lettered' } & Refusal)
  | {
      readonly kind: 'dropped'
      readonly reason: DropReason
      readonly lineCount: number
      /** Lines of the write that the destination had refused before. */
      readonly refusedLineCount: number
    }
  /** The client got a 503 before any output had begun to send the write. */
  | { readonly kind: 'withdrawn' }
  /**
   * The write is not for this output: its `[[filter]]` passes none of the lines, or the destination
   * does not support the statement; then `reply` is the destination's answer to the statement.
   */
  | { readonly kind: 'filtered'; readonly reply?: Reply }

export const DELIVERED: Outcome = { kind: 'delivered', body: '' }

/** Nothing of the write was sent. */
export function dropped(lineCount: number, reason: DropReason): Outcome {
  return { kind: 'dropped', reason, lineCount, refusedLineCount: 0 }
}

/**
 * Whether the output has stored at least some lines of the write.
 *
 * @param lineCount the lines of the write that are for this output
 */
export function isStored(outcome: Outcome, lineCount: number): boolean {
  if (outcome.kind === 'delivered') return true
  if (!('lineCount' in outcome)) return false
  const before = outcome.kind === 'dropped' ? outcome.refusedLineCount : 0
  return outcome.lineCount + before < lineCount
}
