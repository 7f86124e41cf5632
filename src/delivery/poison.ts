/**
 * Poison: data that makes a server fail although the server accepts other data. This module finds
 * poison, proves it, and rejects it.
 *
 *     stream  [ p ] [ q ] [ c ] …    p and q are candidates: single lines that failed often enough
 *
 *     One pass sends p, q, c in the order of the log, each alone, without a wait in between:
 *       p fails             ──▶ p is set aside, q goes next
 *       q is stored         ──▶ q is set aside behind p: q must not be final before p is
 *       c is stored         ──▶ the pass is complete: p has failed once more; the next pass begins
 *       c fails, or the server dies by itself ──▶ the server is at fault: the count restarts
 *
 * A candidate is rejected once it has failed in PASSES_MIN complete passes in a row. A stored
 * candidate is delivered as soon as no earlier candidate is undecided. So a server that was only
 * recovering costs no line: once it is healthy, the next pass stores its candidates.
 *
 * Promise: nothing that was sent in a pass is final while an earlier candidate may still be stored.
 * Nothing newer than the last request of the pass is sent before the whole pass is final.
 *
 * A candidate during which the connection died is sent while nothing else is in flight at this
 * output (`needsQuiet`): otherwise poison in one database would put the blame on lines of another.
 *
 * Limits: CANDIDATES_MAX candidates in one pass, as when a client repeats its poison; beyond that
 * the stream backs off and retries. Candidates with no write behind them wait as well.
 */

import type { Backlog } from './backlog.ts'
import { type Group, storeAll, type Taken } from './part.ts'
import type { Refusals } from './rejected-lines.ts'
import type { StreamDrain } from './stream-drain.ts'

const CANDIDATES_MAX = 16
/**
 * Passes in a row in which a candidate must fail. A server that fails at random may fail on a good
 * line in one pass, but rarely in several in a row.
 */
const PASSES_MIN = 3

export interface PoisonTrialsOptions {
  readonly backlog: Backlog
  readonly refusals: Refusals
  /** One part of a taken entry is done. */
  readonly finish: (stream: StreamDrain, taken: Taken) => void
}

/** What has been found out about a candidate. */
interface Trial {
  /** Complete passes in a row in which it failed. */
  failedPasses: number
  /** It was stored in the pass that goes on, behind a candidate that failed. */
  isStoredInPass: boolean
}

export class PoisonTrials {
  readonly #options: PoisonTrialsOptions
  /** Of groups that are candidates, or were. */
  readonly #trials = new WeakMap<Group, Trial>()

  constructor(options: PoisonTrialsOptions) {
    this.#options = options
  }

  /**
   * The stream's first group failed: sets the group aside if it is a candidate, so that its
   * successor is tried at once.
   *
   * @returns whether the group was set aside
   */
  setAside(stream: StreamDrain, group: Group): boolean {
    const isAtEnd = stream.setAside.length >= CANDIDATES_MAX || !stream.hasMore
    if (!group.isCandidate || isAtEnd) return false
    stream.groups.shift()
    this.#trialOf(group).isStoredInPass = false
    stream.setAside.push(group)
    return true
  }

  /**
   * Replaces the stream's first group, which fails repeatedly, with its halves.
   *
   * @returns whether the group can be halved
   */
  narrow(stream: StreamDrain, group: Group): boolean {
    const halves = group.halves('line', { isSuspect: true })
    if (halves === undefined) return false
    this.#options.backlog.counters.splitBatches++
    stream.groups.splice(0, 1, ...halves)
    return true
  }

  /**
   * The stream's first group was stored. Behind undecided candidates that is not final.
   *
   * @returns whether the group is kept, to be sent again
   */
  keeps(stream: StreamDrain, group: Group): boolean {
    // A stored statement does not prove that the server accepts writes.
    if (stream.setAside.length === 0 || group.parts[0]?.write.kind === 'statement') return false
    if (group.isCandidate) {
      stream.groups.shift()
      this.#trials.set(group, { failedPasses: 0, isStoredInPass: true })
      stream.setAside.push(group)
      return true
    }
    this.#completePass(stream)
    return stream.groups[0] !== group
  }

  /** The server may be at fault: puts all candidates back and restarts their counts. */
  breakOff(stream: StreamDrain): void {
    stream.restoreSetAside()
    for (const group of stream.groups) this.#trials.delete(group)
  }

  /** Whether nothing else may be in flight at this output while the group is sent. */
  needsQuiet(group: Group): boolean {
    return group.wasReset && this.#trialOf(group).failedPasses > 0
  }

  /** A write behind the candidates was stored: delivers or rejects each candidate that it can. */
  #completePass(stream: StreamDrain): void {
    const undecided: Group[] = []
    for (const group of stream.setAside.splice(0)) {
      const trial = this.#trialOf(group)
      if (!trial.isStoredInPass) trial.failedPasses++
      if (trial.isStoredInPass && undecided.length === 0) this.#deliver(stream, group)
      else if (trial.failedPasses >= PASSES_MIN) this.#options.refusals.poison(stream, group)
      else undecided.push(group)
    }
    stream.groups.unshift(...undecided)
  }

  #trialOf(group: Group): Trial {
    let trial = this.#trials.get(group)
    if (trial === undefined) {
      trial = { failedPasses: 0, isStoredInPass: false }
      this.#trials.set(group, trial)
    }
    return trial
  }

  #deliver(stream: StreamDrain, group: Group): void {
    storeAll(group)
    for (const { taken } of group.parts) this.#options.finish(stream, taken)
  }
}
