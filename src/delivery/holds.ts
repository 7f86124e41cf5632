/**
 * Holds back writes to a database or retention policy that is missing at this output, or that the
 * output's own user may not write to, until an operator or a statement corrects that.
 *
 *     stream  ── answered "not found" ──▶ hold ── probe answered, CREATE DATABASE ──▶ stream
 *                                           └── grace over, bound reached ──▶ refused
 *
 * Each (database, retention policy) has one hold; other writes of the stream go on. A write stays
 * on hold while another output has stored it, or still may. Once all outputs at which the write is
 * pending miss its database, the write is at fault and is refused everywhere (`Entry.heldCount`). A
 * write that joins a hold unsent is refused with the reply that began the hold.
 *
 * The oldest write of a hold probes, alone, with backoff. Released writes go in log order. While a
 * statement of the stream is pending, which may end the hold, or is searched for in the log, held
 * writes have neither a bound nor a grace of their own: they count as backlog only.
 *
 * Limits: HOLDS_MAX holds; `boundBytes` of writes in all holds, beyond which the oldest writes of
 * the growing hold are refused; `graceMs` for each write.
 */

import type { Entry } from '../log/entry.ts'
import { backoffMs } from '../std/backoff.ts'
import type { Clock, Timer } from '../std/clock.ts'
import type { Reply } from '../write/reply.ts'
import type { Write, WriteTarget } from '../write/write.ts'
import type { OutputMessages } from './reporting/output-messages.ts'
import { Batch, type Delivery, type Slice } from './stream/batch.ts'
import type { StreamQueue } from './stream/stream-queue.ts'

const HOLDS_MAX = 256

export interface HoldsOptions {
  readonly messages: OutputMessages
  readonly clock: Clock
  readonly random: () => number
  readonly delayMaxMs: number
  readonly graceMs: number
  readonly boundBytes: number
  /** One slice of a delivery is done. */
  readonly finish: (stream: StreamQueue, delivery: Delivery) => void
  /** This output refuses an entry for now. The entry may be settled here before this returns. */
  readonly onHeld: (entry: Entry, reply: Reply) => void
  /** This output cannot store the entry for now, for a reason its client cannot fix. */
  readonly onWaiting: (entry: Entry) => void
  /** A stream has something to send. */
  readonly wake: (stream: StreamQueue) => void
  /** @see CatchUp.searchesStatements */
  readonly searchesStatements: () => boolean
}

interface Hold {
  readonly key: string
  readonly stream: StreamQueue
  readonly target: WriteTarget
  /** The answer that began the hold. */
  readonly reply: Reply
  /** The output's own user has no rights there: refusals elsewhere do not make the write wrong. */
  readonly lacksRights: boolean
  /** By entry, in the order of the log; without the probe. */
  readonly slices: Map<Entry, Slice[]>
  /** The entry that was sent, in one or more slices, to see whether the hold is still needed. */
  probe: Delivery | undefined
  failures: number
  timer: Timer | undefined
  /** The hold was logged. */
  isLogged: boolean
}

export class Holds {
  readonly #options: HoldsOptions
  readonly #holds = new Map<string, Hold>()
  #writes = 0
  #bytes = 0

  constructor(options: HoldsOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#holds.size
  }

  get writes(): number {
    return this.#writes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Whether anything of the database is on hold. */
  isOn(database: string): boolean {
    for (const { target } of this.#holds.values()) if (target.database === database) return true
    return false
  }

  /** The oldest entry of every hold. */
  *oldest(): Generator<Entry> {
    for (const { slices, probe } of this.#holds.values()) {
      const entry = probe?.entry ?? firstKey(slices)
      if (entry !== undefined) yield entry
    }
  }

  /** Whether a hold on the target is on, or there is room for another one. */
  hasRoomFor(target: WriteTarget): boolean {
    return this.#holds.size < HOLDS_MAX || this.#holds.has(keyOf(target))
  }

  /**
   * Puts the stream's first batch on hold, and with it all other taken writes to its target. Call
   * only if there is room, and not for a statement, which may be what ends the hold.
   */
  begin(stream: StreamQueue, batch: Batch, why: Pick<Hold, 'reply' | 'lacksRights'>): void {
    const key = keyOf(batch.target)
    let hold = this.#holds.get(key)
    if (hold === undefined) {
      const idle = { probe: undefined, failures: 0, timer: undefined, isLogged: false }
      const { reply, lacksRights } = why
      hold = { key, stream, target: batch.target, reply, lacksRights, slices: new Map(), ...idle }
      this.#holds.set(key, hold)
    }
    hold.failures++
    for (const { delivery } of this.#sweep(hold)) this.#tell(hold, delivery.entry)
    this.#bound(hold)
    this.#scheduleProbe(hold)
  }

  /** Puts a slice that was just taken on hold if its target is. @returns whether its target is */
  join(slice: Slice): boolean {
    if (this.#holds.size === 0 || slice.write.kind === 'statement') return false
    const hold = this.#holds.get(keyOf(slice.write.target))
    if (hold === undefined) return false
    this.#add(hold, slice)
    this.#tell(hold, slice.delivery.entry)
    this.#bound(hold)
    return true
  }

  /** The batch got an answer other than "not found": if the batch was a probe, its hold ends. */
  noteAnswer(batch: Batch): void {
    if (this.#holds.size === 0) return
    const hold = this.#holds.get(keyOf(batch.target))
    const isProbe = hold?.probe !== undefined && hold.probe === batch.slices[0]?.delivery
    // Releases all holds of the stream, in one order; a hold that is still needed begins again.
    if (isProbe) this.releaseStream(hold.stream)
  }

  /** The entry is settled here: if it was a probe without an answer, schedules another probe. */
  noteSettled(entry: Entry): void {
    if (this.#holds.size === 0) return
    if (entry.write.kind === 'statement') this.boundAll()
    const hold = this.#holds.get(keyOf(entry.write.target))
    if (hold?.probe?.entry !== entry) return
    hold.probe = undefined
    this.#scheduleProbe(hold)
  }

  /** The database was created: releases all holds of its stream. */
  releaseStream(stream: StreamQueue): void {
    for (const hold of [...this.#holds.values()]) {
      if (hold.stream === stream) this.#release(hold)
    }
  }

  /**
   * All outputs at which the entry is pending miss its database: refuses the entry if it is on hold
   * here.
   */
  finish(entry: Entry): void {
    const hold = this.#holds.get(keyOf(entry.write.target))
    if (hold === undefined) return
    const slices = this.#take(hold, entry)
    if (slices.length === 0) return
    if (hold.slices.size === 0 && hold.probe === undefined) this.#end(hold)
    const { target, lineCount } = entry.write
    this.#options.messages.refused({ target, lineCount, reply: hold.reply })
    this.#refuse(hold, slices)
  }

  /** Removes an entry that need not be delivered any more, and was never split. */
  drop(entry: Entry): Slice | undefined {
    const hold = this.#holds.get(keyOf(entry.write.target))
    if (hold === undefined) return undefined
    const [slice] = this.#take(hold, entry)
    if (hold.slices.size === 0 && hold.probe === undefined) this.#end(hold)
    return slice
  }

  /** Takes back the probes that are not in flight: their streams are about to be unloaded. */
  recallProbes(): void {
    for (const hold of this.#holds.values()) this.#recallProbe(hold)
  }

  /**
   * Refuses held writes below `sequence`: the log on disk needs their space. Another output is done
   * with them, so they go also while a statement is pending, as all backlog does.
   */
  expireBelow(sequence: number): void {
    for (const hold of [...this.#holds.values()]) {
      if ((hold.probe?.entry.sequence ?? sequence) < sequence) this.#recallProbe(hold)
      this.#expire(hold, (held) => held.sequence < sequence, 'the log on disk is full')
      if (hold.slices.size === 0 && hold.probe === undefined) this.#end(hold)
    }
  }

  /** Removes all held writes, at the end of the process. */
  abandon(settle: (stream: StreamQueue, slice: Slice) => void): void {
    for (const hold of [...this.#holds.values()]) {
      this.#end(hold)
      for (const slice of this.#takeAll(hold)) settle(hold.stream, slice)
    }
  }

  /** A statement was settled, or a search has ended: the other holds are bounded again. */
  boundAll(): void {
    for (const hold of [...this.#holds.values()]) this.#bound(hold)
  }

  /** Puts all taken writes to the hold's target on hold. @returns their slices */
  #sweep(hold: Hold): readonly Slice[] {
    const isIts = ({ kind, target }: Write) => kind !== 'statement' && keyOf(target) === hold.key
    const swept = hold.stream.sweep(isIts)
    hold.probe = undefined
    const later = this.#takeAll(hold)
    for (const slice of swept) this.#add(hold, slice)
    for (const slice of later) this.#add(hold, slice)
    return swept
  }

  #recallProbe(hold: Hold): void {
    const { probe, stream } = hold
    if (probe === undefined || stream.attempts.isSending) return
    stream.restoreSetAside()
    this.#sweep(hold)
    this.#scheduleProbe(hold)
  }

  #tell({ reply, lacksRights }: Hold, entry: Entry): void {
    if (lacksRights) this.#options.onWaiting(entry)
    else this.#options.onHeld(entry, reply)
  }

  #release(hold: Hold): void {
    this.#end(hold)
    const writes = hold.slices.size
    hold.stream.release(this.#takeAll(hold))
    if (hold.isLogged) this.#options.messages.holdEnded(hold.target, writes)
    this.#options.wake(hold.stream)
  }

  #end(hold: Hold): void {
    hold.timer?.cancel()
    this.#holds.delete(hold.key)
  }

  #scheduleProbe(hold: Hold): void {
    if (hold.slices.size === 0) return this.#end(hold)
    const { clock, delayMaxMs, random } = this.#options
    const { failures } = hold
    hold.timer?.cancel()
    const delayMs = backoffMs({ failures, delayMaxMs, retryAfterMs: undefined, random: random() })
    hold.timer = clock.startTimer(delayMs, () => this.#probe(hold), { isBackground: true })
  }

  #probe(hold: Hold): void {
    const { clock, graceMs, messages, wake } = this.#options
    const nowMs = clock.monotonicMs()
    const isOver = ({ appendedAtMs }: Entry) =>
      nowMs - appendedAtMs >= graceMs && !this.#isAwaited(hold)
    this.#expire(hold, isOver, 'missing-db-grace is over')
    const entry = firstKey(hold.slices)
    if (entry === undefined) return this.#end(hold)
    // Logged only now: a write that every output refuses was finished before its first probe.
    if (!hold.isLogged) messages.holdBegan(hold, graceMs)
    hold.isLogged = true
    // All slices of the entry: while one of them is out, the entry is not on hold.
    for (const slice of this.#take(hold, entry)) {
      hold.probe = slice.delivery
      hold.stream.append(new Batch([slice]))
    }
    wake(hold.stream)
  }

  /** Whether a statement that may end the hold is owed, or may be. */
  #isAwaited({ stream }: Hold): boolean {
    return stream.statementCount > 0 || this.#options.searchesStatements()
  }

  #bound(hold: Hold): void {
    const isOver = () => this.#bytes > this.#options.boundBytes && !this.#isAwaited(hold)
    this.#expire(hold, isOver, 'the bound of held writes is reached')
  }

  /** Refuses the oldest writes of the hold for as long as `isOver` says so. */
  #expire(hold: Hold, isOver: (entry: Entry) => boolean, why: string): void {
    for (const entry of hold.slices.keys()) {
      if (!isOver(entry)) return
      this.#options.messages.holdExpired(entry, why)
      this.#refuse(hold, this.#take(hold, entry))
    }
  }

  #refuse({ stream, reply }: Hold, slices: readonly Slice[]): void {
    for (const { delivery, write } of slices) {
      delivery.refuse(write.lineCount, reply, write.body)
      this.#options.finish(stream, delivery)
    }
  }

  #add(hold: Hold, slice: Slice): void {
    const { entry } = slice.delivery
    const slices = hold.slices.get(entry)
    if (slices !== undefined) return void slices.push(slice)
    hold.slices.set(entry, [slice])
    this.#count(hold, entry, 1)
  }

  /** Removes all slices of the entry; none when it is not on hold. */
  #take(hold: Hold, entry: Entry): readonly Slice[] {
    const slices = hold.slices.get(entry)
    if (slices === undefined) return []
    hold.slices.delete(entry)
    this.#count(hold, entry, -1)
    return slices
  }

  #takeAll(hold: Hold): readonly Slice[] {
    return [...hold.slices.keys()].flatMap((entry) => this.#take(hold, entry))
  }

  #count({ stream, lacksRights }: Hold, entry: Entry, sign: 1 | -1): void {
    if (!lacksRights) entry.heldCount += sign
    this.#writes += sign
    this.#bytes += sign * entry.bytes
    stream.noteHold(entry, sign > 0)
  }
}

function firstKey<K>(map: ReadonlyMap<K, unknown>): K | undefined {
  return map.keys().next().value
}

/** The length in front keeps the policy's name apart from the database's: keys are unique. */
function keyOf({ database, retentionPolicy }: WriteTarget): string {
  return `${retentionPolicy.length}:${retentionPolicy}${database}`
}
