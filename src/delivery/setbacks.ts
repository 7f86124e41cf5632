/**
 * Failed attempts: when to try again, and when the data itself is suspected.
 *
 * The place in the stream is kept, over any number of attempts: nothing is given up on failures
 * alone. Data that makes a server fail while it takes everything else is poison.ts's to find.
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
    const { isDown, suspicion, why } = verdict
    backlog.counters.failedAttempts++
    stream.failures++
    this.#note(stream, group, verdict)
    // A kept connection that died under the request: nothing has been said about the server yet.
    if (suspicion === 'reset' && stream.failures === 1) return
    if (config.bufferBytes === 0) {
      // What waits behind it has its own attempt to come, and so its vote.
      this.#giveUp(stream, group, why)
      if (isDown) health.markDown(why)
      return
    }
    stream.isBehind = true
    if (isDown) this.#died(stream, why)
    // What follows is tried at once, and its clients still wait for that.
    else if (this.#failed(stream, group, verdict)) return
    onFailed(stream.database)
  }

  /** Keeps what the failure says of the server, and of the group's data. */
  #note(stream: StreamDrain, group: Group, verdict: RetryVerdict): void {
    const { health, onSuspect } = this.#options
    const { hasBegun, isDown, suspicion, why } = verdict
    if (!hasBegun) for (const { taken } of group.parts) taken.entry.begunCount--
    // Of a server on trial a reset says as much: it did not refuse its credentials.
    if (!isDown && (suspicion !== 'reset' || health.isOnTrial)) health.noteAnswer()
    if (suspicion !== 'none') group.noteSuspicion(suspicion, why)
    else if (!isDown) group.clearSuspicion()
    if (suspicion !== 'none') stream.lastSuspect = group
    else if (!isDown) stream.lastSuspect = undefined
    if (group.isSuspicious) onSuspect(group)
  }

  /** A server that died of a candidate leaves the pass going on; any other death begins it anew. */
  #died(stream: StreamDrain, why: string): void {
    const { health, poison } = this.#options
    if (stream.lastSuspect?.isCandidate !== true) poison.breakOff(stream)
    health.markDown(why)
  }

  /** @returns whether another group of the stream is tried at once */
  #failed(stream: StreamDrain, group: Group, verdict: RetryVerdict): boolean {
    const { poison } = this.#options
    if (poison.setAside(stream, group)) return true
    const isHalved = group.isSuspicious && poison.narrow(stream, group)
    poison.breakOff(stream)
    // Halves are few, and a wait before each would hold up the rest of the stream for a minute.
    if (!isHalved || verdict.retryAfterMs !== undefined) this.#backOff(stream, verdict)
    return false
  }

  /**
   * A refusal that does not sound like a database is worth another attempt. A page that stands in
   * for a server refuses good writes as well, so it is a failure like any other. Bodies in another
   * format are given up in the end: many databases do not take them, and nothing else may follow.
   *
   * @returns whether there will be one
   */
  doubt(stream: StreamDrain, group: Group, reply: Reply): boolean {
    if (this.#options.config.bufferBytes === 0) return false
    const error = redacted(reply.error, group.target.credentials)
    const why = `answered ${reply.status} ${error}: no words of a database`
    const failure = { kind: 'retry', why, retryAfterMs: undefined } as const
    if (group.parts[0]?.write.kind !== 'opaque') {
      this.retry(stream, group, { ...failure, hasBegun: true, isDown: false, suspicion: 'doubt' })
      return true
    }
    group.noteSuspicion('doubt', why)
    if (group.isSuspicious) return false
    stream.failures++
    this.#backOff(stream, failure)
    return true
  }

  /** Nothing that was set aside has a successor to be measured by: it waits in its place. */
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
