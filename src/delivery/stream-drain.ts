/**
 * An output's cursor in one stream: what is out in a request, and from where to read on.
 *
 *     settled │ groups: taken, not settled │ released │ not yet read …
 *             │  [ e4 e5 e6 ] [ e7 ]       │ e2 e3    │  e8  e9
 *                                                     └ sources
 *
 * Neighbours of one target are taken together up to `batchMaxBytes`; a larger write goes alone.
 * What was taken stays in `groups` until it is settled, over as many attempts as that needs, so
 * order is kept by construction. `released` are parts that were on hold: they go before anything
 * that has not been read, and nothing of their retention policy has overtaken them.
 *
 * What has not been read stands in the memory log, or in what was read from the disk for this
 * output alone, or first in the one and then in the other: its sources.
 *
 * Invariant: every taken entry has a number up to `takenThrough`, and they are in order. All others
 * up to there are settled, or were given back to be read again.
 */

import type { Entry } from '../log/entry.ts'
import type { StreamLog } from '../log/stream-log.ts'
import type { Timer } from '../std/clock.ts'
import type { Write } from '../write/write.ts'
import type { Pace } from './pace.ts'
import { Group, type Part, Taken } from './part.ts'

export interface TakeOptions {
  readonly batchMaxBytes: number
  /** Monotonic milliseconds. */
  readonly nowMs: number
  /** An entry as this output sends it; `undefined` when it does not, or not now. */
  readonly view: (entry: Entry) => Part | undefined
}

/** A part of a log that is read from `next` on. */
interface Source {
  readonly log: StreamLog
  next: number
}

export class StreamDrain {
  readonly database: string
  readonly pace: Pace
  /** In order; the first is what the next attempt carries. */
  readonly groups: Group[] = []
  /** Candidates for poison, set aside in order while what follows them is tried (poison.ts). */
  readonly setAside: Group[] = []
  /** Number of the last entry that was taken, or passed over. */
  takenThrough: number
  /** A request is out, or its answer is being dealt with. */
  isBusy = false
  /** Attempts that have failed in a row. */
  failures = 0
  /** The last attempt failed on it, as it would on poison; nothing was accepted since. */
  lastSuspect: Group | undefined
  /** Runs while the stream waits for its next attempt. */
  retryTimer: Timer | undefined
  /** Runs while the stream waits for clients to come back (pace.ts). */
  gatherTimer: Timer | undefined
  /** Writes that this output still owes here, on hold or not. */
  pendingCount = 0
  /** Of those, the statements. */
  statementCount = 0
  /** Bytes of those that are not on hold. */
  waitingBytes = 0
  /**
   * Attempts fail, or what they left waiting is still being worked off: no client waits for this.
   */
  isBehind = false
  /** Where to read on, one after the other; the first is read now. */
  readonly #sources: Source[] = []
  /** Numbers up to `takenThrough` that are not here any more, and not settled. */
  readonly #givenBack = new Set<number>()
  #released: Part[] = []
  /** Index of the first in `#released` that was not taken again. */
  #releasedAt = 0

  /** @param takenThrough all with a number up to it were settled before */
  constructor(database: string, pace: Pace, takenThrough: number) {
    this.database = database
    this.pace = pace
    this.takenThrough = takenThrough
  }

  /** An entry was appended to `log` that is to be read after everything else. */
  follow(log: StreamLog, entry: Entry): void {
    if (this.#sources.at(-1)?.log !== log) this.#sources.push({ log, next: entry.position })
    this.#givenBack.delete(entry.sequence)
  }

  /** Of a number that is not settled here: the entry was taken, and is not to be read again. */
  hasTaken(sequence: number): boolean {
    return sequence <= this.takenThrough && !this.#givenBack.has(sequence)
  }

  /**
   * Gives up all that has not been taken, to be read again from elsewhere.
   *
   * @param isAll also what was taken, unless it is under way
   * @returns the entries, oldest first
   */
  unread(isAll: boolean): Entry[] {
    const { takenThrough } = this
    const entries = new Set<Entry>()
    if (isAll && !this.isBusy) {
      this.restoreSetAside()
      for (const { taken } of this.sweep(() => true)) entries.add(taken.entry)
    }
    for (let entry = this.peek(); entry !== undefined; entry = this.peek()) {
      entries.add(entry)
      this.pass(entry)
    }
    this.takenThrough = takenThrough
    this.#sources.length = 0
    for (const { sequence } of entries) if (sequence <= takenThrough) this.#givenBack.add(sequence)
    return [...entries]
  }

  /** The oldest entry that has not been taken. */
  peek(): Entry | undefined {
    for (let source = this.#sources[0]; source !== undefined; source = this.#sources[0]) {
      const { log } = source
      while (source.next < log.end) {
        const entry = log.at(source.next)
        if (entry !== undefined) return entry
        source.next++
      }
      if (this.#sources.length === 1) return undefined
      this.#sources.shift()
    }
    return undefined
  }

  /** Leaves out the entry that `peek` has given. */
  pass(entry: Entry): void {
    this.takenThrough = Math.max(this.takenThrough, entry.sequence)
    const [source] = this.#sources
    if (source !== undefined) source.next++
  }

  /** All that has not been taken, oldest first. */
  *waiting(): Generator<Entry> {
    for (const { log, next } of this.#sources) {
      for (let position = next; position < log.end; position++) {
        const entry = log.at(position)
        if (entry !== undefined) yield entry
      }
    }
  }

  /** Something besides the first group could be sent. */
  get hasMore(): boolean {
    return this.groups.length > 1 || this.#peekReleased() !== undefined || this.peek() !== undefined
  }

  /**
   * All that is left here makes the server fail: only another write can tell which is to blame.
   *
   * @param newest appended just now, and not yet told of
   */
  awaitsSuccessor(newest?: Entry): boolean {
    const hasCandidate = this.groups.length + this.setAside.length > 0
    if (!hasCandidate || !this.groups.every(({ isCandidate }) => isCandidate)) return false
    return this.#peekReleased() === undefined && this.peek() === newest
  }

  /** The oldest entry that is not on hold. */
  get oldest(): Entry | undefined {
    const part = this.setAside[0]?.parts[0] ?? this.groups[0]?.parts[0] ?? this.#peekReleased()
    return part?.taken.entry ?? this.peek()
  }

  /** How long a write that is appended now would wait here, as far as one knows. */
  expectedWaitMs(nowMs: number): number {
    if (this.awaitsSuccessor()) return 0
    const oldestMs = nowMs - (this.oldest?.appendedAtMs ?? nowMs)
    return this.pace.expectedWaitMs(nowMs, { bytes: this.waitingBytes, oldestMs })
  }

  /** Appends a group: the first entry that waits, and its neighbours that may be merged with it. */
  take({ batchMaxBytes, nowMs, view }: TakeOptions): void {
    const parts: Part[] = []
    let bytes = 0
    for (let write = this.#peekWrite(); write !== undefined; write = this.#peekWrite()) {
      const first = parts[0]
      if (first !== undefined) {
        if (!isMergeable(first.write, write, nowMs)) break
        if (bytes + write.body.length > batchMaxBytes) break
      }
      const part = this.#shift(view)
      if (part === undefined) continue
      bytes += part.write.body.length
      parts.push(part)
    }
    if (parts.length > 0) this.groups.push(new Group(parts))
  }

  /**
   * Takes the statements that would be read next, so that what follows them may be given up.
   *
   * @param newest appended just now, and not offered yet
   */
  takeStatements(newest: Entry): void {
    for (let entry = this.peek(); entry !== undefined; entry = this.peek()) {
      if (entry === newest || entry.write.kind !== 'statement') return
      this.pass(entry)
      this.release([{ taken: new Taken(entry, 0), write: entry.write }])
    }
  }

  /** Parts that were on hold go next, in the order of the log. */
  release(parts: readonly Part[]): void {
    // Of two holds, `''` and `autogen` may be one storage.
    const released = this.#released.slice(this.#releasedAt).concat(parts)
    this.#released = released.sort((a, b) => a.taken.entry.sequence - b.taken.entry.sequence)
    this.#releasedAt = 0
  }

  /** Takes out whatever was taken and goes to that target, in order. */
  sweep(fits: (write: Write) => boolean): Part[] {
    let swept: Part[] = []
    for (const group of this.groups.splice(0)) {
      // Not spread into a call: a group may have more parts than a call takes arguments.
      if (group.parts.some(({ write }) => fits(write))) swept = swept.concat(group.parts)
      else this.groups.push(group)
    }
    const released = this.#released.slice(this.#releasedAt)
    this.#released = released.filter(({ write }) => !fits(write))
    this.#releasedAt = 0
    return swept.concat(released.filter(({ write }) => fits(write)))
  }

  /**
   * Takes out one entry's part, if it stands here. Only for entries that were never taken apart.
   */
  drop(entry: Entry): Part | undefined {
    const isIts = ({ taken }: Part) => taken.entry === entry
    const index = this.#released.findIndex((part, at) => at >= this.#releasedAt && isIts(part))
    if (index >= 0) return this.#released.splice(index, 1)[0]
    for (const [at, group] of this.groups.entries()) {
      const part = group.parts.find(isIts)
      if (part === undefined) continue
      const others = group.parts.filter((each) => each !== part)
      this.groups.splice(at, 1, ...(others.length === 0 ? [] : [new Group(others)]))
      return part
    }
    return undefined
  }

  /** Every candidate comes back to its place. */
  restoreSetAside(): void {
    this.groups.unshift(...this.setAside.splice(0))
  }

  #peekReleased(): Part | undefined {
    return this.#released[this.#releasedAt]
  }

  #peekWrite(): Write | undefined {
    return this.#peekReleased()?.write ?? this.peek()?.write
  }

  #shift(view: (entry: Entry) => Part | undefined): Part | undefined {
    const released = this.#peekReleased()
    if (released !== undefined) {
      this.#releasedAt++
      return released
    }
    const entry = this.peek()
    if (entry === undefined) return undefined
    this.pass(entry)
    return view(entry)
  }
}

function isMergeable(first: Write, second: Write, nowMs: number): boolean {
  if (first.kind !== 'lines' || second.kind !== 'lines') return false
  if (first.target !== second.target && first.target.key !== second.target.key) return false
  if (first.client === second.client) return true
  return !(first.client?.isAlone(nowMs) || second.client?.isAlone(nowMs))
}
