/**
 * The drain loop of one output: read from the cursor, merge, send, judge, advance.
 *
 *     pending ──take──▶ batch ──send──▶ verdict ──▶ delivered, refused: settled, cursor advances
 *                         ▲                    ├──▶ retry: stays, after a backoff
 *                         └────────────────────┴──▶ split: stays, goes write by write
 *
 * One request is in flight per stream, which keeps the order; throughput comes from merging
 * everything that arrived meanwhile. A stream that waits (backoff) holds up no other; an output
 * that is down holds up all of its streams until it answers.
 *
 * Never rejects: a destination that throws is a bug of ours, and ends the process.
 */

import type { OutputConfig } from '../config/config.ts'
import { backoffMs } from '../std/backoff.ts'
import type { Clock } from '../std/clock.ts'
import { unreachable } from '../std/errors.ts'
import { DELIVERED, type Outcome } from '../write/outcome.ts'
import type { Backlog } from './backlog.ts'
import type { Destination, LostLines, Verdict } from './destination.ts'
import { filterEntry } from './filter.ts'
import type { OutputHealth } from './output-health.ts'
import type { OutputLog } from './output-log.ts'
import { type StreamDrain, type Taken, toBatch } from './stream-drain.ts'

export interface DrainOptions {
  readonly config: OutputConfig
  readonly destination: Destination
  readonly backlog: Backlog
  readonly health: OutputHealth
  readonly log: OutputLog
  readonly clock: Clock
  readonly random: () => number
  /** An attempt in this stream failed; what is pending there stays pending. */
  readonly onFailed: (database: string) => void
  /** A stream came to rest: nothing to send, or nothing that can be sent now. */
  readonly onRest: () => void
}

type RetryVerdict = Extract<Verdict, { kind: 'retry' }>

export class Drain {
  readonly #options: DrainOptions
  /** Streams that got something to send in this turn of the event loop. */
  #woken: StreamDrain[] = []
  #isClosed = false

  constructor(options: DrainOptions) {
    this.#options = options
  }

  /** Starts sending the stream's writes, unless it is being done or has to wait. */
  wake(stream: StreamDrain): void {
    if (stream.isBusy || stream.retryTimer !== undefined || !this.#options.health.isUp) return
    if (this.#woken.push(stream) > 1) return
    // Not at once: what else is read from sockets in this turn of the event loop goes into the same
    // request.
    setImmediate(() => {
      const woken = this.#woken
      this.#woken = []
      // `#drain` never rejects but for a bug of ours, which must end the process.
      for (const each of woken) void this.#drain(each)
    })
  }

  /** The output is up again: no stream waits any longer. */
  wakeAll(): void {
    for (const stream of this.#options.backlog.streams) {
      stream.retryTimer?.cancel()
      stream.retryTimer = undefined
      this.wake(stream)
    }
  }

  /** Starts no further attempt; what the ones under way bring is disregarded. */
  close(): void {
    this.#isClosed = true
  }

  async #drain(stream: StreamDrain): Promise<void> {
    if (stream.isBusy) return
    const { backlog, onRest } = this.#options
    stream.isBusy = true
    // A stream that owes nothing is forgotten, and another may have taken its place.
    while (stream.pendingCount > 0 && this.#maySend(stream)) {
      if (stream.batch.length === 0) this.#take(stream)
      if (stream.batch.length === 0) break
      await this.#attempt(stream)
    }
    stream.isBusy = false
    backlog.forgetIfEmpty(stream)
    onRest()
  }

  #maySend(stream: StreamDrain): boolean {
    return !this.#isClosed && this.#options.health.isUp && stream.retryTimer === undefined
  }

  #take(stream: StreamDrain): void {
    const { backlog, config } = this.#options
    stream.isSplit = false
    stream.take(config.batchMaxBytes, (entry) => {
      const taken = filterEntry(entry, config.filters)
      if (taken !== undefined) return taken
      const filteredLineCount = entry.write.lineCount
      backlog.settle(stream, entry, { kind: 'filtered' }, filteredLineCount)
      return undefined
    })
  }

  async #attempt(stream: StreamDrain): Promise<void> {
    const { backlog, config, destination, health, log } = this.#options
    const taken = stream.batch.slice(0, stream.attemptSize())
    for (const { entry } of taken) entry.begunCount++
    const batch = toBatch(taken)
    backlog.counters.attempts++
    backlog.counters.sentBytes += batch.bytes
    const onTimeout = () => {
      backlog.counters.timedOutAttempts++
      health.markDown(log.timeoutCause(config.timeoutMs))
    }
    const verdict = await destination.send(batch, { onTimeout })
    if (!this.#isClosed) this.#obey(stream, taken, verdict)
  }

  #obey(stream: StreamDrain, taken: readonly Taken[], verdict: Verdict): void {
    if (verdict.kind === 'retry') return this.#keep(stream, taken, verdict)
    const { backlog, health, log } = this.#options
    stream.failures = 0
    if (stream.hasReadAll && taken.length === stream.batch.length) stream.isBehind = false
    health.noteAnswer()
    switch (verdict.kind) {
      case 'delivered':
        return this.#deliver(stream, taken, verdict.body, verdict.lost)
      case 'split':
        backlog.counters.splitBatches++
        stream.isSplit = true
        return
      case 'refused':
        log.refused(taken, verdict.reply)
        return this.#refuse(stream, taken, verdict)
      default:
        return unreachable(verdict)
    }
  }

  #deliver(
    stream: StreamDrain,
    taken: readonly Taken[],
    body: string,
    lost: readonly LostLines[],
  ): void {
    const { backlog, health } = this.#options
    for (const { entry } of taken) entry.storedCount++
    const outcome: Outcome = body === '' ? DELIVERED : { kind: 'delivered', body }
    backlog.settleTaken(stream, taken, (_, index) => {
      const part = lost.find((each) => each.writeIndex === index)
      if (part === undefined) return outcome
      return { kind: 'dropped', reason: part.reason, lineCount: part.lineCount }
    })
    health.noteDelivery()
  }

  /**
   * Several writes are refused together only for what they have in common: then each is, with all
   * its lines.
   */
  #refuse(
    stream: StreamDrain,
    taken: readonly Taken[],
    verdict: Extract<Verdict, { kind: 'refused' }>,
  ): void {
    this.#options.backlog.settleTaken(stream, taken, ({ write }) => {
      const lineCount = taken.length === 1 ? verdict.lineCount : write.lineCount
      return { kind: 'refused', reply: verdict.reply, lineCount }
    })
  }

  #keep(stream: StreamDrain, taken: readonly Taken[], verdict: RetryVerdict): void {
    const { backlog, config, health, onFailed } = this.#options
    backlog.counters.failedAttempts++
    stream.failures++
    if (!verdict.hasBegun) for (const { entry } of taken) entry.begunCount--
    if (!verdict.isDown && !verdict.isReset) health.noteAnswer()
    // A kept connection that died under the request: nothing has been said about the server yet.
    if (verdict.isReset && stream.failures === 1) return
    if (config.bufferBytes === 0) {
      // What waits behind it has its own attempt to come, and so its vote.
      this.#giveUp(stream, taken, verdict.why)
      if (verdict.isDown) health.markDown(verdict.why)
      return
    }
    stream.isBehind = true
    if (verdict.isDown) health.markDown(verdict.why)
    else this.#backOff(stream, verdict)
    onFailed(stream.log.database)
  }

  #backOff(stream: StreamDrain, verdict: RetryVerdict): void {
    const { backlog, clock, config, log, random } = this.#options
    const { failures } = stream
    const delayMs = backoffMs({
      failures,
      delayMaxMs: config.delayMaxMs,
      retryAfterMs: verdict.retryAfterMs,
      random: random(),
    })
    log.attemptFailed({ failures, why: verdict.why, delayMs, counters: backlog.counters })
    stream.retryTimer = clock.startTimer(delayMs, () => {
      stream.retryTimer = undefined
      this.wake(stream)
    })
  }

  /** `buffer-size-mb = 0`: no second attempt, as the original had it. */
  #giveUp(stream: StreamDrain, taken: readonly Taken[], why: string): void {
    const { backlog, log } = this.#options
    stream.failures = 0
    log.oneAttemptFailed(taken, why)
    backlog.settleTaken(stream, taken, ({ write }) => {
      return { kind: 'dropped', reason: 'one-attempt', lineCount: write.lineCount }
    })
  }
}
