/**
 * The log lines of one output: each says what, why, how much, and what happens next; repeats are
 * limited.
 *
 * At most one line of a kind in REPEAT_INTERVAL_MS; the next one says how many were left out.
 */

import type { Unread } from '../log/disk/unread.ts'
import type { Entry } from '../log/entry.ts'
import type { Clock } from '../std/clock.ts'
import type { Logger } from '../std/logger.ts'
import { LogThrottle, renderRepeats } from '../std/throttle.ts'
import { renderBytes, renderCount, renderWait } from '../std/units.ts'
import type { Reply } from '../write/reply.ts'
import type { WriteTarget } from '../write/write.ts'
import type { OutputCounters } from './output-counters.ts'
import type { Group } from './part.ts'

const REPEAT_INTERVAL_MS = 5_000
/** Error texts may quote whole bodies: this much of one says what is wrong. */
const ERROR_TEXT_MAX_CHARS = 500

type Kind =
  | 'failed'
  | 'refused'
  | 'unsupported'
  | 'gave-up'
  | 'one-attempt'
  | 'poison'
  | 'hold-began'
  | 'hold-ended'
  | 'hold-gave-up'

export interface OutputLogOptions {
  readonly name: string
  readonly clock: Clock
  readonly logger: Logger
  /** What it is owed beside what is pending. */
  readonly unread: () => Unread
}

export class OutputLog {
  readonly #name: string
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #unread: () => Unread
  readonly #throttles = new Map<Kind, LogThrottle>()

  constructor(options: OutputLogOptions) {
    this.#name = options.name
    this.#logger = options.logger
    this.#clock = options.clock
    this.#unread = options.unread
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
    const { pendingWrites, pendingBytes } = counters
    const { writes } = this.#unread()
    const more = writes === 0 ? '' : `, ${writes} more on disk`
    const amount = `${renderCount(pendingWrites, 'write')} (${renderBytes(pendingBytes)})`
    const waiting = `${amount} waiting${more}`
    const next = `next attempt in ${renderWait(delayMs)}`
    const text = `attempt ${failures} failed (${why}); ${waiting}; ${next}`
    this.#warn('failed', { failures, why, delayMs }, text)
  }

  /** Lines that were refused for good, of one write or of several. */
  refused(refusal: {
    readonly target: WriteTarget
    readonly lineCount: number
    readonly reply: Reply
  }): void {
    const { lineCount, reply } = refusal
    const { status } = reply
    const error = shorten(reply.error)
    const { database } = refusal.target
    const what = `${renderCount(lineCount, 'line')} to database "${database}"`
    const text = `refused ${what} for good (${status} ${error})`
    this.#warn('refused', { status, error, database, lines: lineCount }, text)
  }

  /** A CREATE DATABASE at a server that has none; nobody has to do anything. */
  unsupported(target: WriteTarget, reply: Reply): void {
    const { status } = reply
    const { database } = target
    const said = shorten(reply.error)
    const answered = said === '' ? `${status}` : `${status} ${said}`
    const left = `"${database}" is left to it; writes are sent as ever`
    const text = `has no CREATE DATABASE (${answered}): ${left}`
    this.#warn('unsupported', { status, error: said, database }, text)
  }

  rejectedPoison({ target, lineCount }: Group, why: string): void {
    const { database } = target
    const what = `${renderCount(lineCount, 'line')} to database "${database}"`
    const text =
      `rejected ${what}: it failed on it again and again (${shorten(why)}), ` +
      `while it took what follows`
    this.#warn('poison', { database, lines: lineCount, why: shorten(why) }, text)
  }

  holdBegan(target: WriteTarget, reply: Reply, graceMs: number): void {
    const { database, retentionPolicy } = target
    const where = retentionPolicy === '' ? '' : `, retention policy "${retentionPolicy}",`
    const error = shorten(reply.error)
    const text =
      `database "${database}"${where} is missing there (${reply.status} ${error}), and not ` +
      `elsewhere: its writes are kept for ${renderWait(graceMs)}; create it`
    this.#warn('hold-began', { database, retentionPolicy, graceMs }, text)
  }

  holdEnded(target: WriteTarget, writes: number): void {
    const { database, retentionPolicy } = target
    const text = `waits no longer for database "${database}": ${renderCount(writes, 'write')} go`
    this.#warn('hold-ended', { database, retentionPolicy, writes }, text)
  }

  holdGaveUp(entry: Entry, why: string): void {
    const { database } = entry.write.target
    const text = `gave up a write to "${database}" that waited for it to be writable there: ${why}`
    this.#warn('hold-gave-up', { database, why }, text)
  }

  gaveUp(entry: Entry, boundBytes: number): void {
    const { database } = entry.write.target
    const what = `its oldest write to "${database}", which is stored elsewhere or was refused`
    const text = `backlog of ${renderBytes(boundBytes)} is full: gave up ${what}`
    this.#warn('gave-up', { database, boundBytes }, text)
  }

  oneAttemptFailed({ parts }: Group, why: string): void {
    const lost = `${renderCount(parts.length, 'write')} lost here, because buffer-size-mb is 0`
    const text = `the one attempt failed (${shorten(why)}); ${lost}`
    this.#warn('one-attempt', { why: shorten(why), writes: parts.length }, text)
  }

  #warn(kind: Kind, fields: Readonly<Record<string, string | number>>, text: string): void {
    let throttle = this.#throttles.get(kind)
    if (throttle === undefined) {
      throttle = new LogThrottle(this.#clock, REPEAT_INTERVAL_MS)
      this.#throttles.set(kind, throttle)
    }
    const suppressed = throttle.hit()
    if (suppressed === undefined) return
    this.#logger.warn(
      { output: this.#name, ...fields, suppressed },
      `output "${this.#name}": ${text}${renderRepeats(suppressed)}`,
    )
  }
}

function shorten(text: string): string {
  return text.length <= ERROR_TEXT_MAX_CHARS ? text : `${text.slice(0, ERROR_TEXT_MAX_CHARS)}…`
}
