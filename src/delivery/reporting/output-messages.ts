/**
 * Log lines of one output. Each line says what happened, why, how much data is concerned, and what
 * happens next.
 *
 * At most one line of a kind is logged in REPEAT_INTERVAL_MS; the next line says how many were left
 * out. The output's error texts are logged without the credentials that it was sent.
 */

import type { Entry } from '../../log/entry.ts'
import type { Lag } from '../../log/retention/lag.ts'
import type { Clock } from '../../std/clock.ts'
import { errorText } from '../../std/errors.ts'
import { LogThrottle, renderRepeats } from '../../std/log-throttle.ts'
import type { LogFields, Logger } from '../../std/logger.ts'
import { renderBytes, renderCount, renderWait } from '../../std/units.ts'
import { redacted } from '../../write/redact.ts'
import type { Reply } from '../../write/reply.ts'
import type { WriteTarget } from '../../write/write.ts'
import type { Batch } from '../stream/batch.ts'
import type { OutputCounters } from './output-counters.ts'

const REPEAT_INTERVAL_MS = 5_000
/** Error texts may quote whole bodies; longer texts are cut. */
const ERROR_TEXT_MAX_CHARS = 500

type Kind =
  | 'failed'
  | 'refused'
  | 'unsupported'
  | 'gave-up'
  | 'full'
  | 'cannot-read'
  | 'one-attempt'
  | 'poison'
  | 'hold-began'
  | 'hold-ended'
  | 'hold-gave-up'

export interface OutputMessagesOptions {
  readonly name: string
  readonly clock: Clock
  readonly logger: Logger
  /**
   * Lag: writes that the output is owed but has not read from the log on disk, not in `pending`.
   */
  readonly formerLag: () => Lag
}

export class OutputMessages {
  readonly #name: string
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #formerLag: () => Lag
  readonly #throttles = new Map<Kind, LogThrottle>()

  constructor(options: OutputMessagesOptions) {
    this.#name = options.name
    this.#logger = options.logger
    this.#clock = options.clock
    this.#formerLag = options.formerLag
  }

  timeoutCause(timeoutMs: number): string {
    return `no answer within ${renderWait(timeoutMs)}`
  }

  attemptFailed(attempt: {
    readonly failures: number
    readonly why: string
    readonly delayMs: number
    readonly counters: OutputCounters
  }): void {
    const { failures, delayMs, counters } = attempt
    const why = shorten(attempt.why)
    this.#warn('failed', () => {
      const { pendingWrites, pendingBytes } = counters
      const { writes } = this.#formerLag()
      const more = writes === 0 ? '' : `, ${writes} more on disk`
      const amount = `${renderCount(pendingWrites, 'write')} (${renderBytes(pendingBytes)})`
      const next = `next attempt in ${renderWait(delayMs)}`
      const text = `attempt ${failures} failed (${why}); ${amount} waiting${more}; ${next}`
      return [{ failures, why, delayMs }, text]
    })
  }

  /** Lines of one write that were refused for good. */
  refused(refusal: {
    readonly target: WriteTarget
    readonly lineCount: number
    readonly reply: Reply
  }): void {
    const { target, lineCount, reply } = refusal
    const { database } = target
    const { status } = reply
    this.#warn('refused', () => {
      const error = errorOf(reply, target)
      const text = `refused ${renderLines(lineCount, target)} for good (${status} ${error})`
      return [{ status, error, database, lines: lineCount }, text]
    })
  }

  /** The server does not support CREATE DATABASE. No action is needed. */
  unsupported(target: WriteTarget, reply: Reply): void {
    const { status } = reply
    const { database } = target
    this.#warn('unsupported', () => {
      const error = errorOf(reply, target)
      const answered = error === '' ? `${status}` : `${status} ${error}`
      const left = `creating "${database}" is left to the server; writes are sent as before`
      const text = `does not support CREATE DATABASE (${answered}): ${left}`
      return [{ status, error, database }, text]
    })
  }

  rejectedPoison({ target, lineCount }: Batch, failure: string): void {
    const { database } = target
    const why = shorten(failure)
    this.#warn('poison', () => {
      const what = `rejected ${renderLines(lineCount, target)}`
      const text = `${what}: the output kept failing (${why}), but accepted later writes`
      return [{ database, lines: lineCount, why }, text]
    })
  }

  /** @param hold `lacksRights`: the output's own user may not write to the database */
  holdBegan(
    hold: { readonly target: WriteTarget; readonly reply: Reply; readonly lacksRights: boolean },
    graceMs: number,
  ): void {
    const { target, reply, lacksRights } = hold
    const { database, retentionPolicy } = target
    this.#warn('hold-began', () => {
      const answer = `${reply.status} ${errorOf(reply, target)}`
      const what = lacksRights
        ? `its user may not write to ${renderTarget(target)} (${answer})`
        : `${renderTarget(target)} is missing there (${answer})`
      const cure = lacksRights ? 'grant that user write access' : 'create it'
      const text = `${what}: its writes are kept for ${renderWait(graceMs)} at most; ${cure}`
      return [{ database, retentionPolicy, graceMs }, text]
    })
  }

  holdEnded(target: WriteTarget, writes: number): void {
    const { database, retentionPolicy } = target
    this.#warn('hold-ended', () => {
      const what = `no longer waits for ${renderTarget(target)}`
      return [
        { database, retentionPolicy, writes },
        `${what}: ${renderCount(writes, 'write')} to be sent`,
      ]
    })
  }

  holdExpired(entry: Entry, why: string): void {
    const { target } = entry.write
    const { database } = target
    this.#warn('hold-gave-up', () => {
      const what = `refused a write that was on hold for ${renderTarget(target)}`
      return [{ database, why }, `${what}: ${why}`]
    })
  }

  /** Its backlog on disk. */
  cannotRead(cause: unknown, retryMs: number): void {
    const error = errorText(cause)
    const render = (): readonly [LogFields, string] => {
      const text = `its backlog on disk cannot be processed (${error})`
      return [{ error }, `${text}; next attempt in ${renderWait(retryMs)}`]
    }
    this.#tell('cannot-read', render, 'error')
  }

  /** The backlog in memory is at its bound, and the output drops nothing for a new write. */
  full(boundBytes: number): void {
    this.#warn('full', () => {
      const why = `backlog of ${renderBytes(boundBytes)} is full (buffer-size-mb)`
      return [{ boundBytes }, `${why}: new writes are refused until there is room`]
    })
  }

  /** @param boundBytes of its backlog in memory; 0 = one attempt; `undefined`: it is on disk */
  droppedAtBound(entry: Entry, boundBytes: number | undefined): void {
    const { database } = entry.write.target
    this.#warn('gave-up', () => {
      const what = `dropped its oldest write to "${database}"`
      if (boundBytes === undefined) {
        const why = 'its backlog in the log on disk is at its bound (buffer-size-mb, log-max-mb)'
        return [{ database }, `${why}: ${what}, which another output is done with`]
      }
      if (boundBytes === 0) {
        const why = 'too many bytes wait behind the running attempt, and buffer-size-mb is 0'
        return [{ database, boundBytes }, `${why}: ${what}`]
      }
      const why = `backlog of ${renderBytes(boundBytes)} is full`
      const who = 'which another output has stored, or whose client got an error'
      return [{ database, boundBytes }, `${why}: ${what}, ${who}`]
    })
  }

  oneAttemptFailed({ slices }: Batch, failure: string): void {
    const why = shorten(failure)
    this.#warn('one-attempt', () => {
      const lost = `${renderCount(slices.length, 'write')} lost here, because buffer-size-mb is 0`
      return [{ why, writes: slices.length }, `the one attempt failed (${why}); ${lost}`]
    })
  }

  /** @param render called only when the line is logged: a suppressed line costs nothing */
  #warn(kind: Kind, render: () => readonly [LogFields, string]): void {
    this.#tell(kind, render, 'warn')
  }

  #tell(kind: Kind, render: () => readonly [LogFields, string], level: 'warn' | 'error'): void {
    let throttle = this.#throttles.get(kind)
    if (throttle === undefined) {
      throttle = new LogThrottle(this.#clock, REPEAT_INTERVAL_MS)
      this.#throttles.set(kind, throttle)
    }
    const suppressed = throttle.hit()
    if (suppressed === undefined) return
    const [fields, text] = render()
    this.#logger[level](
      { output: this.#name, ...fields, suppressed },
      `output "${this.#name}": ${text}${renderRepeats(suppressed)}`,
    )
  }
}

/** The output's error text, which may quote the client's request, without the credentials. */
function errorOf({ error }: Reply, { credentials }: WriteTarget): string {
  return shorten(redacted(error, credentials))
}

function renderLines(lineCount: number, { database }: WriteTarget): string {
  return `${renderCount(lineCount, 'line')} to database "${database}"`
}

function renderTarget({ database, retentionPolicy }: WriteTarget): string {
  const policy = retentionPolicy === '' ? '' : `, retention policy "${retentionPolicy}"`
  return `database "${database}"${policy}`
}

function shorten(text: string): string {
  return text.length <= ERROR_TEXT_MAX_CHARS ? text : `${text.slice(0, ERROR_TEXT_MAX_CHARS)}…`
}
