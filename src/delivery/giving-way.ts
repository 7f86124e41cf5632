/**
 * Whether an output whose backlog in memory is at its bound gives way: it drops writes that another
 * output has stored. An output that does not give way drops nothing, and new writes are refused.
 *
 *     keeps pace ──down, or does not reach the others in time──▶ gives way
 *          ▲───────────────────── caught up ────────────────────────┘
 *
 * An output that is up is always a few milliseconds behind whichever output stored a write first.
 * log/in-sync.ts decides whether it is more than that, as for the log on disk.
 *
 * An output that gives way does so until it has caught up. Otherwise an output that is too slow for
 * the load would stop the clients again and again: each dropped write brings it closer to the place
 * that it has to reach.
 */

import { InSync, LAG_MAX_MS } from '../log/in-sync.ts'
import type { Clock, Timer } from '../std/clock.ts'
import type { Backlog } from './backlog.ts'
import type { OutputHealth } from './health.ts'

/** log/in-sync.ts expects looks at least this often; clients that write seldom cause fewer. */
const LOOK_EVERY_MS = 1_000
/** Looks after the last write: enough to see a lag of LAG_MAX_MS, even if a timer fires early. */
const LOOKS = Math.ceil(LAG_MAX_MS / LOOK_EVERY_MS) + 1

export interface GivingWayOptions {
  readonly backlog: Pick<Backlog, 'below'>
  readonly health: Pick<OutputHealth, 'isInSync'>
  readonly clock: Clock
  /** The highest `below` of the other outputs. */
  readonly othersBelow: () => number
  /** Clients get an answer, and send a refused write again. Datagrams get none. */
  readonly isAnswering: boolean
}

export class GivingWay {
  readonly #options: GivingWayOptions
  readonly #inSync = new InSync()
  #isLeftBehind = false
  /** Runs between two looks of this output's own. */
  #timer: Timer | undefined
  #looksLeft = 0

  constructor(options: GivingWayOptions) {
    this.#options = options
  }

  /** To be called for each write that finds the backlog at its bound. */
  look(): boolean {
    // A datagram that is refused is lost everywhere: better at the slower output only.
    if (!this.#options.isAnswering) return true
    this.#looksLeft = LOOKS
    this.#lookAndGoOn()
    return this.#isLeftBehind
  }

  noteCaughtUp(): void {
    this.#isLeftBehind = false
  }

  /** Goes on to look until the lag is known: the next write may come much later. */
  #lookAndGoOn(): void {
    this.#isLeftBehind ||= !this.#keepsPace()
    if (this.#isLeftBehind || this.#timer !== undefined || this.#looksLeft === 0) return
    this.#looksLeft--
    const again = () => {
      this.#timer = undefined
      this.#lookAndGoOn()
    }
    this.#timer = this.#options.clock.startTimer(LOOK_EVERY_MS, again, { isBackground: true })
  }

  #keepsPace(): boolean {
    const { backlog, clock, health, othersBelow } = this.#options
    if (!health.isInSync) return false
    const progress = { below: backlog.below, othersBelow: othersBelow() }
    return this.#inSync.look([progress], clock.monotonicMs())[0] === true
  }
}
