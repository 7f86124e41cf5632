/**
 * Retry of failed attempts: when to try again, and when the data becomes a poison candidate.
 *
 * A group keeps its place in the stream over any number of attempts: failures alone drop no data.
 * poison.ts finds data that makes a server fail while the server accepts everything else.
 */

import type { OutputConfig } from '../config/config.ts'
import type { RetryVerdict } from '../destinations/destination.ts'
import { backoffMs } from '../std/backoff.ts'
import type { Clock } from '../std/clock.ts'
import { redacted } from '../write/redact.ts'
import type { Reply } from '../write/reply.ts'
import type { Backlog } from './backlog.ts'
import type { OutputHealth } from './output-health.ts'
import type { Group } from './part.ts'
import type { PoisonTrials } from './poison.ts'
import type { OutputLog } from './reporting/output-messages.ts'
import type { StreamDrain } from './stream-drain.ts'

export interface SetbacksOptions {
  readonly config: OutputConfig
  readonly backlog: Backlog
  readonly health: OutputHealth
  readonly log: OutputLog
  readonly poison: PoisonTrials
  readonly clock: Clock
  readonly random: () => number
  /** An attempt in this stream failed; what is pending there stays pending. */
  readonly onFailed: (database: string) => void
  /** The group's data may be what makes the attempt fail. */
  readonly onSuspect: (group: Group) => void
  /** A stream that waited may go on. */
  readonly wake: (stream: StreamDrain) => void
}

export class Setbacks {
  readonly #options: SetbacksOptions

  constructor(options: SetbacksOptions) {
    this.#options = options
  }

  /** The attempt with the stream's first group failed in a way that may pass. */
  retry(stream: StreamDrain, group: Group, verdict: RetryVerdict): void {
    const { backlog, config, health, onFailed } = this.#options
    const { isDown, suspicion, why } = verdict
    backlog.counters.failedAttempts++
    stream.failures++
    this.#note(stream, group, verdict)
    // A keep-alive connection died during the request: that says nothing about the server yet.
    if (suspicion === 'reset' && stream.failures === 1) return
    if (config.bufferBytes === 0) {
      // No `onFailed`: each write behind this one still has its own attempt, so clients wait on.
      this.#giveUp(stream, group, why)
      if (isDown) health.markDown(why)
      return
    }
    stream.isBehind = true
    if (isDown) this.#died(stream, why)
    // The next group is tried at once, so its clients still wait.
    else if (this.#failed(stream, group, verdict)) return
    onFailed(stream.database)
  }

  /** Records what the failure says about the server and about the group's data. */
  #note(stream: StreamDrain, group: Group, verdict: RetryVerdict): void {
    const { health, onSuspect } = this.#options
    const { hasBegun, isDown, suspicion, why } = verdict
    if (!hasBegun) for (const { taken } of group.parts) taken.entry.begunCount--
    // During a trial a reset counts as an answer: the server did not refuse the credentials.
    if (!isDown && (suspicion !== 'reset' || health.isOnTrial)) health.noteAnswer()
    if (suspicion !== 'none') group.noteSuspicion(suspicion, why)
    else if (!isDown) group.clearSuspicion()
    if (suspicion !== 'none') stream.lastSuspect = group
    else if (!isDown) stream.lastSuspect = undefined
    if (group.isSuspicious) onSuspect(group)
  }

  /** If a poison candidate took the server down, the pass goes on; otherwise it starts again. */
  #died(stream: StreamDrain, why: string): void {
    const { health, poison } = this.#options
    if (stream.lastSuspect?.isCandidate !== true) poison.breakOff(stream)
    health.markDown(why)
  }

  /** @returns whether the next group of the stream is tried at once */
  #failed(stream: StreamDrain, group: Group, verdict: RetryVerdict): boolean {
    const { poison } = this.#options
    if (poison.setAside(stream, group)) return true
    const isHalved = group.isSuspicious && poison.narrow(stream, group)
    poison.breakOff(stream)
    // Halves go without backoff: they are few, and a wait before each would delay the rest of the
    // stream by a minute.
    if (!isHalved || verdict.retryAfterMs !== undefined) this.#backOff(stream, verdict)
    return false
  }

  /**
   * Retries an unconfirmed rejection: a refusal that does not read like a database's answer, such
   * as a proxy's error page, which would refuse good writes too. Line protocol is retried like any
   * failure. An opaque body is rejected in the end: many databases do not accept the format, and
   * there may never be a later write to compare with.
   *
   * @returns whether there will be another attempt
   */
  doubt(stream: StreamDrain, group: Group, reply: Reply): boolean {
    const { backlog, config, health } = this.#options
    if (config.bufferBytes === 0) return false
    const error = redacted(reply.error, group.target.credentials)
    const why = `answered ${reply.status} ${error}: not an answer of a database`
    const failure = { kind: 'retry', why, retryAfterMs: undefined } as const
    if (group.parts[0]?.write.kind !== 'opaque') {
      this.retry(stream, group, { ...failure, hasBegun: true, isDown: false, suspicion: 'doubt' })
      return true
    }
    group.noteSuspicion('doubt', why)
    if (group.isSuspicious) return false
    backlog.counters.failedAttempts++
    health.noteAnswer()
    stream.failures++
    // No `onFailed`: the client waits for the refusal. After a 503 it would send the body again.
    this.#backOff(stream, failure)
    return true
  }

  /** No later write is left to try the candidates against: they go back, and the stream waits. */
  awaitSuccessor(stream: StreamDrain): void {
    this.#options.poison.breakOff(stream)
    const why = stream.groups[0]?.lastFailure ?? ''
    this.#backOff(stream, { why, retryAfterMs: undefined })
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

  /** `buffer-size-mb = 0`: there is no second attempt, as in the original relay. */
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
