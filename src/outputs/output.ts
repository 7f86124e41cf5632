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
import type { Reply } from '../write/reply.ts'
import { Backlog } from './backlog.ts'
import type { Destination } from './destination.ts'
import { Drain } from './drain.ts'
import { Holds } from './holds.ts'
import { OutputHealth } from './output-health.ts'
import { OutputLog } from './output-log.ts'
import type { OutputSnapshot } from './output-snapshot.ts'
import type { Group } from './part.ts'
import { Refusals } from './refusals.ts'
import { Setbacks } from './setbacks.ts'
import type { StreamDrain } from './stream-drain.ts'

/** Of an output's bound, what writes on hold may take up. */
const HELD_SHARE = 1 / 4

export interface OutputEvents {
  /** This output's word on an entry is no, though it may not be through with it. */
  onRefused(entry: Entry, reply: Reply): void
  /** As `onRefused`, for want of a database that may yet come. */
  onHeld(entry: Entry, reply: Reply): void
  /** It will not be had soon, and that is nothing that its client could mend. */
  onWaiting(entry: Entry): void
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
  readonly #holds: Holds
  readonly #drain: Drain
  #isClosed = false
  #onRest: (() => void) | undefined

  constructor(options: OutputOptions) {
    const { config, clock, random, logger, destination, events } = options
    const { name, bufferBytes, batchMaxBytes, delayMaxMs } = config
    const log = new OutputLog({ name, clock, logger })
    const backlog: Backlog = new Backlog({
      boundBytes: bufferBytes,
      batchMaxBytes,
      onSettled: (entry, outcome) => {
        holds.noteSettled(entry)
        const { pendingWrites, pendingBytes } = backlog.counters
        if (pendingBytes - holds.bytes <= batchMaxBytes) health.noteCaughtUp()
        events.onSettled(entry, outcome)
        if (pendingWrites === 0) this.#onRest?.()
      },
      onGivenUp: (entry) => log.gaveUp(entry, bufferBytes),
    })
    const health = new OutputHealth({
      ...{ name, delayMaxMs, clock, random, logger },
      caughtUpBytes: batchMaxBytes,
      probe: () => destination.probe(),
      backlog: () => {
        const { pendingWrites } = backlog.counters
        return { pendingWrites, pendingBytes: backlog.bytesToCatchUp }
      },
      onUp: () => this.#drain.wakeAll(),
      onDown: () => {
        if (bufferBytes === 0) backlog.dropUntaken()
        events.onDown()
        this.#onRest?.()
      },
      onTrial: () => this.#drain.wakeOne(),
    })
    const { onFailed, onRefused, onHeld, onWaiting } = events
    const wake = (stream: StreamDrain) => this.#drain.wake(stream)
    const parts = { config, backlog, health, log, clock, random, wake }
    const graceMs = config.kind === 'http' ? config.missingDbGraceMs : 0
    const boundBytes = bufferBytes * HELD_SHARE
    const holds: Holds = new Holds({ ...parts, delayMaxMs, graceMs, boundBytes, onHeld, onWaiting })
    const refusals = new Refusals({ ...parts, onRefused })
    // Whether its database is there shows with others: what it is a probe for need not wait for it.
    const onSuspect = (group: Group) => holds.noteAnswer(group)
    const setbacks = new Setbacks({ ...parts, onFailed, onSuspect })
    const onRest = () => this.#onRest?.()
    this.#drain = new Drain({ ...parts, destination, holds, refusals, setbacks, onRest })
    this.config = config
    this.#destination = destination
    this.#clock = clock
    this.#backlog = backlog
    this.#health = health
    this.#holds = holds
  }

  /** Up and at the tail: its word on a write to this database can be waited for. */
  canVote(database: string): boolean {
    // Else nobody's write would ever be taken to try it with.
    if (this.#health.isOnTrial) return this.#backlog.bytesToCatchUp === 0
    if (!this.#health.isUp) return false
    // Also without an answer: what is left may wait for the very write that is to be let in.
    if (this.#health.isBehind && this.#isCaughtUp()) this.#health.noteCaughtUp()
    if (this.#health.isBehind) return false
    const stream = this.#backlog.streamOf(database)
    return stream === undefined || !stream.isBehind || stream.awaitsSuccessor()
  }

  /**
   * How long a write that is appended to this database now would wait here, as far as one knows.
   */
  expectedWaitMs(database: string): number {
    const stream = this.#backlog.streamOf(database)
    if (stream === undefined || stream.awaitsSuccessor()) return 0
    const nowMs = this.#clock.monotonicMs()
    const oldestMs = nowMs - (stream.oldest?.appendedAtMs ?? nowMs)
    return stream.pace.expectedWaitMs(nowMs, { bytes: stream.waitingBytes, oldestMs })
  }

  #isCaughtUp(): boolean {
    return this.#backlog.bytesToCatchUp <= this.config.batchMaxBytes
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
  makeRoom(entry: Entry): void {
    this.#backlog.makeRoom(entry)
  }

  /** Takes on an entry that was just appended to `log`. */
  offer(entry: Entry, log: StreamLog): void {
    const isAwaited = this.#backlog.streamOf(log.database)?.awaitsSuccessor(entry) === true
    const stream = this.#backlog.offer(entry, log)
    if (isAwaited) this.#drain.hasten(stream)
    if (this.config.bufferBytes === 0 && !this.#health.isOpen) this.#backlog.dropUntaken()
    else this.#drain.wake(stream)
  }

  /** The client was told no before anybody had begun the entry: this output need not have it. */
  withdraw(entry: Entry): void {
    this.#backlog.withdraw(entry, this.#holds.drop(entry))
  }

  /** Every output that owes the entry misses its database: it is refused. */
  finishHeld(entry: Entry): void {
    this.#holds.finish(entry)
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
      oldestPendingAgeMs: this.#oldestPendingAgeMs(),
      holds: this.#holds.count,
      heldWrites: this.#holds.writes,
      heldBytes: this.#holds.bytes,
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
    this.#holds.abandon((stream, part) => this.#backlog.abandonPart(stream, part))
    this.#backlog.abandon()
  }

  #oldestPendingAgeMs(): number {
    const nowMs = this.#clock.monotonicMs()
    let oldestAtMs = this.#backlog.oldest?.appendedAtMs ?? nowMs
    for (const entry of this.#holds.oldest()) oldestAtMs = Math.min(oldestAtMs, entry.appendedAtMs)
    return nowMs - oldestAtMs
  }
}
