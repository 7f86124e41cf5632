/**
 * One output: a destination, its backlog, its health, and the loop that drains the backlog into the
 * destination.
 *
 * Life: made around an open destination. `start` resolves once the health is known. Disposing stops
 * at once: without a log on disk the backlog is dropped, so await `drained` first to deliver it.
 */

import type { OutputConfig } from '../config/config.ts'
import { DeadLetterRecorder } from '../dead-letters/recorder.ts'
import type { Destination } from '../destinations/destination.ts'
import { Questions } from '../destinations/questions.ts'
import type { Entry } from '../log/entry.ts'
import type { LogOwnership } from '../log/log-callbacks.ts'
import type { Lag } from '../log/retention/lag.ts'
import type { StreamLog } from '../log/stream-log.ts'
import type { Clock } from '../std/clock.ts'
import type { Outcome } from '../write/outcome.ts'
import type { Reply } from '../write/reply.ts'
import type { Write, WriteTarget } from '../write/write.ts'
import { Backlog } from './backlog.ts'
import { CatchUp } from './catch-up/catch-up.ts'
import { defaultWindowBytes } from './catch-up/read-ahead.ts'
import { Drain } from './drain.ts'
import { GivingWay } from './giving-way.ts'
import { OutputHealth } from './health.ts'
import { Holds } from './holds.ts'
import { type OutputEvents, type OutputOptions, unlessFromDisk } from './output-options.ts'
import { PoisonTrials } from './poison.ts'
import { RejectedLines } from './rejected-lines.ts'
import { HealthMessages } from './reporting/health-messages.ts'
import { OutputMessages } from './reporting/output-messages.ts'
import type { OutputSnapshot } from './reporting/output-snapshot.ts'
import { Retries } from './retry.ts'
import type { Batch, Delivery } from './stream/batch.ts'
import type { StreamQueue } from './stream/stream-queue.ts'

/** Share of an output's bound that writes on hold may take up. */
const HELD_SHARE = 1 / 4
const NO_LAG: Lag = { writes: 0, bytes: 0 }

export class Output implements AsyncDisposable {
  readonly config: OutputConfig
  readonly #destination: Destination
  readonly #clock: Clock
  readonly #backlog: Backlog
  readonly #health: OutputHealth
  readonly #givingWay: GivingWay
  readonly #holds: Holds
  readonly #drain: Drain
  readonly #questions: Questions
  readonly #catchUp: CatchUp | undefined
  readonly #letters: DeadLetterRecorder | undefined
  readonly #ownership: LogOwnership | undefined
  #isClosed = false
  #onRest: (() => void) | undefined

  constructor(options: OutputOptions) {
    const { config, clock, random, logger, destination, events, memory, stored } = options
    const { name, bufferBytes, batchMaxBytes, delayMaxMs } = config
    const { onFailed, onWaiting, othersBelow, othersEmpty, takesWrites } = events
    const messages = new OutputMessages({ name, clock, logger, formerLag: () => this.#formerLag })
    const backlog: Backlog = new Backlog({
      boundBytes: bufferBytes,
      batchMaxBytes,
      keepsLetters: options.deadLetters !== undefined,
      onSettled: (entry, outcome) => this.#settled(entry, outcome, events),
      givesWay: () => this.#givingWay.look(),
      onFull: () => messages.full(bufferBytes),
      onDropped: (entry) => messages.droppedAtBound(entry, stored ? undefined : bufferBytes),
    })
    const health = new OutputHealth({
      ...{ delayMaxMs, clock, random },
      messages: new HealthMessages({ name, bufferBytes, clock, logger, takesWrites }),
      caughtUpBytes: batchMaxBytes,
      probe: () => destination.probe(),
      backlog: () => this.#toCatchUp,
      onUp: () => this.#drain.wakeAll(),
      onDown: () => this.#wentDown(events),
      onTrial: () => this.#drain.wakeOne(),
    })
    const { onRefused, onHeld } = unlessFromDisk(events)
    const wake = (stream: StreamQueue) => this.#drain.wake(stream)
    const finish = (stream: StreamQueue, delivery: Delivery) =>
      this.#finish(stream, delivery, events)
    const parts = { config, backlog, health, messages, clock, random, wake, finish }
    const graceMs = config.kind === 'http' ? config.missingDbGraceMs : 0
    const windowBytes = options.windowBytes ?? defaultWindowBytes(batchMaxBytes)
    const boundBytes = (stored === undefined ? bufferBytes : windowBytes) * HELD_SHARE
    const holds: Holds = new Holds({
      ...{ ...parts, delayMaxMs, graceMs, boundBytes, onHeld, onWaiting },
      searchesStatements: () => this.#catchUp?.searchesStatements() === true,
    })
    const rejectedLines = new RejectedLines({ ...parts, onRefused })
    const poison = new PoisonTrials({ rejectedLines, finish })
    const retries = new Retries({
      ...parts,
      // A poison candidate cannot show whether its database exists: other writes probe the hold.
      onPossiblePoison: (batch: Batch) => holds.noteAnswer(batch),
    })
    this.#drain = new Drain({
      ...{ ...parts, destination, holds, poison, rejectedLines, retries, onFailed },
      onWritten: (checkpoint, sequences) => stored?.noteWritten(checkpoint, sequences),
      ownership: stored?.ownership,
      onHandedOver: () => this.handOver(),
      onRest: () => this.#onRest?.(),
    })
    const { deadLetters, isAnswering, onUnloaded } = options
    const onKept = (entry: Entry) => this.#catchUp?.noteDone(entry.sequence)
    const letters = deadLetters && { output: name, letters: deadLetters, clock, logger, onKept }
    this.#letters = letters && new DeadLetterRecorder(letters)
    const catchUp = { ...parts, name, windowBytes, memory, onUnloaded }
    const own = { beforeUnload: () => holds.recallProbes(), onSearched: () => holds.boundAll() }
    this.#catchUp = stored && new CatchUp({ ...catchUp, ...own, stored })
    this.config = config
    this.#ownership = stored?.ownership
    this.#destination = destination
    this.#clock = clock
    this.#backlog = backlog
    this.#health = health
    this.#givingWay = new GivingWay({ ...parts, othersBelow, othersEmpty, isAnswering })
    this.#holds = holds
    this.#questions = new Questions(destination, clock)
  }

  /** The last probe or request was answered. */
  get isUp(): boolean {
    return this.#health.isUp
  }

  /** @see Backlog.below */
  get below(): number {
    return this.#backlog.below
  }

  /** @see GivingWay.isMostlyEmpty */
  get isMostlyEmpty(): boolean {
    return this.#givingWay.isMostlyEmpty
  }

  /** In sync for this database: clients wait for its answer to a write. */
  inSync(database: string): boolean {
    // An output on trial counts as in sync: otherwise no write would be admitted to try it with.
    if (this.#health.isOnTrial) return this.#backlog.bytesToCatchUp === 0
    if (!this.#health.isUp || !this.isAtTail) return false
    // Checked here as well as on answers: a stream of poison candidates may wait for this write.
    const isCaughtUp = this.#backlog.bytesToCatchUp <= this.config.batchMaxBytes
    if (isCaughtUp) this.#health.noteCaughtUp()
    if (!this.#health.isInSync) return false
    const stream = this.#backlog.streamOf(database)
    return stream === undefined || !stream.attempts.isBackingOff || stream.awaitsSuccessor()
  }

  /**
   * Whether `ask` may be called for the target. Not with filters: the output then need not have
   * every database. Not during a hold on the database: another output may have that database.
   */
  canBeAsked({ database }: WriteTarget): boolean {
    if (!this.#questions.canBeAnswered || this.config.filters.length > 0) return false
    return this.inSync(database) && !this.#holds.isOn(database)
  }

  /** @see Questions.ask */
  ask(target: WriteTarget, limitMs: number): Promise<Reply | undefined> {
    return this.#questions.ask(target, limitMs)
  }

  /** Estimated wait of a write appended to this database now. */
  expectedWaitMs(database: string): number {
    return this.#backlog.streamOf(database)?.expectedWaitMs(this.#clock.monotonicMs()) ?? 0
  }

  /** Receives appended entries from memory. An output that is behind reads them from the disk. */
  get isAtTail(): boolean {
    return this.#catchUp?.isReadingDisk !== true
  }

  /** Resolves once the first probe has shown whether the output is up. */
  async start(): Promise<void> {
    this.#catchUp?.start()
    await this.#health.start()
  }

  /** Why the backlog has no room for a write of `bytes`; `undefined` if it has. Changes nothing. */
  refusalOf({ kind }: Write, bytes: number): 'statements-full' | 'backlog-full' | undefined {
    if (kind === 'statement' && !this.#backlog.hasRoomForStatement) return 'statements-full'
    // With a log on disk the backlog is on disk, and the log bounds it.
    const hasRoom = this.#catchUp !== undefined || this.#backlog.canMakeRoom(bytes)
    return hasRoom ? undefined : 'backlog-full'
  }

  /** @see Backlog.makeRoom */
  makeRoom(entry: Entry): void {
    if (this.#catchUp === undefined) this.#backlog.makeRoom(entry)
  }

  /**
   * Adds an entry that was just appended to the backlog.
   *
   * @param log holds the entry in memory; `undefined` when no output is at the tail
   */
  offer(entry: Entry, log: StreamLog | undefined): void {
    if (this.#catchUp?.isReadingDisk || log === undefined) {
      this.#backlog.counters.accept(entry)
      this.#catchUp?.noteOffered(entry)
      return
    }
    const isAwaited = this.#backlog.streamOf(log.database)?.awaitsSuccessor(entry) === true
    const stream = this.#backlog.offer(entry, log)
    if (isAwaited) this.#drain.retryNow(stream)
    if (this.config.bufferBytes === 0 && !this.#health.isOpen) this.#backlog.dropUntaken()
    else this.#drain.wake(stream)
    this.#catchUp?.bound()
  }

  /** With a log on disk: the entries read from it, and the way to reclaim their memory. */
  get memoryHolder(): Pick<CatchUp, 'reclaimableBytes' | 'reclaim' | 'window'> | undefined {
    return this.#catchUp
  }

  /**
   * The log on disk is over a bound: refuses held writes below `sequence`, and drops other writes
   * below it that another output is done with.
   */
  dropBelow(sequence: number): void {
    this.#holds.expireBelow(sequence)
    this.#catchUp?.dropBelow(sequence)
  }

  /** @see CatchUp.handOver */
  handOver(): void {
    this.#catchUp?.handOver()
    this.#onRest?.()
  }

  /** No record for this output has the number: the cursor may pass it. */
  noteDone(sequence: number): void {
    this.#catchUp?.noteDone(sequence)
  }

  /** The client got an error before any output had begun the entry: takes it back here. */
  withdraw(entry: Entry): void {
    this.#backlog.withdraw(entry, this.#holds.drop(entry))
  }

  /** The database is missing at every output where the entry is pending: refuses the entry. */
  finishHeld(entry: Entry): void {
    this.#holds.finish(entry)
  }

  /**
   * Resolves when nothing is pending, the output is down, or `signal` is aborted. With a log on
   * disk also while the output is catching up: the disk keeps the rest.
   */
  async drained(signal: AbortSignal): Promise<void> {
    const isDone = () => {
      if (!this.#health.isUp || signal.aborted) return true
      if (this.#ownership?.isLost === true) return this.#backlog.loadedBytes === 0
      return this.#backlog.counters.pendingWrites === 0 || !this.isAtTail
    }
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
    const { isUp, cause: downCause, stateAgeMs } = this.#health
    const { isRefusing } = this.#givingWay
    const { writes: formerLagWrites, bytes: formerLagBytes } = this.#formerLag
    const isInSync = this.#health.isInSync && this.isAtTail
    const { outcomeLines, droppedLines, ...counts } = this.#backlog.counters
    return {
      ...{ name, location, kind, boundBytes, isUp, isInSync, downCause, stateAgeMs },
      ...{ ...counts, formerLagWrites, formerLagBytes, isRefusing },
      oldestPendingAgeMs: this.#oldestPendingAgeMs(),
      ...{ holds: this.#holds.count, heldWrites: this.#holds.writes, heldBytes: this.#holds.bytes },
      ...{ outcomeLines: { ...outcomeLines }, droppedLines: { ...droppedLines } },
      deadLetters: this.#letters?.snapshot(),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#drain.close()
    this.#health.close()
    await this.#destination[Symbol.asyncDispose]()
    await this.#catchUp?.close()
    if (this.#catchUp !== undefined) return // The disk keeps the backlog for the next start.
    this.#holds.abandon((stream, slice) => this.#backlog.abandonSlice(stream, slice))
    this.#backlog.abandon()
  }

  #wentDown(events: OutputEvents): void {
    this.#drain.noteDown()
    if (this.config.bufferBytes === 0) this.#backlog.dropUntaken()
    events.onDown()
    this.#onRest?.()
  }

  #settled(entry: Entry, outcome: Outcome, events: OutputEvents): void {
    this.#holds.noteSettled(entry)
    const { pendingWrites, pendingBytes } = this.#backlog.counters
    if (pendingBytes - this.#holds.bytes <= this.config.batchMaxBytes) {
      this.#health.noteCaughtUp()
      this.#givingWay.noteCaughtUp()
    }
    if (outcome.kind === 'dead-lettered') this.#letters?.write(entry, outcome)
    else this.#catchUp?.noteDone(entry.sequence)
    if (!this.#catchUp?.noteSettled(entry)) events.onSettled(entry, outcome)
    if (pendingWrites === 0) this.#onRest?.()
  }

  /**
   * With dead letters, settles a refusal only after the client was answered: what the client was
   * told becomes no dead letter.
   */
  #finish(stream: StreamQueue, delivery: Delivery, events: OutputEvents): void {
    const { entry, reply } = delivery
    const finish = () => this.#backlog.finishSlice(stream, delivery)
    if (this.#letters === undefined || reply === undefined || entry.isFromDisk) return finish()
    events.onRefused(entry, reply)
    events.whenAnswered(entry, finish)
  }

  get #toCatchUp(): { readonly pendingWrites: number; readonly pendingBytes: number } {
    const { writes, bytes } = this.#formerLag
    const { counters, bytesToCatchUp } = this.#backlog
    return { pendingWrites: counters.pendingWrites + writes, pendingBytes: bytesToCatchUp + bytes }
  }

  get #formerLag(): Lag {
    return this.#catchUp?.formerLag ?? NO_LAG
  }

  #oldestPendingAgeMs(): number {
    const nowMs = this.#clock.monotonicMs()
    let oldestAtMs = this.#backlog.oldest?.appendedAtMs ?? nowMs
    for (const entry of this.#holds.oldest()) oldestAtMs = Math.min(oldestAtMs, entry.appendedAtMs)
    return nowMs - oldestAtMs
  }
}
