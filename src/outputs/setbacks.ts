/**
 * Failed attempts: when to try again, when the data itself is suspected, when to stop trying.
 *
 * The place in the stream is kept, over any number of attempts. Only data that makes a server fail,
 * whatever else it accepts, may lose it:
 *
 *     [ s ] [ c ] …   s has failed often enough (part.ts): it is halved, down to one line,
 *                     and that line has to fail as often again
 *     s fails, c is tried at once ── accepted ──▶ s is condemned: it is the data
 *                                 └─ fails ─────▶ s comes back to its place: it is the server
 *
 * So an overloaded or crash-looping server does not turn good data into refusals, and nothing that
 * is tried later overtakes what is accepted in the end.
 *
 * Limits: SUSPECTS_MAX groups in a row are set aside, as when a client repeats a write that kills.
 */

import type { OutputConfig } from '../config/config.ts'
import { backoffMs } from '../std/backoff.ts'
import type { Clock } from '../std/clock.ts'
import type { Reply } from '../write/reply.ts'
import type { Backlog } from './backlog.ts'
import type { RetryVerdict } from './destination.ts'
import type { OutputHealth } from './output-health.ts'
import type { OutputLog } from './output-log.ts'
import type { Group } from './part.ts'
import type { StreamDrain } from './stream-drain.ts'

const SUSPECTS_MAX = 16
/** Refusals that do not sound like a database: believed when they come so often in a row. */
const DOUBTS_MAX = 3

export interface SetbacksOptions {
  readonly config: OutputConfig
  readonly backlog: Backlog
  readonly health: OutputHealth
  readonly log: OutputLog
  readonly clock: Clock
  readonly random: () => number
  /** An attempt in this stream failed; what is pending there stays pending. */
  readonly onFailed: (database: string) => void
  /** The group's own data may be what makes it fail. */
  readonly onSuspect: (group: Group) => void
  /** A stream that waited may go on. */
  readonly wake: (stream: StreamDrain) => void
}

export class Setbacks {
  readonly #options: SetbacksOptions

  constructor(options: SetbacksOptions) {
    this.#options = options
  }

  /** The attempt with the stream's first group has failed in a way that may pass. */
  retry(stream: StreamDrain, group: Group, verdict: RetryVerdict): void {
    const { backlog, config, health, onFailed } = this.#options
    const { hasBegun, isDown, suspicion, why } = verdict
    backlog.counters.failedAttempts++
    stream.failures++
    if (!hasBegun) for (const { taken } of group.parts) taken.entry.begunCount--
    // Of a server on trial a reset says as much: it did not refuse its credentials.
    if (!isDown && (suspicion !== 'reset' || health.isOnTrial)) health.noteAnswer()
    if (suspicion !== 'none') group.noteSuspicion(suspicion, why)
    else if (!isDown) group.clearSuspicion()
    if (group.isSuspicious) this.#options.onSuspect(group)
    // A kept connection that died under the request: nothing has been said about the server yet.
    if (suspicion === 'reset' && stream.failures === 1) return
    if (config.bufferBytes === 0) {
      // What waits behind it has its own attempt to come, and so its vote.
      this.#giveUp(stream, group, why)
      if (isDown) health.markDown(why)
      return
    }
    stream.isBehind = true
    if (isDown) health.markDown(why)
    else {
      // What follows is tried at once, and its clients still wait for that.
      if (this.#stepOver(stream, group)) return
      // Whether what was set aside is to blame is still open; it keeps its place.
      if (group.isSuspicious) this.#narrow(stream, group)
      stream.restoreSuspects()
      this.#backOff(stream, verdict)
    }
    onFailed(stream.database)
  }

  /**
   * A refusal that does not sound like a database is worth another attempt.
   *
   * @returns whether there will be one
   */
  doubt(stream: StreamDrain, group: Group, reply: Reply): boolean {
    group.doubtCount++
    if (group.doubtCount >= DOUBTS_MAX || this.#options.config.bufferBytes === 0) return false
    stream.failures = group.doubtCount
    const why = `answered ${reply.status} ${reply.error}: no words of a database`
    this.#backOff(stream, { why, retryAfterMs: undefined })
    return true
  }

  /** Nothing that was set aside has a successor to be measured by: it waits in its place. */
  awaitSuccessor(stream: StreamDrain): void {
    stream.restoreSuspects()
    const why = stream.groups[0]?.lastFailure ?? ''
    this.#backOff(stream, { why, retryAfterMs: undefined })
  }

  /** Sets a suspect that cannot be narrowed down aside, so that its successor is tried at once. */
  #stepOver(stream: StreamDrain, group: Group): boolean {
    const isAtEnd = stream.suspects.length >= SUSPECTS_MAX || !stream.hasMore
    if (!group.isSuspicious || group.isDivisible('line') || isAtEnd) return false
    stream.groups.shift()
    stream.suspects.push(group)
    return true
  }

  #narrow(stream: StreamDrain, group: Group): void {
    const halves = group.halves('line', { isSuspect: true })
    if (halves === undefined) return
    this.#options.backlog.counters.splitBatches++
    stream.groups.splice(0, 1, ...halves)
  }

  #backOff(stream: StreamDrain, failure: Pick<RetryVerdict, 'why' | 'retryAfterMs'>): void {
    const { backlog, clock, config, log, random, wake } = this.#options
    const { why, retryAfterMs } = failure
    const { failures } = stream
    const { delayMaxMs } = config
    const delayMs = backoffMs({ failures, delayMaxMs, retryAfterMs, random: random() })
    log.attemptFailed({ failures, why, delayMs, counters: backlog.counters })
    stream.retryTimer = clock.startTimer(delayMs, () => {
      stream.retryTimer = undefined
      wake(stream)
    })
  }

  /** `buffer-size-mb = 0`: no second attempt, as the original had it. */
  #giveUp(stream: StreamDrain, group: Group, why: string): void {
    const { backlog, log } = this.#options
    stream.failures = 0
    log.oneAttemptFailed(group, why)
    stream.groups.shift()
    for (const { taken, write } of group.parts) {
      taken.lose('one-attempt', write.lineCount)
      backlog.finishPart(stream, taken)
    }
  }
}
