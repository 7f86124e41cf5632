/**
 * Failed attempts: what a failure says about the server and about the data, and when to try again.
 *
 * An unconfirmed rejection does not read like a database's answer: it may be a proxy's error page,
 * which would refuse good writes too. It counts as a failed attempt. An opaque body is rejected in
 * the end: many databases do not accept the format, and there may never be a later write to compare
 * with.
 *
 * Not here: what becomes of the batch (plan.ts).
 */

import type { OutputConfig } from '../config/config.ts'
import type { RetryVerdict } from '../destinations/destination.ts'
import { backoffMs } from '../std/backoff.ts'
import type { Clock } from '../std/clock.ts'
import { redacted } from '../write/redact.ts'
import type { Backlog } from './backlog.ts'
import type { OutputHealth } from './health.ts'
import type { KnownVerdict } from './plan.ts'
import type { OutputMessages } from './reporting/output-messages.ts'
import type { Batch } from './stream/batch.ts'
import type { StreamQueue } from './stream/stream-queue.ts'

type RefusedVerdict = Extract<KnownVerdict, { kind: 'refused' }>

export interface RetriesOptions {
  readonly config: OutputConfig
  readonly backlog: Backlog
  readonly health: OutputHealth
  readonly messages: OutputMessages
  readonly clock: Clock
  readonly random: () => number
  /** The batch's data may be what makes the attempt fail. */
  readonly onPossiblePoison: (batch: Batch) => void
  /** A stream that waited may go on. */
  readonly wake: (stream: StreamQueue) => void
}

export class Retries {
  readonly #options: RetriesOptions

  constructor(options: RetriesOptions) {
    this.#options = options
  }

  /** @returns the verdict, or the failure that an unconfirmed rejection counts as */
  judge(batch: Batch, verdict: RefusedVerdict): RefusedVerdict | RetryVerdict {
    if (!verdict.isUnconfirmed || this.#options.config.bufferBytes === 0) return verdict
    const { status, error } = verdict.reply
    const text = redacted(error, batch.target.credentials)
    const why = `answered ${status} ${text}: not an answer of a database`
    batch.noteEvidence('unconfirmed', why)
    if (batch.kind === 'opaque' && batch.mayBePoison) return verdict
    const failure = { kind: 'retry', why, retryAfterMs: undefined, hasBegun: true } as const
    return { ...failure, isDown: false, evidence: 'unconfirmed' }
  }

  /** Records what the failure says about the server and about the batch's data. */
  note(stream: StreamQueue, batch: Batch, verdict: RetryVerdict): void {
    const { backlog, health, onPossiblePoison } = this.#options
    const { hasBegun, isDown, evidence, why } = verdict
    backlog.counters.failedAttempts++
    stream.attempts.noteFailure()
    if (!hasBegun) for (const { delivery } of batch.slices) delivery.entry.begunCount--
    // During a trial a reset counts as an answer: the server did not refuse the credentials.
    if (!isDown && (evidence !== 'reset' || health.isOnTrial)) health.noteAnswer()
    if (evidence === 'reset' || evidence === 'error') batch.noteEvidence(evidence, why)
    else if (evidence === 'none' && !isDown) batch.clearEvidence()
    if (evidence !== 'none') stream.attempts.notePossiblePoison(batch)
    else if (!isDown) stream.attempts.notePossiblePoison(undefined)
    if (batch.mayBePoison) onPossiblePoison(batch)
  }

  /** Starts the timer to the next attempt. */
  backOff(stream: StreamQueue, failure: Pick<RetryVerdict, 'why' | 'retryAfterMs'>): void {
    const { backlog, clock, config, messages, random, wake } = this.#options
    const { why, retryAfterMs } = failure
    const { attempts } = stream
    const { failures } = attempts
    const { delayMaxMs } = config
    const delayMs = backoffMs({ failures, delayMaxMs, retryAfterMs, random: random() })
    messages.attemptFailed({ failures, why, delayMs, counters: backlog.counters })
    const retry = () => {
      attempts.endRetryWait()
      wake(stream)
    }
    attempts.awaitRetry(clock.startTimer(delayMs, retry))
  }

  /** `buffer-size-mb = 0`: there is no second attempt, as in the original relay. */
  drop(stream: StreamQueue, batch: Batch, why: string): void {
    const { backlog, messages } = this.#options
    stream.attempts.endFailures(!stream.hasMore)
    messages.oneAttemptFailed(batch, why)
    stream.replaceHead()
    for (const { delivery, write } of batch.slices) {
      delivery.lose('one-attempt', write.lineCount)
      backlog.finishSlice(stream, delivery)
    }
  }
}
