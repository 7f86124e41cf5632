/**
 * Writes to a database or retention policy that is missing at this output, or that its own user may
 * not write to, kept until that is mended.
 *
 *     stream  ── answered "not found" ──▶ hold ── probe answered, CREATE DATABASE ──▶ stream
 *                                           └── grace over, bound reached ──▶ refused
 *
 * One hold for each (database, retention policy); the rest of the stream goes on. A write stays on
 * hold while another output has stored it, or still may: once all that owe it refuse it, it is
 * finished everywhere, because then it is the write that is wrong (`Entry.heldCount`). What joins
 * a hold without having been sent is refused in the hold's words.
 *
 * The oldest write probes, alone, with backoff. What is released goes in the order of the log.
 * While a statement of the stream is still owed, which may be what ends the hold, what is on hold
 * is backlog like everything else, and has no bound of its own.
 *
 * Limits: HOLDS_MAX holds; `boundBytes` of writes in all, beyond which the oldest of the hold that
 * grows are refused; each write at the longest `graceMs`.
 */

import type { Entry } from '../log/entry.ts'
import { backoffMs } from '../std/backoff.ts'
import type { Clock, Timer } from '../std/clock.ts'
import type { Reply } from '../write/reply.ts'
import type { Write, WriteTarget } from '../write/write.ts'
import { Group, type Part, type Taken } from './part.ts'
import type { OutputLog } from './reporting/output-messages.ts'
import type { StreamDrain } from './stream-drain.ts'

const HOLDS_MAX = 256

export interface HoldsOptions {
  readonly log: OutputLog
  readonly clock: Clock
  readonly random: () => number
  readonly delayMaxMs: number
  readonly graceMs: number
  readonly boundBytes: number
  /** One part of a taken entry is done. */
  readonly finish: (stream: StreamDrain, taken: Taken) => void
  /** This output's word on an entry is no for now. It may be settled here before this returns. */
  readonly onHeld: (entry: Entry, reply: Reply) => void
  /** It will not have the entry soon, and that is nothing that its client could mend. */
  readonly onWaiting: (entry: Entry) => void
  /** A stream has something to send. */
  readonly wake: (stream: StreamDrain) => void
}

interface Hold {
  readonly key: string
  readonly stream: StreamDrain
  readonly target: WriteTarget
  /** The answer that began it. */
  readonly reply: Reply
  /** The output's own user has no rights there: nobody else's refusal makes the write wrong. */
  readonly isOurs: boolean
  /** By the entry that they are of, in the order of the log; without the probe. */
  readonly parts: Map<Entry, Part[]>
  /** Sent to see whether it is still needed, in however many parts. */
  probe: Taken | undefined
  failures: number
  timer: Timer | undefined
  /** The operator knows of it. */
  isTold: boolean
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
    for (const { parts, probe } of this.#holds.values()) {
      const entry = probe?.entry ?? firstKey(parts)
      if (entry !== undefined) yield entry
    }
  }

  /**
   * Puts the stream's first group on hold, and with it whatever else was taken for its target.
   *
   * @returns whether there was room for a hold; else nothing has changed. Never for a statement:
   *   it may be what ends the hold
   */
  begin(stream: StreamDrain, group: Group, why: Pick<Hold, 'reply' | 'isOurs'>): boolean {
    if (group.parts[0]?.write.kind === 'statement') return false
    const key = keyOf(group.target)
    let hold = this.#holds.get(key)
    if (hold === undefined) {
      if (this.#holds.size >= HOLDS_MAX) return false
      hold = openHold(key, stream, group.target, why)
      this.#holds.set(key, hold)
    }
    hold.failures++
    for (const { taken } of this.#sweep(hold)) this.#tell(hold, taken.entry)
    this.#bound(hold)
    this.#scheduleProbe(hold)
    return true
  }

  /** Puts a part on hold that was just taken, if its target is. @returns whether it is */
  join(part: Part): boolean {
    if (this.#holds.size === 0 || part.write.kind === 'statement') return false
    const hold = this.#holds.get(keyOf(part.write.target))
    if (hold === undefined) return false
    this.#add(hold, part)
    this.#tell(hold, part.taken.entry)
    this.#bound(hold)
    return true
  }

  /** The group was answered, with anything but "not found": if it was a probe, its hold is over. */
  noteAnswer(group: Group): void {
    if (this.#holds.size === 0) return
    const hold = this.#holds.get(keyOf(group.target))
    const isProbe = hold?.probe !== undefined && hold.probe === group.parts[0]?.taken
    // All of its stream, in one order: if only this one's policy was missing, the others come back.
    if (isProbe) this.releaseStream(hold.stream)
  }

  /** The entry is settled here: if it was a probe, and never answered, another one has to go. */
  noteSettled(entry: Entry): void {
    if (this.#holds.size === 0) return
    if (entry.write.kind === 'statement') this.#boundAll()
    const hold = this.#holds.get(keyOf(entry.write.target))
    if (hold?.probe?.entry !== entry) return
    hold.probe = undefined
    this.#scheduleProbe(hold)
  }

  /** The database was created: whatever waits for it goes. */
  releaseStream(stream: StreamDrain): void {
    for (const hold of [...this.#holds.values()]) {
      if (hold.stream === stream) this.#release(hold)
    }
  }

  /** All outputs that owe the entry miss its database: it is refused here, if it is on hold. */
  finish(entry: Entry): void {
    const hold = this.#holds.get(keyOf(entry.write.target))
    if (hold === undefined) return
    const parts = this.#take(hold, entry)
    if (parts.length === 0) return
    if (hold.parts.size === 0 && hold.probe === undefined) this.#end(hold)
    const { target, lineCount } = entry.write
    this.#options.log.refused({ target, lineCount, reply: hold.reply })
    this.#refuse(hold, parts)
  }

  /** Takes an entry out that need not be delivered any more, and was never taken apart. */
  drop(entry: Entry): Part | undefined {
    const hold = this.#holds.get(keyOf(entry.write.target))
    if (hold === undefined) return undefined
    const [part] = this.#take(hold, entry)
    if (hold.parts.size === 0 && hold.probe === undefined) this.#end(hold)
    return part
  }

  /** Probes that are not under way go back to their holds: their streams are being emptied. */
  recallProbes(): void {
    for (const hold of this.#holds.values()) this.#recallProbe(hold)
  }

  /** Gives up what is on hold with a smaller number: the log on disk needs its room. */
  giveUpBelow(sequence: number): void {
    for (const hold of [...this.#holds.values()]) {
      if ((hold.probe?.entry.sequence ?? sequence) < sequence) this.#recallProbe(hold)
      for (const entry of hold.parts.keys()) {
        if (entry.sequence >= sequence) break
        this.#giveUp(hold, entry, 'the log on disk is full')
      }
      if (hold.parts.size === 0 && hold.probe === undefined) this.#end(hold)
    }
  }

  /** Takes everything out, at the end of the process. */
  abandon(settle: (stream: StreamDrain, part: Part) => void): void {
    for (const hold of [...this.#holds.values()]) {
      this.#end(hold)
      for (const part of this.#takeAll(hold)) settle(hold.stream, part)
    }
  }

  /** Puts whatever was taken for its target on hold. @returns that */
  #sweep(hold: Hold): readonly Part[] {
    const isIts = ({ kind, target }: Write) => kind !== 'statement' && keyOf(target) === hold.key
    const swept = hold.stream.sweep(isIts)
    hold.probe = undefined
    const later = this.#takeAll(hold)
    for (const part of swept) this.#add(hold, part)
    for (const part of later) this.#add(hold, part)
    return swept
  }

  #recallProbe(hold: Hold): void {
    const { probe, stream } = hold
    if (probe === undefined || stream.isBusy) return
    stream.restoreSetAside()
    this.#sweep(hold)
    this.#scheduleProbe(hold)
  }

  #tell({ reply, isOurs }: Hold, entry: Entry): void {
    if (isOurs) this.#options.onWaiting(entry)
    else this.#options.onHeld(entry, reply)
  }

  #release(hold: Hold): void {
    this.#end(hold)
    const writes = hold.parts.size
    hold.stream.release(this.#takeAll(hold))
    if (hold.isTold) this.#options.log.holdEnded(hold.target, writes)
    this.#options.wake(hold.stream)
  }

  #end(hold: Hold): void {
    hold.timer?.cancel()
    this.#holds.delete(hold.key)
  }

  #scheduleProbe(hold: Hold): void {
    if (hold.parts.size === 0) return this.#end(hold)
    const { clock, delayMaxMs, random } = this.#options
    const { failures } = hold
    hold.timer?.cancel()
    const delayMs = backoffMs({ failures, delayMaxMs, retryAfterMs: undefined, random: random() })
    hold.timer = clock.startTimer(delayMs, () => this.#probe(hold), { isBackground: true })
  }

  #probe(hold: Hold): void {
    const { clock, graceMs, log, wake } = this.#options
    const nowMs = clock.monotonicMs()
    for (const entry of hold.parts.keys()) {
      if (nowMs - entry.appendedAtMs < graceMs) break
      this.#giveUp(hold, entry, 'missing-db-grace is over')
    }
    const entry = firstKey(hold.parts)
    if (entry === undefined) return this.#end(hold)
    // Said only now: what every output refuses has been finished long before.
    if (!hold.isTold) log.holdBegan(hold, graceMs)
    hold.isTold = true
    // All of it, if it was taken apart: while a part of it is out, it is not on hold.
    for (const part of this.#take(hold, entry)) {
      hold.probe = part.taken
      hold.stream.groups.push(new Group([part]))
    }
    wake(hold.stream)
  }

  /** A statement has been settled, and may have ended no hold. */
  #boundAll(): void {
    for (const hold of [...this.#holds.values()]) this.#bound(hold)
  }

  #bound(hold: Hold): void {
    if (hold.stream.statementCount > 0) return
    for (const entry of hold.parts.keys()) {
      if (this.#bytes <= this.#options.boundBytes) return
      this.#giveUp(hold, entry, 'the bound of what is held is reached')
    }
  }

  #giveUp(hold: Hold, entry: Entry, why: string): void {
    this.#options.log.holdGaveUp(entry, why)
    this.#refuse(hold, this.#take(hold, entry))
  }

  #refuse({ stream, reply }: Hold, parts: readonly Part[]): void {
    for (const { taken, write } of parts) {
      taken.refuse(write.lineCount, reply, write.body)
      this.#options.finish(stream, taken)
    }
  }

  #add(hold: Hold, part: Part): void {
    const { entry } = part.taken
    const parts = hold.parts.get(entry)
    if (parts !== undefined) return void parts.push(part)
    hold.parts.set(entry, [part])
    this.#count(hold, entry, 1)
  }

  /** All parts of the entry; none when it is not on hold. */
  #take(hold: Hold, entry: Entry): readonly Part[] {
    const parts = hold.parts.get(entry)
    if (parts === undefined) return []
    hold.parts.delete(entry)
    this.#count(hold, entry, -1)
    return parts
  }

  #takeAll(hold: Hold): readonly Part[] {
    return [...hold.parts.keys()].flatMap((entry) => this.#take(hold, entry))
  }

  #count({ stream, isOurs }: Hold, entry: Entry, sign: 1 | -1): void {
    if (!isOurs) entry.heldCount += sign
    this.#writes += sign
    this.#bytes += sign * entry.bytes
    stream.waitingBytes -= sign * entry.bytes
  }
}

function firstKey<K>(map: ReadonlyMap<K, unknown>): K | undefined {
  return map.keys().next().value
}

function openHold(
  key: string,
  stream: StreamDrain,
  target: WriteTarget,
  why: Pick<Hold, 'reply' | 'isOurs'>,
): Hold {
  const idle = { probe: undefined, failures: 0, timer: undefined, isTold: false }
  return { key, stream, target, ...why, parts: new Map(), ...idle }
}

/** A retention policy's name and its length keep database names from running into it. */
function keyOf({ database, retentionPolicy }: WriteTarget): string {
  return `${retentionPolicy.length}:${retentionPolicy}${database}`
}
