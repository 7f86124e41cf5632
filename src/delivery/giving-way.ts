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

import { KeepingPace, LAG_MAX_MS } from '../log/keeping-pace.ts'
import type { Clock, Timer } from '../std/clock.ts'
import type { Backlog } from './backlog.ts'
import type { OutputHealth } from './health.ts'

/** log/keeping-pace.ts expects looks at least this often; clients that write seldom cause fewer. */
const LOOK_EVERY_MS = 1_000
/** Looks after the last write: enough to see a lag of LAG_MAX_MS, even if a timer fires early. */
const LOOKS = Math.ceil(LAG_MAX_MS / LOOK_EVERY_MS) + 1

/** Share of the bound for the requests of all streams. */
const REQUESTS_SHARE = 1 / 2
/** A stream has at least this part of that share, however many streams there are. */
const PART_MIN = 1 / 8

/**
 * Most bytes of entries that a merged request may carry. A request cannot be taken back: if it
 * carried all of a full backlog, an output that gives way would have nothing to drop.
 *
 * @param boundBytes of the backlog; 0 = it has no bound that writes could be dropped for
 */
export function requestMaxBytes(boundBytes: number, streamCount: number): number {
  if (boundBytes === 0) return Number.POSITIVE_INFINITY
  return boundBytes * REQUESTS_SHARE * Math.max(1 / streamCount, PART_MIN)
}

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
  /** Runs between two looks of this output's own. */
  #timer: Timer | undefined
  #looksLeft = 0

  constructor(options: GivingWayOptions) {
    this.#options = options
  }

  /** Call for each write that finds the backlog at its bound. @returns whether to drop writes */
  look(): boolean {
    // A refused datagram is lost at all outputs; a dropped write only at the slower one.
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
    return this.#keepingPace.update([progress], clock.monotonicMs())[0] === true
  }
}
