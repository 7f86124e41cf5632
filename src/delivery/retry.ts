/**
 * Retry of failed attempts: when to try again, and when the data becomes a poison candidate.
 *
 * A batch keeps its place in the stream over any number of attempts: failures alone drop no data.
 * poison.ts finds data that makes a server fail while the server accepts everything else.
 */

import type { OutputConfig } from '../config/config.ts'
import type { RetryVerdict } from '../destinations/destination.ts'
import { backoffMs } from '../std/backoff.ts'
import type { Clock } from '../std/clock.ts'
import { redacted } from '../write/redact.ts'
import type { Reply } from '../write/reply.ts'
import type { Backlog } from './backlog.ts'
import type { Batch } from './batch.ts'
import type { OutputHealth } from './health.ts'
import type { PoisonTrials } from './poison.ts'
import type { OutputMessages } from './reporting/output-messages.ts'
import type { StreamDrain } from './stream-drain.ts'

export interface RetriesOptions {
  readonly config: OutputConfig
  readonly backlog: Backlog
  readonly health: OutputHealth
  readonly messages: OutputMessages
  readonly poison: PoisonTrials
  readonly clock: Clock
  readonly random: () => number
  /** An attempt in this stream failed; what is pending there stays pending. */
  readonly onFailed: (database: string) => void
  /** The batch's data may be what makes the attempt fail. */
  readonly onPossiblePoison: (batch: Batch) => void
  /** A stream that waited may go on. */
  readonly wake: (stream: StreamDrain) => void
}

export class Retries {
  readonly #options: RetriesOptions

  constructor(options: RetriesOptions) {
    this.#options = options
  }

  /** The attempt with the stream's first batch failed in a way that may pass. */
  retry(stream: StreamDrain, batch: Batch, verdict: RetryVerdict): void {
    const { backlog, config, health, onFailed } = this.#options
    const { isDown, evidence, why } = verdict
    backlog.counters.failedAttempts++
    stream.failures++
    this.#note(stream, batch, verdict)
    // A keep-alive connection died during the request: that says nothing about the server yet.
    if (evidence === 'reset' && stream.failures === 1) return
    if (config.bufferBytes === 0) {
      // No `onFailed`: each write behind this one still has its own attempt, so clients wait on.
      this.#dropAfterOneAttempt(stream, batch, why)
      if (isDown) health.markDown(why)
      return
    }
    stream.isBackingOff = true
    if (isDown) this.#died(stream, why)
    // The next batch is tried at once, so its clients still wait.
    else if (this.#failed(stream, batch, verdict)) return
    onFailed(stream.database)
  }

  /** Records what the failure says about the server and about the batch's data. */
  #note(stream: StreamDrain, batch: Batch, verdict: RetryVerdict): void {
    const { health, onPossiblePoison } = this.#options
    const { hasBegun, isDown, evidence, why } = verdict
    if (!hasBegun) for (const { delivery } of batch.slices) delivery.entry.begunCount--
    // During a trial a reset counts as an answer: the server did not refuse the credentials.
    if (!isDown && (evidence !== 'reset' || health.isOnTrial)) health.noteAnswer()
    if (evidence !== 'none') batch.noteEvidence(evidence, why)
    else if (!isDown) batch.clearEvidence()
    if (evidence !== 'none') stream.lastPossiblePoison = batch
    else if (!isDown) stream.lastPossiblePoison = undefined
    if (batch.mayBePoison) onPossiblePoison(batch)
  }

  /** If a poison candidate took the server down, the pass continues; otherwise it restarts. */
  #died(stream: StreamDrain, why: string): void {
    const { health, poison } = this.#options
    if (stream.lastPossiblePoison?.isCandidate !== true) poison.breakOff(stream)
    health.markDown(why)
  }

  /** @returns whether the next batch of the stream is tried at once */
  #failed(stream: StreamDrain, batch: Batch, verdict: RetryVerdict): boolean {
    const { poison } = this.#options
    if (poison.setAside(stream, batch)) return true
    const isHalved = batch.mayBePoison && poison.narrow(stream, batch)
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
  retryUnconfirmed(stream: StreamDrain, batch: Batch, reply: Reply): boolean {
    const { backlog, config, health } = this.#options
    if (config.bufferBytes === 0) return false
    const error = redacted(reply.error, batch.target.credentials)
    const why = `answered ${reply.status} ${error}: not an answer of a database`
    const failure = { kind: 'retry', why, retryAfterMs: undefined } as const
    if (batch.slices[0]?.write.kind !== 'opaque') {
      this.retry(stream, batch, {
        ...failure,
        hasBegun: true,
        isDown: false,
        evidence: 'unconfirmed',
      })
      return true
    }
    batch.noteEvidence('unconfirmed', why)
    if (batch.mayBePoison) return false
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
    const why = stream.batches[0]?.lastFailure ?? ''
    this.#backOff(stream, { why, retryAfterMs: undefined })
  }

  #backOff(stream: StreamDrain, failure: Pick<RetryVerdict, 'why' | 'retryAfterMs'>): void {
    const { backlog, clock, config, messages, random, wake } = this.#options
    const { why, retryAfterMs } = failure
    const { failures } = stream
    const { delayMaxMs } = config
    const delayMs = backoffMs({ failures, delayMaxMs, retryAfterMs, random: random() })
    messages.attemptFailed({ failures, why, delayMs, counters: backlog.counters })
    stream.retryTimer = clock.startTimer(delayMs, () => {
      stream.retryTimer = undefined
      wake(stream)
    })
  }

  /** `buffer-size-mb = 0`: there is no second attempt, as in the original relay. */
  #dropAfterOneAttempt(stream: StreamDrain, batch: Batch, why: string): void {
    const { backlog, messages } = this.#options
    stream.failures = 0
    messages.oneAttemptFailed(batch, why)
    stream.batches.shift()
    for (const { delivery, write } of batch.slices) {
      delivery.lose('one-attempt', write.lineCount)
      backlog.finishSlice(stream, delivery)
    }
  }
}
