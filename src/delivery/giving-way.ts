/**
 * Decides whether an output whose backlog in memory is at its bound gives way: it drops writes that
 * another output has stored. An output that does not give way drops nothing, and the relay refuses
 * new writes.
 *
 *     keeps pace ── down, or too far behind the others ──▶ gives way
 *          ▲────────────────── caught up ────────────────────┘
 *
 * An output that is up is always a few milliseconds behind the output that stored a write first.
 * log/keeping-pace.ts decides whether the lag is larger than that, as for the log on disk.
 *
 * An output gives way until it has caught up. If it stopped giving way sooner, an output that is
 * too slow for the load would block the clients again and again: each dropped write moves its
 * position closer to the other outputs, so that it would seem to keep pace.
 */

import { KeepingPace } from '../log/keeping-pace.ts'
import type { Clock } from '../std/clock.ts'
import type { Backlog } from './backlog.ts'
import type { OutputHealth } from './health.ts'

export interface GivingWayOptions {
  readonly backlog: Pick<Backlog, 'below'>
  readonly health: Pick<OutputHealth, 'isInSync'>
  readonly clock: Clock
  /** The highest `below` of the other outputs. */
  readonly othersBelow: () => number
  /** False for datagrams: their clients get no answer and do not send a refused write again. */
  readonly isAnswering: boolean
}

export class GivingWay {
  readonly #options: GivingWayOptions
  readonly #keepingPace = new KeepingPace()
  #isLeftBehind = false

  constructor(options: GivingWayOptions) {
    this.#options = options
  }

  /** Call for each write that finds the backlog at its bound. @returns whether to drop writes */
  look(): boolean {
    // A refused datagram is lost at all outputs; a dropped write only at the slower one.
    if (!this.#options.isAnswering) return true
    this.#isLeftBehind ||= !this.#keepsPace()
    return this.#isLeftBehind
  }

  noteCaughtUp(): void {
    this.#isLeftBehind = false
  }

  #keepsPace(): boolean {
    const { backlog, clock, health, othersBelow } = this.#options
    if (!health.isInSync) return false
    const progress = { below: backlog.below, othersBelow: othersBelow() }
    return this.#keepingPace.update([progress], clock.monotonicMs())[0] === true
  }
}
