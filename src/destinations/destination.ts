/**
 * The seam between the drain loop and what is behind an output: an HTTP server, a UDP socket, a
 * file.
 *
 * Life cycle: `open…Destination(options)` resolves with a working destination, or rejects and
 * leaves nothing behind. An unreachable server is no reason to reject: the network may come back.
 */

import type { RefusalCause } from '../line-protocol/rejected/cause.ts'
import type { FileCheckpoint } from '../log/cursors/file-checkpoint.ts'
import type { DropReason } from '../write/outcome.ts'
import type { Reply } from '../write/reply.ts'
import type { Write, WriteTarget } from '../write/write.ts'

/**
 * The content of one request: consecutive writes of a stream. All `writes` have the same target;
 * only writes of kind `lines` are merged.
 */
export interface Payload {
  readonly target: WriteTarget
  /** At least one; more than one only of kind `lines`. In log order. */
  readonly writes: readonly Write[]
  /** Bytes of all bodies together. */
  readonly bytes: number
}

/**
 * What an answer means. `http/verdict.ts` decides for HTTP; UDP and file destinations decide for
 * themselves.
 */
export type Verdict =
  | DeliveredVerdict
  | RetryVerdict
  /**
   * Some lines are refused for good; the others are stored, or are still being stored.
   * `refusedCount`: how many, `undefined` when the answer does not say. `cause`: which lines.
   */
  | {
      readonly kind: 'partly'
      readonly reply: Reply
      readonly refusedCount: number | undefined
      readonly cause: RefusalCause
    }
  /**
   * Nothing of the batch was stored. The caller splits the batch and sends the pieces one after
   * the other: down to the clients' writes, or further down to single lines. A piece that cannot
   * be split again is refused.
   */
  | { readonly kind: 'split'; readonly downTo: 'write' | 'line'; readonly reply: Reply }
  /**
   * `target`: the database or retention policy is missing on the server. `rights`: the output's
   * own user may not write to the database. `output`: the server refuses the output's own
   * credentials.
   */
  | { readonly kind: 'hold'; readonly scope: 'target' | 'rights' | 'output'; readonly reply: Reply }
  /**
   * The whole batch is refused for good. `isUnconfirmed`: an unconfirmed rejection, from something
   * that does not sound like a database, such as a maintenance page. Lines are not dropped because
   * of such an answer alone.
   */
  | { readonly kind: 'refused'; readonly reply: Reply; readonly isUnconfirmed: boolean }
  /** The server has no such statement. `reply` is for the client when no output has it. */
  | { readonly kind: 'unsupported'; readonly reply: Reply }

export interface DeliveredVerdict {
  readonly kind: 'delivered'
  readonly body: string
  /** UDP: the lines of the batch that could not be sent and never will be. */
  readonly lost: readonly LostLines[]
  /**
   * File: the offset at which the batch ends. The next process truncates the file to the offset
   * that the cursor holds.
   */
  readonly checkpoint?: FileCheckpoint | undefined
}

/** The batch keeps its place in the stream and is sent again. */
export interface RetryVerdict {
  readonly kind: 'retry'
  readonly why: string
  readonly retryAfterMs: number | undefined
  /** The server may have carried the request out, or may still do so. */
  readonly hasBegun: boolean
  /** The destination could not be reached or did not answer: it counts as down. */
  readonly isDown: boolean
  /**
   * Whether the data may be the cause. `reset`: the connection died during the request. That can
   * happen to a kept-alive connection at any time, so the first reset is retried at once. `error`:
   * a 5xx that names no other cause. `unconfirmed`: a rejection in words that no database
   * uses. `none`: the data is certainly not the cause.
   */
  readonly evidence: 'none' | 'reset' | 'error' | 'unconfirmed'
}

export interface LostLines {
  readonly reason: DropReason
  /** Index into `payload.writes`. */
  readonly writeIndex: number
  readonly lineCount: number
}

export interface SendEvents {
  /** The attempt has exceeded `timeout` and still runs. Called at most once for each attempt. */
  onTimeout(): void
}

export type ProbeResult =
  | { readonly isAnswered: true }
  /** `why`: the reason, for the operator. */
  | { readonly isAnswered: false; readonly why: string }

export const ANSWERED: ProbeResult = { isAnswered: true }

export interface Destination extends AsyncDisposable {
  /**
   * Sends the payload and judges the answer. Never rejects. A stream makes one call at a time;
   * several streams call concurrently.
   */
  send(payload: Payload, events: SendEvents): Promise<Verdict>
  /**
   * Whether the destination answers at all; the content of the answer does not matter. Never
   * rejects. Always answered for a destination without a server.
   */
  probe(): Promise<ProbeResult>
  /**
   * Sends a write without lines, which stores nothing, to learn whether the server accepts the
   * target and its credentials. Uses no connection of `send`. Never rejects; `signal` aborts the
   * request. Absent for a destination that does not answer.
   */
  ask?(target: WriteTarget, signal: AbortSignal): Promise<Verdict>
  /** Where the file ends. Only for a file destination with a log on disk. */
  readonly checkpoint?: FileCheckpoint | undefined
}
