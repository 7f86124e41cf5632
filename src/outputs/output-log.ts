/**
 * The log lines of one output: each says what, why, how much, and what happens next; repeats are
 * limited.
 *
 * At most one line of a kind in REPEAT_INTERVAL_MS; the next one says how many were left out.
 */

import type { Entry } from '../log/entry.ts'
import type { Clock } from '../std/clock.ts'
import type { Logger } from '../std/logger.ts'
import { LogThrottle } from '../std/throttle.ts'
import { renderBytes, renderCount, renderWait } from '../std/units.ts'
import type { Reply } from '../write/reply.ts'
import type { OutputCounters } from './output-counters.ts'
import type { Taken } from './stream-drain.ts'

const REPEAT_INTERVAL_MS = 5_000
/** Error texts may quote whole bodies: this much of one says what is wrong. */
const ERROR_TEXT_MAX_CHARS = 500

type Kind = 'failed' | 'refused' | 'gave-up' | 'one-attempt'

export interface OutputLogOptions {
  readonly name: string
  readonly clock: Clock
  readonly logger: Logger
}

export class OutputLog {
  readonly #name: string
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #throttles = new Map<Kind, LogThrottle>()

  constructor(options: OutputLogOptions) {
    this.#name = options.name
    this.#logger = options.logger
    this.#clock = options.clock
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
    const waiting = `${renderCount(pendingWrites, 'write')} (${renderBytes(pendingBytes)}) waiting`
    const next = `next attempt in ${renderWait(delayMs)}`
    const text = `attempt ${failures} failed (${why}); ${waiting}; ${next}`
    this.#warn('failed', { failures, why, delayMs }, text)
  }

  refused(taken: readonly Taken[], reply: Reply): void {
    const first = taken[0]?.write
    const { status } = reply
    const error = shorten(reply.error)
    const database = first?.target.database ?? ''
    const what = `${renderCount(taken.length, 'write')} to database "${database}"`
    this.#warn(
      'refused',
      { status, error, database },
      `refused ${what} for good (${status} ${error})`,
    )
  }

  gaveUp(entry: Entry, boundBytes: number): void {
    const { database } = entry.write.target
    const what = `its oldest write to "${database}", which is stored elsewhere or was refused`
    const text = `backlog of ${renderBytes(boundBytes)} is full: gave up ${what}`
    this.#warn('gave-up', { database, boundBytes }, text)
  }

  oneAttemptFailed(taken: readonly Taken[], why: string): void {
    const lost = `${renderCount(taken.length, 'write')} lost here, because buffer-size-mb is 0`
    const text = `the one attempt failed (${shorten(why)}); ${lost}`
    this.#warn('one-attempt', { why: shorten(why), writes: taken.length }, text)
  }

  #warn(kind: Kind, fields: Readonly<Record<string, string | number>>, text: string): void {
    let throttle = this.#throttles.get(kind)
    if (throttle === undefined) {
      throttle = new LogThrottle(this.#clock, REPEAT_INTERVAL_MS)
      this.#throttles.set(kind, throttle)
    }
    const suppressed = throttle.hit()
    if (suppressed === undefined) return
    const repeats = suppressed > 0 ? ` (${suppressed} more since the last such line)` : ''
    this.#logger.warn(
      { output: this.#name, ...fields, suppressed },
      `output "${this.#name}": ${text}${repeats}`,
    )
  }
}

function shorten(text: string): string {
  return text.length <= ERROR_TEXT_MAX_CHARS ? text : `${text.slice(0, ERROR_TEXT_MAX_CHARS)}…`
}
