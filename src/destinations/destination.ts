/**
 * The seam between the drain loop and what is behind an output: an HTTP server, a UDP socket, a
 * file.
 *
 * Life: `open…Destination(options)` returns it working or rejects with nothing left behind. Not
 * being able to *reach* something is no reason to reject: the network may come back.
 */

import type { RefusalClue } from '../line-protocol/rejected/refusal-clue.ts'
import type { FileMark } from '../log/cursors/file-extent.ts'
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
 * What an answer means: decided for HTTP by `http/verdict.ts`, by UDP and file destinations
 * themselves.
 */
export type Verdict =
  | DeliveredVerdict
  | RetryVerdict
  /**
   * Some lines are refused for good; the others are stored, or still being stored. `refusedCount`
   * lines, as far as the answer says (`undefined`: it does not); `clue` tells which.
   */
  | {
      readonly kind: 'partly'
      readonly reply: Reply
      readonly refusedCount: number | undefined
      readonly clue: RefusalClue
    }
  /**
   * Nothing of it was stored. To be sent in parts, one after the other: down to the clients'
   * writes, or on to single lines. What cannot be split any more is refused.
   */
  | { readonly kind: 'split'; readonly downTo: 'write' | 'line'; readonly reply: Reply }
  /**
   * `target`: its database or retention policy is missing there. `rights`: the output's own user
   * may not write to it. `output`: the output's own credentials are refused.
   */
  | { readonly kind: 'hold'; readonly scope: 'target' | 'rights' | 'output'; readonly reply: Reply }
  /**
   * Refused for good, all of it. `isDoubtful`: said by something that does not sound like a
   * database, such as a maintenance page; lines are then not given up for it alone.
   */
  | { readonly kind: 'refused'; readonly reply: Reply; readonly isDoubtful: boolean }
  /** There is no such statement there; `reply` for a client for whom nobody has it. */
  | { readonly kind: 'unsupported'; readonly reply: Reply }

/** Stored. */
export interface DeliveredVerdict {
  readonly kind: 'delivered'
  readonly body: string
  /** What of the batch could not be sent and never will be (UDP). */
  readonly lost: readonly LostLines[]
  /** Where it ends in a file that the next process cuts to what the cursor knows. */
  readonly mark?: FileMark | undefined
}

/** Keep the place and try again. */
export interface RetryVerdict {
  readonly kind: 'retry'
  readonly why: string
  readonly retryAfterMs: number | undefined
  /** It may have been carried out, or may still be. */
  readonly hasBegun: boolean
  /** The destination could not be reached or did not answer: it counts as down. */
  readonly isDown: boolean
  /**
   * Whether the data may be to blame. `reset`: the connection died under the request, as a kept one
   * may at any time: the first is tried again at once. `error`: a 5xx that names no cause of its
   * own. `doubt`: a refusal in words that are no database's. `none`: certainly not the data.
   */
  readonly suspicion: 'none' | 'reset' | 'error' | 'doubt'
}

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
  /**
   * Sends a write without lines, which stores nothing, to hear what is said of the target and of
   * its credentials. Takes no connection from `send`. Never rejects; given up at `signal`. Absent
   * where there is nobody to ask.
   */
  ask?(target: WriteTarget, signal: AbortSignal): Promise<Verdict>
  /** Of a destination that writes to a file, with a log on disk: where that ends. */
  readonly mark?: FileMark | undefined
}
