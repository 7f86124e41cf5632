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
 * Limits: CANDIDATES_MAX (plan.ts) candidates in one pass; beyond that the stream backs off and
 * retries. Candidates with no write behind them wait as well.
 */

import type { RejectedLines } from './rejected-lines.ts'
import { type Batch, type Delivery, storeAll } from './stream/batch.ts'
import type { StreamQueue } from './stream/stream-queue.ts'

/**
 * Passes in a row in which a candidate must fail. A server that fails at random may fail on a good
 * line in one pass, but rarely in several in a row.
 */
const PASSES_MIN = 3

export interface PoisonTrialsOptions {
  readonly rejectedLines: RejectedLines
  /** One slice of a delivery is done. */
  readonly finish: (stream: StreamQueue, delivery: Delivery) => void
}

/** What has been found out about a candidate. */
interface Trial {
  /** Complete passes in a row in which it failed. */
  failedPasses: number
  /** It was stored in the current pass, behind a candidate that failed. */
  isStoredInPass: boolean
}

export class PoisonTrials {
  readonly #options: PoisonTrialsOptions
  /** The trial of each batch that is or was a candidate. */
  readonly #trials = new WeakMap<Batch, Trial>()

  constructor(options: PoisonTrialsOptions) {
    this.#options = options
  }

  /**
   * Sets the stream's first batch, a candidate, aside, so that its successor is tried at once.
   *
   * @param isStored the server has accepted it, which is not final behind an undecided candidate
   */
  setAside(stream: StreamQueue, batch: Batch, isStored: boolean): void {
    if (isStored) this.#trials.set(batch, { failedPasses: 0, isStoredInPass: true })
    else this.#trialOf(batch).isStoredInPass = false
    stream.setHeadAside()
  }

  /** The server may be at fault: puts all candidates back and restarts their counts. */
  breakOff(stream: StreamQueue): void {
    for (const batch of stream.restoreSetAside()) this.#trials.delete(batch)
  }

  /** Whether nothing else may be in flight at this output while the batch is sent. */
  needsQuiet(batch: Batch): boolean {
    return batch.wasReset && this.#trialOf(batch).failedPasses > 0
  }

  /**
   * A write behind the candidates was stored: delivers or rejects each candidate that it can, and
   * puts the others back before that write.
   */
  completePass(stream: StreamQueue): void {
    let isFirst = true
    stream.decideSetAside((batch) => {
      const isDecided = this.#decide(stream, batch, isFirst)
      isFirst &&= isDecided
      return isDecided
    })
  }

  /** @param isFirst no earlier candidate is undecided */
  #decide(stream: StreamQueue, batch: Batch, isFirst: boolean): boolean {
    const trial = this.#trialOf(batch)
    if (!trial.isStoredInPass) trial.failedPasses++
    if (trial.isStoredInPass && isFirst) this.#deliver(stream, batch)
    else if (trial.failedPasses >= PASSES_MIN) this.#options.rejectedLines.poison(stream, batch)
    else return false
    return true
  }

  #trialOf(batch: Batch): Trial {
    let trial = this.#trials.get(batch)
    if (trial === undefined) {
      trial = { failedPasses: 0, isStoredInPass: false }
      this.#trials.set(batch, trial)
    }
    return trial
  }

  #deliver(stream: StreamQueue, batch: Batch): void {
    storeAll(batch)
    for (const { delivery } of batch.slices) this.#options.finish(stream, delivery)
  }
}
