/**
 * The seam between the drain loop and what is behind an output: an HTTP server, a UDP socket, a
 * file.
 *
 * Life: `open…Destination(options)` returns it working or rejects with nothing left behind. Not
 * being able to *reach* something is no reason to reject: the network may come back.
 */

import type { DropReason } from '../write/outcome.ts'
import type { Reply } from '../write/reply.ts'
import type { Write, WriteTarget } from '../write/write.ts'

/**
 * Neighbours in a stream that leave as one request. All `writes` have equal targets; merged ones
 * are lines.
 */
export interface Batch {
  readonly target: WriteTarget
  /** At least one; more than one only of kind `lines`. In log order. */
  readonly writes: readonly Write[]
  /** Bytes of all bodies together. */
  readonly bytes: number
}

/**
 * What an answer means: decided for HTTP by `verdict.ts`, by UDP and file destinations themselves.
 */
export type Verdict =
  /** Stored. `lost` says what of the batch could not be sent and never will be (UDP). */
  | { readonly kind: 'delivered'; readonly body: string; readonly lost: readonly LostLines[] }
  /** Keep the place and try again. `hasBegun`: it may have been carried out, or may still be. */
  | {
      readonly kind: 'retry'
      readonly why: string
      readonly retryAfterMs: number | undefined
      readonly hasBegun: boolean
      /** The destination could not be reached or did not answer: it counts as down. */
      readonly isDown: boolean
      /**
       * The connection died under the request, as a kept one may at any time: the first is tried
       * again at once.
       */
      readonly isReset: boolean
    }
  /** A merged request was refused: send its writes one by one. */
  | { readonly kind: 'split'; readonly why: string }
  /** Refused for good. `lineCount` of the lines were refused. */
  | { readonly kind: 'refused'; readonly reply: Reply; readonly lineCount: number }

export interface LostLines {
  readonly reason: DropReason
  /** Index into `batch.writes`. */
  readonly writeIndex: number
  readonly lineCount: number
}

export interface SendEvents {
  /**
   * The attempt has run into `timeout` and is still being waited for. Called at most once an
   * attempt.
   */
  onTimeout(): void
}

export type ProbeResult =
  | { readonly isAnswered: true }
  /** `why`: what the operator is told. */
  | { readonly isAnswered: false; readonly why: string }

export const ANSWERED: ProbeResult = { isAnswered: true }

export interface Destination extends AsyncDisposable {
  /** Sends and judges. Never rejects; one call at a time for a stream, several streams at once. */
  send(batch: Batch, events: SendEvents): Promise<Verdict>
  /**
   * Whether it answers at all, whatever it answers. Never rejects. Always true where there is
   * nobody to ask.
   */
  probe(): Promise<ProbeResult>
}
