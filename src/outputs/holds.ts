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
 *
 * Limits: HOLDS_MAX holds; `boundBytes` of writes in all, beyond which the oldest of the hold that
 * grows are refused; each write at the longest `graceMs`.
 */

import type { Entry } from '../log/entry.ts'
import { backoffMs } from '../std/backoff.ts'
import type { Clock, Timer } from '../std/clock.ts'
import type { Reply } from '../write/reply.ts'
import type { WriteTarget } from '../write/write.ts'
import type { OutputLog } from './output-log.ts'
import { Group, type Part, type Taken } from './part.ts'
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
  /** In the order of the log; without the probe. */
  parts: Part[]
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

  /** The oldest entry of every hold. */
  *oldest(): Generator<Entry> {
    for (const { parts, probe } of this.#holds.values()) {
      const taken = probe ?? parts[0]?.taken
      if (taken !== undefined) yield taken.entry
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
    const swept = stream.sweep(({ kind, target }) => kind !== 'statement' && keyOf(target) === key)
    hold.probe = undefined
    hold.failures++
    hold.parts = [...swept, ...hold.parts]
    for (const part of swept) this.#count(hold, part, 1)
    for (const { taken } of swept) this.#tell(hold, taken.entry)
    this.#bound(hold)
    this.#scheduleProbe(hold)
    return true
  }

  /** Puts a part on hold that was just taken, if its target is. @returns whether it is */
  join(part: Part): boolean {
    if (this.#holds.size === 0 || part.write.kind === 'statement') return false
    const hold = this.#holds.get(keyOf(part.write.target))
    if (hold === undefined) return false
    hold.parts.push(part)
    this.#count(hold, part, 1)
    this.#tell(hold, part.taken.entry)
    this.#bound(hold)
    return true
  }

  /** The group was answered, with anything but "not found": if it was a probe, its hold is over. */
  noteAnswer(group: Group): void {
    if (this.#holds.size === 0) return
    const hold = this.#holds.get(keyOf(group.target))
    if (hold?.probe !== undefined && hold.probe === group.parts[0]?.taken) this.#release(hold)
  }

  /** The entry is settled here: if it was a probe, and never answered, another one has to go. */
  noteSettled(entry: Entry): void {
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
    for (let held = this.#take(entry); held !== undefined; held = this.#take(entry)) {
      const { target, lineCount } = held.part.write
      this.#options.log.refused({ target, lineCount, reply: held.hold.reply })
      this.#refuse(held.hold, held.part)
    }
  }

  /** Takes an entry out that need not be delivered any more. */
  drop(entry: Entry): Part | undefined {
    return this.#take(entry)?.part
  }

  /** Gives up what is on hold with a smaller number: the log on disk needs its room. */
  giveUpBelow(sequence: number): void {
    for (const hold of [...this.#holds.values()]) {
      for (let part = hold.parts[0]; part !== undefined; part = hold.parts[0]) {
        if (part.taken.entry.sequence >= sequence) break
        this.#options.log.holdGaveUp(part.taken.entry, 'the log on disk is full')
        this.#giveUpOldest(hold)
      }
      if (hold.parts.length === 0 && hold.probe === undefined) this.#end(hold)
    }
  }

  /** Takes everything out, at the end of the process. */
  abandon(settle: (stream: StreamDrain, part: Part) => void): void {
    for (const hold of [...this.#holds.values()]) {
      this.#end(hold)
      for (const part of hold.parts.splice(0)) {
        this.#count(hold, part, -1)
        settle(hold.stream, part)
      }
    }
  }

  #tell({ reply, isOurs }: Hold, entry: Entry): void {
    if (isOurs) this.#options.onWaiting(entry)
    else this.#options.onHeld(entry, reply)
  }

  #release(hold: Hold): void {
    this.#end(hold)
    const parts = hold.parts.splice(0)
    for (const part of parts) this.#count(hold, part, -1)
    hold.stream.release(parts)
    if (hold.isTold) this.#options.log.holdEnded(hold.target, parts.length)
    this.#options.wake(hold.stream)
  }

  #end(hold: Hold): void {
    hold.timer?.cancel()
    this.#holds.delete(hold.key)
  }

  #scheduleProbe(hold: Hold): void {
    if (hold.parts.length === 0) return this.#end(hold)
    const { clock, delayMaxMs, random } = this.#options
    const { failures } = hold
    hold.timer?.cancel()
    const delayMs = backoffMs({ failures, delayMaxMs, retryAfterMs: undefined, random: random() })
    hold.timer = clock.startTimer(delayMs, () => this.#probe(hold), { isBackground: true })
  }

  #probe(hold: Hold): void {
    const { clock, graceMs, log, wake } = this.#options
    const nowMs = clock.monotonicMs()
    for (let part = hold.parts[0]; part !== undefined; part = hold.parts[0]) {
      if (nowMs - part.taken.entry.appendedAtMs < graceMs) break
      log.holdGaveUp(part.taken.entry, 'missing-db-grace is over')
      this.#giveUpOldest(hold)
    }
    const [part] = hold.parts
    if (part === undefined) return this.#end(hold)
    // Said only now: what every output refuses has been finished long before.
    if (!hold.isTold) log.holdBegan(part.write.target, hold.reply, graceMs)
    hold.isTold = true
    hold.probe = part.taken
    // All of the write, if it was taken apart: while a part of it is out, it is not on hold.
    const isProbe = ({ taken }: Part) => taken === part.taken
    const parts = hold.parts.filter(isProbe)
    hold.parts = hold.parts.filter((each) => !isProbe(each))
    for (const each of parts) this.#count(hold, each, -1)
    hold.stream.groups.push(...parts.map((each) => new Group([each])))
    wake(hold.stream)
  }

  #bound(hold: Hold): void {
    while (this.#bytes > this.#options.boundBytes && hold.parts[0] !== undefined) {
      this.#options.log.holdGaveUp(
        hold.parts[0].taken.entry,
        'the bound of what is held is reached',
      )
      this.#giveUpOldest(hold)
    }
  }

  #giveUpOldest(hold: Hold): void {
    const part = hold.parts.shift()
    if (part === undefined) return
    this.#count(hold, part, -1)
    this.#refuse(hold, part)
  }

  #refuse({ stream, reply }: Hold, { taken, write }: Part): void {
    taken.refuse(write.lineCount, reply, [write.body])
    this.#options.finish(stream, taken)
  }

  #take(entry: Entry): { readonly hold: Hold; readonly part: Part } | undefined {
    const hold = this.#holds.get(keyOf(entry.write.target))
    if (hold === undefined) return undefined
    const index = hold.parts.findIndex(({ taken }) => taken.entry === entry)
    const [part] = index < 0 ? [] : hold.parts.splice(index, 1)
    if (part === undefined) return undefined
    this.#count(hold, part, -1)
    if (hold.parts.length === 0 && hold.probe === undefined) this.#end(hold)
    return { hold, part }
  }

  /** Counts an entry once, however many parts it is in. */
  #count({ stream, isOurs }: Hold, { taken }: Part, sign: 1 | -1): void {
    const before = taken.heldPartCount
    taken.heldPartCount += sign
    if (before > 0 && taken.heldPartCount > 0) return
    const { bytes } = taken.entry
    if (!isOurs) taken.entry.heldCount += sign
    this.#writes += sign
    this.#bytes += sign * bytes
    stream.waitingBytes -= sign * bytes
  }
}

function openHold(
  key: string,
  stream: StreamDrain,
  target: WriteTarget,
  why: Pick<Hold, 'reply' | 'isOurs'>,
): Hold {
  const idle = { parts: [], probe: undefined, failures: 0, timer: undefined, isTold: false }
  return { key, stream, target, ...why, ...idle }
}

/** A retention policy's name and its length keep database names from running into it. */
function keyOf({ database, retentionPolicy }: WriteTarget): string {
  return `${retentionPolicy.length}:${retentionPolicy}${database}`
}
