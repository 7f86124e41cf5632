/**
 * What became of one write at one output.
 *
 * A write is pending at an output until exactly one outcome is reported; then it is counted under
 * it. This is what makes the sum of G10 exact: accepted = pending + the sum over all outcomes.
 */

import type { Reply } from './reply.ts'

/** The final fates, in the order in which metrics show them. */
export const OUTCOME_KINDS = [
  'delivered',
  'refused',
  'dead-lettered',
  'dropped',
  'withdrawn',
  'filtered',
] as const
export type OutcomeKind = (typeof OUTCOME_KINDS)[number]

/** Why bytes were given up. Always counted, always logged. */
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
  /** It was in a file of the log on disk that was taken away or damaged. */
  | 'log-lost'

export interface Refusal {
  readonly reply: Reply
  readonly lineCount: number
  /** The refused lines. */
  readonly bodies: readonly Buffer[]
}

export type Outcome =
  /** Stored there. `body` is the destination's answer to a statement, else ''. */
  | { readonly kind: 'delivered'; readonly body: string }
  /** The destination refused the bytes for good. `lineCount` of the write's lines were refused. */
  | ({ readonly kind: 'refused' } & Refusal)
  /** The same, and its client does not know: it is kept for the operator, with a log on disk. */
  | ({ readonly kind: 'dead-lettered' } & Refusal)
  | {
      readonly kind: 'dropped'
      readonly reason: DropReason
      readonly lineCount: number
      /** Lines of it that the destination had refused before. */
      readonly refusedLineCount: number
    }
  /** The client was told 503 before any output had begun it. */
  | { readonly kind: 'withdrawn' }
  /**
   * It is not for this output: its `[[filter]]` wants none of the lines, or it is a statement that
   * the destination does not have; then `reply` is what that says to it.
   */
  | { readonly kind: 'filtered'; readonly reply?: Reply }

export const DELIVERED: Outcome = { kind: 'delivered', body: '' }
