/**
 * One output: a destination, what it is owed, whether it is up, and the loop that drains the one
 * into the other.
 *
 * Life: made around an open destination; `start` tells whether it is up; disposing stops at once
 * and settles what is left as dropped (`drained` is the patient way before that).
 */

import type { OutputConfig } from '../config/config.ts'
import { LetterWriter } from '../dead-letters/writer.ts'
import type { Destination } from '../destinations/destination.ts'
import { Questions } from '../destinations/questions.ts'
import type { Entry } from '../log/entry.ts'
import type { LogOwnership } from '../log/log-users.ts'
import type { Unread } from '../log/retention/unread.ts'
import type { StreamLog } from '../log/stream-log.ts'
import type { Clock } from '../std/clock.ts'
import type { Outcome } from '../write/outcome.ts'
import type { Reply } from '../write/reply.ts'
import type { Write, WriteTarget } from '../write/write.ts'
import { Backlog } from './backlog.ts'
import { CatchUp } from './catch-up/catch-up.ts'
import { defaultWindowBytes } from './catch-up/read-ahead.ts'
import { Drain } from './drain.ts'
import { Holds } from './holds.ts'
import type { OutputEvents } from './output-events.ts'
import { OutputHealth } from './output-health.ts'
import type { OutputOptions } from './output-options.ts'
import type { Group, Taken } from './part.ts'
import { PoisonTrials } from './poison.ts'
import { Refusals } from './rejected-lines.ts'
import { OutputLog } from './reporting/output-messages.ts'
import type { OutputSnapshot } from './reporting/output-snapshot.ts'
import { Setbacks } from './setbacks.ts'
import type { StreamDrain } from './stream-drain.ts'

/** Of an output's bound, what writes on hold may take up. */
const HELD_SHARE = 1 / 4
const NOTHING_UNREAD: Unread = { writes: 0, bytes: 0 }

export class Output implements AsyncDisposable {
  readonly config: OutputConfig
  readonly #destination: Destination
  readonly #clock: Clock
  readonly #backlog: Backlog
  readonly #health: OutputHealth
  readonly #holds: Holds
  readonly #drain: Drain
  readonly #questions: Questions
  readonly #catchUp: CatchUp | undefined
  readonly #letters: LetterWriter | undefined
  readonly #ownership: LogOwnership | undefined
  #isClosed = false
  #onRest: (() => void) | undefined

  constructor(options: OutputOptions) {
    const { config, clock, random, logger, destination, events, memory, stored } = options
    const { name, bufferBytes, batchMaxBytes, delayMaxMs } = config
    const { onFailed, onWaiting, takesWrites } = events
    const log = new OutputLog({ name, clock, logger, unread: () => this.#unread })
    const backlog: Backlog = new Backlog({
      boundBytes: bufferBytes,
      batchMaxBytes,
      keepsLetters: options.deadLetters !== undefined,
      onSettled: (entry, outcome) => this.#settled(entry, outcome, events),
      onGivenUp: (entry) => log.gaveUp(entry, stored ? undefined : bufferBytes),
    })
    const health = new OutputHealth({
      ...{ name, bufferBytes, delayMaxMs, clock, random, logger, takesWrites },
      caughtUpBytes: batchMaxBytes,
      probe: () => destination.probe(),
      backlog: () => {
        const { writes, bytes } = this.#unread
        const pendingWrites = backlog.counters.pendingWrites + writes
        return { pendingWrites, pendingBytes: backlog.bytesToCatchUp + bytes }
      },
      onUp: () => this.#drain.wakeAll(),
      onDown: () => this.#wentDown(events),
      onTrial: () => this.#drain.wakeOne(),
    })
    // Of what was read from the disk no client waits for a word, and no other output.
    const onRefused = (entry: Entry, reply: Reply) => {
      if (!entry.isFromDisk) events.onRefused(entry, reply)
    }
    const onHeld = (entry: Entry, reply: Reply) => {
      if (!entry.isFromDisk) events.onHeld(entry, reply)
    }
    const wake = (stream: StreamDrain) => this.#drain.wake(stream)
    const finish = (stream: StreamDrain, taken: Taken) => this.#finish(stream, taken, events)
    const parts = { config, backlog, health, log, clock, random, wake, finish }
    const graceMs = config.kind === 'http' ? config.missingDbGraceMs : 0
    const windowBytes = options.windowBytes ?? defaultWindowBytes(batchMaxBytes)
    const boundBytes = (stored === undefined ? bufferBytes : windowBytes) * HELD_SHARE
    const holds: Holds = new Holds({ ...parts, delayMaxMs, graceMs, boundBytes, onHeld, onWaiting })
    const refusals = new Refusals({ ...parts, onRefused })
    const poison = new PoisonTrials({ backlog, refusals, finish })
    const setbacks = new Setbacks({
      ...{ ...parts, onFailed, poison },
      // Whether its database is there shows with others: its hold need not wait for it.
      onSuspect: (group: Group) => holds.noteAnswer(group),
    })
    this.#drain = new Drain({
      ...{ ...parts, destination, holds, poison, refusals, setbacks },
      onWritten: (mark, sequences) => stored?.noteWritten(mark, sequences),
      ownership: stored?.ownership,
      onHandedOver: () => this.handOver(),
      onRest: () => this.#onRest?.(),
    })
    const { deadLetters, onUnloaded } = options
    const onKept = (entry: Entry) => this.#catchUp?.noteDone(entry.sequence)
    this.#letters =
      deadLetters && new LetterWriter({ output: name, letters: deadLetters, clock, logger, onKept })
    const beforeUnload = () => holds.recallProbes()
    const catchUp = { ...parts, name, windowBytes, memory, logger, beforeUnload, onUnloaded }
    this.#catchUp = stored && new CatchUp({ ...catchUp, stored })
    this.config = config
    this.#ownership = stored?.ownership
    this.#destination = destination
    this.#clock = clock
    this.#backlog = backlog
    this.#health = health
    this.#holds = holds
    this.#questions = new Questions(destination, clock)
  }

  /** It answers, as far as is known. */
  get isUp(): boolean {
    return this.#health.isUp
  }

  /** Up and at the tail: its word on a write to this database can be waited for. */
  canVote(database: string): boolean {
    // Else nobody's write would ever be taken to try it with.
    if (this.#health.isOnTrial) return this.#backlog.bytesToCatchUp === 0
    if (!this.#health.isUp || !this.isLive) return false
    // Also without an answer: what is left may wait for the very write that is to be let in.
    const isCaughtUp = this.#backlog.bytesToCatchUp <= this.config.batchMaxBytes
    if (this.#health.isBehind && isCaughtUp) this.#health.noteCaughtUp()
    if (this.#health.isBehind) return false
    const stream = this.#backlog.streamOf(database)
    return stream === undefined || !stream.isBehind || stream.awaitsSuccessor()
  }

  /**
   * Whether it can say what a write there would be told. Not where filters pick its lines, because
   * it need not have every database then, nor while it waits for one that another output has.
   */
  canBeAsked({ database }: WriteTarget): boolean {
    if (!this.#questions.canBeAnswered || this.config.filters.length > 0) return false
    return this.canVote(database) && !this.#holds.isOn(database)
  }

  /** @see Questions.ask */
  ask(target: WriteTarget, limitMs: number): Promise<Reply | undefined> {
    return this.#questions.ask(target, limitMs)
  }

  /**
   * How long a write that is appended to this database now would wait here, as far as one knows.
   */
  expectedWaitMs(database: string): number {
    return this.#backlog.streamOf(database)?.expectedWaitMs(this.#clock.monotonicMs()) ?? 0
  }

  /** Is offered what is appended from memory; else it reads it from the disk. */
  get isLive(): boolean {
    return this.#catchUp?.isBehind !== true
  }

  /** Resolves when the first probe has told whether the output is up. */
  async start(): Promise<void> {
    this.#catchUp?.start()
    await this.#health.start()
  }

  /** Why a write that counts so many bytes cannot be owed here. Changes nothing. */
  refusalOf({ kind }: Write, bytes: number): 'statements-full' | 'backlog-full' | undefined {
    if (kind === 'statement' && !this.#backlog.hasRoomForStatement) return 'statements-full'
    // With a log on disk what waits is there, and bounded there.
    const hasRoom = this.#catchUp !== undefined || this.#backlog.canMakeRoom(bytes)
    return hasRoom ? undefined : 'backlog-full'
  }

  /** @see Backlog.makeRoom */
  makeRoom(entry: Entry): void {
    if (this.#catchUp === undefined) this.#backlog.makeRoom(entry)
  }

  /**
   * Takes on an entry that was just appended.
   *
   * @param log where it is in memory; `undefined` when no output is live
   */
  offer(entry: Entry, log: StreamLog | undefined): void {
    if (this.#catchUp?.isBehind || log === undefined) {
      this.#backlog.counters.accept(entry)
      this.#catchUp?.noteOffered(entry)
      return
    }
    const isAwaited = this.#backlog.streamOf(log.database)?.awaitsSuccessor(entry) === true
    const stream = this.#backlog.offer(entry, log)
    if (isAwaited) this.#drain.hasten(stream)
    if (this.config.bufferBytes === 0 && !this.#health.isOpen) this.#backlog.dropUntaken()
    else this.#drain.wake(stream)
    this.#catchUp?.bound()
  }

  /** With a log on disk: what it has read from there, and who can give back memory. */
  get memoryHolder(): Pick<CatchUp, 'yieldableBytes' | 'yieldMemory' | 'window'> | undefined {
    return this.#catchUp
  }

  /**
   * Over a bound: what it owes below the number is given up where another output is through with
   * it.
   */
  giveUpBelow(sequence: number): void {
    this.#holds.giveUpBelow(sequence)
    this.#catchUp?.giveUpBelow(sequence)
  }

  /** @see CatchUp.handOver */
  handOver(): void {
    this.#catchUp?.handOver()
    this.#onRest?.()
  }

  /** A number of the log on disk that no record will have, or one for another output. */
  noteDone(sequence: number): void {
    this.#catchUp?.noteDone(sequence)
  }

  /** The client was told no before anybody had begun the entry: this output need not have it. */
  withdraw(entry: Entry): void {
    this.#backlog.withdraw(entry, this.#holds.drop(entry))
  }

  /** Every output that owes the entry misses its database: it is refused. */
  finishHeld(entry: Entry): void {
    this.#holds.finish(entry)
  }

  /**
   * Resolves when nothing is pending, or the output is down, or `signal` is aborted; with a log on
   * disk also when it is behind, because what is left is kept there, unless that is lost.
   */
  async drained(signal: AbortSignal): Promise<void> {
    const isDone = () => {
      if (!this.#health.isUp || signal.aborted) return true
      if (this.#ownership?.isLost === true) return this.#backlog.loadedBytes === 0
      return this.#backlog.counters.pendingWrites === 0 || !this.isLive
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
    const { writes: unreadWrites, bytes: unreadBytes } = this.#unread
    const isBehind = this.#health.isBehind || !this.isLive
    const { outcomeLines, droppedLines, ...counts } = this.#backlog.counters
    return {
      ...{ name, location, kind, boundBytes, isUp, isBehind, downCause, stateAgeMs },
      ...counts,
      ...{ unreadWrites, unreadBytes },
      oldestPendingAgeMs: this.#oldestPendingAgeMs(),
      holds: this.#holds.count,
      heldWrites: this.#holds.writes,
      heldBytes: this.#holds.bytes,
      outcomeLines: { ...outcomeLines },
      droppedLines: { ...droppedLines },
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
    if (this.#catchUp !== undefined) return // What is pending stays owed, on the disk.
    this.#holds.abandon((stream, part) => this.#backlog.abandonPart(stream, part))
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
    if (pendingBytes - this.#holds.bytes <= this.config.batchMaxBytes) this.#health.noteCaughtUp()
    if (outcome.kind === 'dead-lettered') this.#letters?.write(entry, outcome)
    else this.#catchUp?.noteDone(entry.sequence)
    if (!this.#catchUp?.noteSettled(entry)) events.onSettled(entry, outcome)
    if (pendingWrites === 0) this.#onRest?.()
  }

  /** A refusal is settled once it shows whether its client knows of it. */
  #finish(stream: StreamDrain, taken: Taken, events: OutputEvents): void {
    const { entry, reply } = taken
    const finish = () => this.#backlog.finishPart(stream, taken)
    if (this.#letters === undefined || reply === undefined || entry.isFromDisk) return finish()
    events.onRefused(entry, reply)
    events.whenAnswered(entry, finish)
  }

  get #unread(): Unread {
    return this.#catchUp?.unread ?? NOTHING_UNREAD
  }

  #oldestPendingAgeMs(): number {
    const nowMs = this.#clock.monotonicMs()
    let oldestAtMs = this.#backlog.oldest?.appendedAtMs ?? nowMs
    for (const entry of this.#holds.oldest()) oldestAtMs = Math.min(oldestAtMs, entry.appendedAtMs)
    return nowMs - oldestAtMs
  }
}
