/**
 * One output: a destination, what it is owed, whether it is up, and the loop that drains the one
 * into the other.
 *
 * Life: made around an open destination; `start` tells whether it is up; disposing stops at once
 * and settles what is left as dropped (`drained` is the patient way before that).
 */

import type { OutputConfig } from '../config/config.ts'
import type { Entry } from '../log/entry.ts'
import type { StreamLog } from '../log/stream-log.ts'
import type { Clock } from '../std/clock.ts'
import type { Logger } from '../std/logger.ts'
import type { Outcome } from '../write/outcome.ts'
import { Backlog } from './backlog.ts'
import type { Destination } from './destination.ts'
import { Drain } from './drain.ts'
import { OutputHealth } from './output-health.ts'
import { OutputLog } from './output-log.ts'
import type { OutputSnapshot } from './output-snapshot.ts'

export interface OutputEvents {
  /** The entry's one and final fate here. */
  onSettled(entry: Entry, outcome: Outcome): void
  /** An attempt in this stream failed: nothing pending there is worth waiting for. */
  onFailed(database: string): void
  /** Down: nothing pending here is worth waiting for. */
  onDown(): void
}

export interface OutputOptions {
  readonly config: OutputConfig
  readonly destination: Destination
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly events: OutputEvents
}

export class Output implements AsyncDisposable {
  readonly config: OutputConfig
  readonly #destination: Destination
  readonly #clock: Clock
  readonly #backlog: Backlog
  readonly #health: OutputHealth
  readonly #drain: Drain
  #isClosed = false
  #onRest: (() => void) | undefined

  constructor(options: OutputOptions) {
    const { config, clock, random, logger, destination, events } = options
    const log = new OutputLog({ name: config.name, clock, logger })
    this.config = config
    this.#destination = destination
    this.#clock = clock
    const backlog = new Backlog({
      boundBytes: config.bufferBytes,
      batchMaxBytes: config.batchMaxBytes,
      onSettled: (entry, outcome) => {
        if (backlog.counters.pendingBytes <= config.batchMaxBytes) health.noteCaughtUp()
        events.onSettled(entry, outcome)
      },
      onGivenUp: (entry) => log.gaveUp(entry, config.bufferBytes),
    })
    const health = new OutputHealth({
      name: config.name,
      delayMaxMs: config.delayMaxMs,
      clock,
      random,
      logger,
      probe: () => destination.probe(),
      backlog: () => backlog.counters,
      onUp: () => this.#drain.wakeAll(),
      onDown: () => {
        if (config.bufferBytes === 0) backlog.dropUntaken()
        events.onDown()
        this.#onRest?.()
      },
    })
    const onRest = () => this.#onRest?.()
    const { onFailed } = events
    const parts = { config, destination, backlog, health, log, clock, random, onFailed, onRest }
    this.#drain = new Drain(parts)
    this.#backlog = backlog
    this.#health = health
  }

  /** Up and at the tail: its word on a write to this database can be waited for. */
  canVote(database: string): boolean {
    const { isUp, isBehind } = this.#health
    return isUp && !isBehind && !this.#backlog.isBehind(database)
  }

  get pendingWrites(): number {
    return this.#backlog.counters.pendingWrites
  }

  /** Resolves when the first probe has told whether the output is up. */
  async start(): Promise<void> {
    await this.#health.start()
  }

  /** @see Backlog.canMakeRoom */
  canMakeRoom(bytes: number): boolean {
    return this.#backlog.canMakeRoom(bytes)
  }

  /** @see Backlog.makeRoom */
  makeRoom(bytes: number): void {
    this.#backlog.makeRoom(bytes)
  }

  /** Takes on an entry that was just appended to `log`. */
  offer(entry: Entry, log: StreamLog): void {
    const stream = this.#backlog.offer(entry, log)
    if (this.config.bufferBytes === 0 && !this.#health.isUp) this.#backlog.dropUntaken()
    else this.#drain.wake(stream)
  }

  /** The client was told no before anybody had begun the entry: this output need not have it. */
  withdraw(entry: Entry): void {
    this.#backlog.withdraw(entry)
  }

  /** Resolves when nothing is pending, or the output is down, or `signal` is aborted. */
  async drained(signal: AbortSignal): Promise<void> {
    const isDone = () => this.pendingWrites === 0 || !this.#health.isUp || signal.aborted
    await new Promise<void>((resolve) => {
      const look = () => {
        if (!isDone()) return
        signal.removeEventListener('abort', look)
        resolve()
      }
      this.#onRest = look
      signal.addEventListener('abort', look)
      look()
    })
  }

  snapshot(): OutputSnapshot {
    const { name, location, kind, bufferBytes: boundBytes } = this.config
    const { isUp, isBehind, cause: downCause, stateAgeMs } = this.#health
    const { outcomeLines, droppedLines, ...counts } = this.#backlog.counters
    return {
      ...{ name, location, kind, boundBytes, isUp, isBehind, downCause, stateAgeMs },
      ...counts,
      oldestPendingAgeMs: this.#backlog.oldestAgeMs(this.#clock.monotonicMs()),
      outcomeLines: { ...outcomeLines },
      droppedLines: { ...droppedLines },
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#drain.close()
    this.#health.close()
    await this.#destination[Symbol.asyncDispose]()
    this.#backlog.abandon()
  }
}
