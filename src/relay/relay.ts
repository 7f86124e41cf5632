/**
 * One relay: a log, the outputs that drain the log, and the policy that decides the client's reply.
 *
 *     accept ──append──▶ log ──offer──▶ outputs ──outcomes──▶ acks ──decided──▶ reply
 *
 * Every appended entry that is not withdrawn is offered to all outputs, whether or not the client
 * still waits.
 *
 * Promise: `accept` resolves within `ackTimeoutMs`. A write that is answered 503 before any output
 * has begun it is withdrawn everywhere, so that the client's retries do not pile up copies.
 */

import type { OutputConfig, RelayConfig } from '../config/config.ts'
import type { DeadLetters } from '../dead-letters/store.ts'
import { Output } from '../delivery/output.ts'
import type { Destination } from '../destinations/destination.ts'
import type { FileKeeper } from '../log/cursors/file-checkpoint.ts'
import type { DiskLog } from '../log/disk-log.ts'
import type { Entry } from '../log/entry.ts'
import { ReclaimingMemory } from '../log/reclaiming-memory.ts'
import type { Clock } from '../std/clock.ts'
import type { Logger } from '../std/logger.ts'
import type { SharedMemory } from '../std/memory-budget.ts'
import {
  type AckPolicy,
  type Decision,
  isLogEnough,
  PendingAck,
  strongerPolicy,
} from '../write/acks.ts'
import type { Outcome } from '../write/outcome.ts'
import type { Reply } from '../write/reply.ts'
import { freeBodies, type Write, type WriteTarget } from '../write/write.ts'
import { isWaitBearable, noRefusedWrites, refusalReply, type WriteRefusal } from './admission.ts'
import { connect, storedLogOf } from './connect-disk-log.ts'
import { DeadLetterAdmin } from './dead-letter-admin.ts'
import { Divergence } from './divergence.ts'
import { firstAcks, PendingAcks, replyTo, type WaitingClient } from './pending-acks.ts'
import { othersBelow, othersEmpty, refusalByOutputs } from './room.ts'
import type { RelaySnapshot } from './snapshot.ts'
import { WriteLog } from './write-log.ts'

export interface AcceptOptions {
  /** The request's `consistency`: can only strengthen the relay's own policy. */
  readonly policy: AckPolicy | undefined
}

export interface RelayOptions {
  readonly config: RelayConfig
  readonly openDestination: (config: OutputConfig, keeper?: FileKeeper) => Promise<Destination>
  readonly memory: SharedMemory
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly logger: Logger
  /** The log on disk, if configured; the relay closes it. */
  readonly disk?: DiskLog | undefined
  /** By output, with a log on disk; the relay closes them. */
  readonly deadLetters?: readonly DeadLetters[]
  /** Window of each output, with a log on disk. Small in tests, so that outputs fall behind. */
  readonly windowBytes?: number
}

export class Relay implements AsyncDisposable {
  readonly name: string
  /** The memory budget, also for the listener that receives writes for this relay. */
  readonly memory: SharedMemory
  readonly #config: RelayConfig
  readonly #log: WriteLog
  readonly #outputs: readonly Output[]
  /** By output, whether it is a voter: HTTP outputs are; without any, all outputs are. */
  readonly #voters: readonly boolean[]
  readonly #pendingAcks: PendingAcks
  /** Replays and purges dead letters for an operator. */
  readonly deadLetters: DeadLetterAdmin
  readonly #refusedWrites = noRefusedWrites()
  readonly #divergence: Divergence
  /** The entry that is being withdrawn from the outputs, one after the other. */
  #withdrawn: Entry | undefined
  #acceptedWrites = 0
  #acceptedLines = 0
  #acceptedBytes = 0
  #isClosing = false

  constructor(options: RelayOptions, destinations: readonly Destination[]) {
    const { config, clock, logger, disk } = options
    this.#divergence = new Divergence({ clock, logger })
    this.name = config.name
    this.#config = config
    const holders = () => this.#outputs.flatMap(({ memoryHolder }) => memoryHolder ?? [])
    this.memory = disk ? new ReclaimingMemory(options.memory, holders) : options.memory
    this.#log = new WriteLog({
      ...{ memory: this.memory, clock, disk, outputCount: destinations.length },
      onReady: (entry) => this.#offer(entry),
      onFailed: (entry) => this.#lost(entry),
    })
    this.#outputs = destinations.map((destination, index) =>
      this.#makeOutput(options, destination, index),
    )
    if (disk) connect(disk, this.#log.memoryLog, this.#outputs, options.deadLetters ?? [])
    this.deadLetters = new DeadLetterAdmin({
      letters: options.deadLetters ?? [],
      outputs: config.outputs.map(({ name }) => name),
      log: this.#log,
      isClosing: () => this.#isClosing,
      offerTo: (index, entry) => this.#offerTo(index, entry),
    })
    const hasHttp = config.outputs.some(({ kind }) => kind === 'http')
    this.#voters = config.outputs.map(({ kind }) => !hasHttp || kind === 'http')
    this.#pendingAcks = new PendingAcks({
      ackTimeoutMs: config.ackTimeoutMs,
      clock,
      onDecided: (waiting, decision) => this.#answer(waiting, decision),
    })
  }

  /**
   * Starts the outputs; resolves once every output knows whether it is up. Until then the outputs
   * count as up.
   */
  async start(): Promise<void> {
    await Promise.all(this.#outputs.map((output) => output.start()))
  }

  /** Appends the write and resolves with the client's answer. Rejects only for a bug of ours. */
  accept(write: Write, options?: AcceptOptions): Promise<Reply> {
    const policy = strongerPolicy(this.#config.acknowledgement, options?.policy)
    const { database } = write.target
    const acks = firstAcks(this.#outputs, this.#voters, database)
    const pending = new PendingAck(policy, acks)
    const isKept = this.#log.disk !== undefined && isLogEnough(policy)
    if (!isKept && !pending.canBeMet) {
      return this.#refuse(acks.includes('open') ? 'too-few-outputs-up' : 'no-output-up', write)
    }
    const { ackTimeoutMs } = this.#config
    const waitMs = (index: number) => this.#outputs[index]?.expectedWaitMs(database) ?? 0
    if (!isWaitBearable({ policy, acks, ackTimeoutMs, waitMs })) {
      if (!isKept) return this.#refuse('overloaded', write)
      pending.stopWaiting() // The write waits on the disk; its client does not wait.
    }
    const entry = this.#append(write)
    if (typeof entry === 'string') return this.#refuse(entry, write)
    return new Promise((reply) =>
      this.#pendingAcks.open({ entry, pending, reply, isKept, afterwards: [] }),
    )
  }

  /**
   * Asks the first suitable output about a request that holds nothing to store. `undefined` when
   * the output does not refuse the target, or refuses for a reason that may pass.
   */
  async ask(target: WriteTarget): Promise<Reply | undefined> {
    if (this.#isClosing) return undefined
    const output = this.#outputs.find((each) => each.canBeAsked(target))
    return await output?.ask(target, this.#config.ackTimeoutMs)
  }

  /** Whether new writes are accepted in the present state of the outputs; datagrams always are. */
  get takesWrites(): boolean {
    const { kind, acknowledgement: policy } = this.#config
    if (kind === 'udp' || (this.#log.disk !== undefined && isLogEnough(policy))) return true
    return new PendingAck(policy, firstAcks(this.#outputs, this.#voters, '')).canBeMet
  }

  /**
   * As `accept`, for a listener whose clients get no answer (UDP). A write over a bound is refused
   * and counted.
   */
  acceptUnanswered(write: Write): WriteRefusal | undefined {
    const entry = this.#append(write)
    return typeof entry === 'string' ? this.#noteRefusal(entry, write) : undefined
  }

  /**
   * Accepts no new writes; resolves when the outputs that are up have nothing pending, or `signal`
   * is aborted.
   */
  async drain(signal: AbortSignal): Promise<void> {
    this.#isClosing = true
    await Promise.all(this.#outputs.map((output) => output.drained(signal)))
  }

  /** Checks that the log is on disk, so that the shutdown message is true. */
  async saveNow(): Promise<void> {
    await this.#log.disk?.saveNow()
  }

  snapshot(): RelaySnapshot {
    return {
      name: this.name,
      kind: this.#config.kind,
      acceptedWrites: this.#acceptedWrites,
      acceptedLines: this.#acceptedLines,
      acceptedBytes: this.#acceptedBytes,
      refusedWrites: { ...this.#refusedWrites },
      divergedWrites: this.#divergence.count,
      takesWrites: this.takesWrites,
      disk: this.#log.disk?.snapshot(),
      logWrites: this.#log.memoryLog.entryCount,
      logBytes: this.#log.memoryLog.bytes,
      streams: this.#log.memoryLog.streamCount,
      outputs: this.#outputs.map((output) => output.snapshot()),
    }
  }

  /**
   * Stops at once; waiting clients are answered 503. Pending writes are dropped and counted; with a
   * log on disk they stay there and are delivered after the next start.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true
    await Promise.all(this.#outputs.map((output) => output[Symbol.asyncDispose]()))
    await this.deadLetters[Symbol.asyncDispose]()
    await this.#log.disk?.[Symbol.asyncDispose]()
  }

  #makeOutput(options: RelayOptions, destination: Destination, index: number): Output {
    const config = options.config.outputs[index]
    if (config === undefined) throw new Error('BUG: a destination without an output')
    const { clock, random, logger, memory, disk } = options
    const events = {
      onRefused: (entry: Entry, reply: Reply) => this.#pendingAcks.refuse(index, entry, reply),
      onHeld: (entry: Entry, reply: Reply) => {
        this.#pendingAcks.refuse(index, entry, reply)
        this.#finishIfMissingEverywhere(entry)
      },
      whenAnswered: (entry: Entry, then: () => void) => this.#pendingAcks.whenAnswered(entry, then),
      onWaiting: (entry: Entry) => this.#pendingAcks.stopWaitingFor(index, entry),
      onSettled: (entry: Entry, outcome: Outcome) => this.#settled(index, entry, outcome),
      onFailed: (database: string) => this.#pendingAcks.stopAllWaitingFor(index, database),
      onDown: () => this.#pendingAcks.stopAllWaitingFor(index),
      othersBelow: () => othersBelow(this.#outputs, index),
      othersEmpty: () => othersEmpty(this.#outputs, index),
      takesWrites: () => this.takesWrites,
    }
    return new Output({
      ...{ config, destination, clock, random, logger, events, memory },
      stored: disk && storedLogOf(disk, index),
      deadLetters: options.deadLetters?.[index],
      windowBytes: options.windowBytes,
      isAnswering: options.config.kind === 'http',
      onUnloaded: (entry) => this.#unloaded(index, entry),
    })
  }

  #append(write: Write): Entry | WriteRefusal {
    if (this.#isClosing) return 'closing'
    return refusalByOutputs(this.#outputs, write) ?? this.#log.append(write)
  }

  /** The entry is ready: offers it to every output, from memory or for a later read from disk. */
  #offer(entry: Entry): void {
    const { memoryLog } = this.#log
    const { lineCount, body } = entry.write
    this.#acceptedWrites++
    this.#acceptedLines += lineCount
    this.#acceptedBytes += body.length
    const takers = this.#outputs.reduce((sum, { isAtTail }) => sum + Number(isAtTail), 0)
    if (takers === 0) memoryLog.discard(entry)
    const stream = takers > 0 ? memoryLog.push(entry, takers) : undefined
    for (const output of this.#outputs) output.makeRoom(entry)
    const pending = this.#pendingAcks.of(entry)
    for (const [index, output] of this.#outputs.entries()) {
      // The output has fallen behind since `accept`.
      if (!output.isAtTail) pending?.stopWaitingFor(index)
      output.offer(entry, stream)
    }
    // Without a disk, the pending ack is not open yet; `open` decides it.
    this.#pendingAcks.decide(entry)
  }

  /** As `#offer`, for an entry that is for one output only. */
  #offerTo(index: number, entry: Entry): void {
    const { memoryLog } = this.#log
    const output = this.#outputs[index]
    for (const other of this.#outputs) if (other !== output) other.noteDone(entry.sequence)
    const isAtTail = output?.isAtTail === true
    if (!isAtTail) memoryLog.discard(entry)
    output?.offer(entry, isAtTail ? memoryLog.push(entry, 1) : undefined)
  }

  /** The entry could not be written to disk: no output has seen it, and none ever will. */
  #lost(entry: Entry): void {
    this.#refusedWrites['log-failing']++
    for (const output of this.#outputs) output.noteDone(entry.sequence)
    this.#pendingAcks.fail(entry)
  }

  #refuse(refusal: WriteRefusal, write: Write): Promise<Reply> {
    return Promise.resolve(refusalReply(this.#noteRefusal(refusal, write)))
  }

  #noteRefusal(refusal: WriteRefusal, write: Write): WriteRefusal {
    this.#refusedWrites[refusal]++
    this.memory.noteGarbage(freeBodies(write))
    return refusal
  }

  /**
   * No output has stored the entry, and its database is missing wherever it is pending: refuses it.
   */
  #finishIfMissingEverywhere(entry: Entry): void {
    const { heldCount, pendingAtCount, storedCount } = entry
    if (heldCount === 0 || heldCount < pendingAtCount || storedCount > 0) return
    if (entry === this.#withdrawn || !this.#outputs.every(({ isAtTail }) => isAtTail)) return
    for (const output of this.#outputs) output.finishHeld(entry)
  }

  /** An output has fallen behind and will read the entry from the disk. */
  #unloaded(index: number, entry: Entry): void {
    this.#log.memoryLog.release(entry)
    this.#pendingAcks.stopWaitingFor(index, entry)
  }

  #settled(index: number, entry: Entry, outcome: Outcome): void {
    this.#log.memoryLog.release(entry)
    const output = this.#outputs[index]
    if (output && this.#voters[index]) this.#divergence.compare(output.config, entry, outcome)
    this.#pendingAcks.settle(index, entry, outcome)
    this.#finishIfMissingEverywhere(entry)
  }

  #answer({ entry, pending, reply, isKept }: WaitingClient, decision: Decision): void {
    // A write in the log is enough for `isKept`, unless an output refused it.
    const isInLog = entry.isDurable && this.#log.disk?.ownership.isLost !== true
    const isSafe = isKept && isInLog && decision !== 'refused'
    const answer = isSafe ? replyTo('stored', pending) : replyTo(decision, pending)
    entry.wasClientRefused = decision !== 'stored' && !isSafe
    reply(entry.isDurable ? answer : refusalReply('log-failing'))
    if (decision === 'refused' || decision === 'stored') return
    // An entry on the disk is not withdrawn: every output will process it.
    if (this.#log.disk !== undefined || entry.begunCount > 0 || entry.storedCount > 0) return
    this.#withdrawn = entry
    for (const output of this.#outputs) output.withdraw(entry)
    this.#withdrawn = undefined
  }
}
