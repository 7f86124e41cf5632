/**
 * Poison: data that makes a server fail, whatever else that server accepts. It is found, proven and
 * rejected here.
 *
 *     stream  [ p ] [ q ] [ c ] …    p and q are candidates: single lines that failed often enough
 *
 *     One pass sends p, q, c in the order of the log, each alone, without a wait in between:
 *       p fails             ──▶ p is set aside, q goes next
 *       q is stored         ──▶ q is set aside behind p: it must not be final before p is
 *       c is stored         ──▶ the pass is complete: p has failed once more; the next pass begins
 *       c fails, or the server dies by itself ──▶ the server is at fault: the count begins anew
 *
 * A candidate is rejected once it has failed in PASSES_MIN complete passes in a row. One that is
 * stored is delivered as soon as nothing before it is undecided. So a server that merely recovers
 * costs no line: when it is well, its candidates are stored in the next pass.
 *
 * Promise: nothing that was sent in a pass is final while something before it may still be stored;
 * nothing newer than the pass's last request is sent before all of it is final.
 *
 * A candidate under which the connection died is sent while nothing else is in flight at this
 * output (`needsQuiet`): otherwise one database's poison would put the blame on another's lines.
 *
 * Limits: CANDIDATES_MAX candidates in one pass, as when a client repeats its poison; beyond them
 * the stream waits and tries again. Without anything behind the candidates they wait as well.
 */

import type { Backlog } from './backlog.ts'
import { type Group, storeAll, type Taken } from './part.ts'
import type { Refusals } from './rejected-lines.ts'
import type { StreamDrain } from './stream-drain.ts'

const CANDIDATES_MAX = 16
/**
 * Passes in which a candidate must fail. A server that fails at random fails on a good line in one
 * pass, and rarely in several in a row.
 */
const PASSES_MIN = 3

export interface PoisonTrialsOptions {
  readonly backlog: Backlog
  readonly refusals: Refusals
  /** One part of a taken entry is done. */
  readonly finish: (stream: StreamDrain, taken: Taken) => void
}

export class PoisonTrials {
  readonly #options: PoisonTrialsOptions

  constructor(options: PoisonTrialsOptions) {
    this.#options = options
  }

  /**
   * The stream's first group has failed: sets it aside if it is a candidate, so that its successor
   * is tried at once.
   *
   * @returns whether it was set aside
   */
  setAside(stream: StreamDrain, group: Group): boolean {
    const isAtEnd = stream.setAside.length >= CANDIDATES_MAX || !stream.hasMore
    if (!group.isCandidate || isAtEnd) return false
    stream.groups.shift()
    group.isStoredInPass = false
    stream.setAside.push(group)
    return true
  }

  /**
   * Replaces the stream's first group, which fails again and again, by its halves.
   *
   * @returns whether it can be halved
   */
  narrow(stream: StreamDrain, group: Group): boolean {
    const halves = group.halves('line', { isSuspect: true })
    if (halves === undefined) return false
    this.#options.backlog.counters.splitBatches++
    stream.groups.splice(0, 1, ...halves)
    return true
  }

  /**
   * The stream's first group was stored. Behind candidates it is not final.
   *
   * @returns whether it is kept, to be sent again
   */
  keeps(stream: StreamDrain, group: Group): boolean {
    // That a server takes a statement does not say that it takes writes.
    if (stream.setAside.length === 0 || group.parts[0]?.write.kind === 'statement') return false
    if (group.isCandidate) {
      stream.groups.shift()
      group.isStoredInPass = true
      group.failedPasses = 0
      stream.setAside.push(group)
      return true
    }
    this.#completePass(stream)
    return stream.groups[0] !== group
  }

  /** The server may be at fault: every candidate goes back, and its count begins anew. */
  breakOff(stream: StreamDrain): void {
    stream.restoreSetAside()
    for (const group of stream.groups) group.failedPasses = 0
  }

  /** Whether nothing else may be in flight at this output while the group is sent. */
  needsQuiet(group: Group): boolean {
    return group.failedPasses > 0 && group.wasReset
  }

  /** A write behind the candidates was stored: decides as many of them as can be decided. */
  #completePass(stream: StreamDrain): void {
    const undecided: Group[] = []
    for (const group of stream.setAside.splice(0)) {
      if (!group.isStoredInPass) group.failedPasses++
      if (group.isStoredInPass && undecided.length === 0) this.#deliver(stream, group)
      else if (group.failedPasses >= PASSES_MIN) this.#options.refusals.poison(stream, group)
      else undecided.push(group)
    }
    stream.groups.unshift(...undecided)
  }

  #deliver(stream: StreamDrain, group: Group): void {
    storeAll(group)
    for (const { taken } of group.parts) this.#options.finish(stream, taken)
  }
}
