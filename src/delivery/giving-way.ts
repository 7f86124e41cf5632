/**
 * Decides whether an output whose backlog in memory is at its bound (full) gives way: it drops
 * writes that another output has stored. An output that does not give way drops nothing, and the
 * relay refuses new writes.
 *
 *     keeps pace ── down, or too far behind the others ──▶ gives way
 *          ▲────────────────── caught up ────────────────────┘
 *     keeps pace ── refused writes for LAG_MAX_MS in all ──▶ gives way
 *          ▲─────────── not full for QUIET_MS ───────────────┘
 *
 * An output that is up is always a few milliseconds behind the output that stored a write first.
 * log/keeping-pace.ts decides whether the lag is larger than that, as for the log on disk. An
 * output that lags gives way until it has caught up. If it stopped giving way sooner, an output
 * that is too slow for the load would block the clients again and again: each dropped write moves
 * its position closer to the other outputs, so that it would seem to keep pace.
 *
 * The lag alone does not show an output that is too slow for the load: what fits into a small
 * backlog is worked off within LAG_MAX_MS. So an output also gives way once its full backlog has
 * refused writes for LAG_MAX_MS in all although the leading other output was mostly empty, until it
 * has not been full for QUIET_MS. It may catch up in between: an output that hangs again and again
 * does so each time. Of outputs that are equally slow, none is mostly empty while another is full.
 *
 * Limit: an output whose backlog is full less than once in QUIET_MS may have LAG_MAX_MS of writes
 * refused each time.
 */

import type { OutputConfig } from '../config/config.ts'
import { KeepingPace, LAG_MAX_MS } from '../log/keeping-pace.ts'
import type { Clock, Timer } from '../std/clock.ts'
import type { Backlog } from './backlog.ts'
import type { OutputHealth } from './health.ts'

/** log/keeping-pace.ts expects looks at least this often; clients that write seldom cause fewer. */
const LOOK_EVERY_MS = 1_000
/** Looks after the last write: enough to see a lag of LAG_MAX_MS, even if a timer fires early. */
const LOOKS = Math.ceil(LAG_MAX_MS / LOOK_EVERY_MS) + 1
/** An output that has not been full for this long has refused nothing: it starts at zero again. */
const QUIET_MS = 60_000
/** Longest time for which one refused write counts: its client may try again after this long. */
const REFUSED_MAX_MS = 1_000

/**
 * An output counts as refusing for this long after a refused write: longer than the 10 s after
 * which many clients, such as Telegraf, write again.
 */
const REFUSING_MS = 15_000
/** Share of the bound for the requests of all streams. */
const REQUESTS_SHARE = 1 / 2
/** Less than what an equally slow output still has when it is one request ahead. */
const MOSTLY_EMPTY_SHARE = 1 / 4
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
  readonly config: Pick<OutputConfig, 'bufferBytes' | 'batchMaxBytes'>
  readonly backlog: Pick<Backlog, 'below' | 'counters'>
  readonly health: Pick<OutputHealth, 'isInSync'>
  readonly clock: Clock
  /** The highest `below` of the other outputs. */
  readonly othersBelow: () => number
  /** Whether the leading other output is mostly empty. */
  readonly othersEmpty: () => boolean
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
  /** Monotonic milliseconds of the last write that found the backlog at its bound. */
  #fullAtMs = Number.NEGATIVE_INFINITY
  /** Counters of the backlog at that write. */
  #acceptedWrites = 0
  #refusedWrites = 0
  /** Time for which writes were refused, milliseconds. */
  #refusedMs = 0

  constructor(options: GivingWayOptions) {
    this.#options = options
  }

  /** Call for each write that finds the backlog at its bound. @returns whether to drop writes */
  look(): boolean {
    this.#noteFull()
    // A refused datagram is lost at all outputs; a dropped write only at the slower one.
    if (!this.#options.isAnswering) return true
    this.#looksLeft = LOOKS
    this.#lookAndGoOn()
    return this.#isLeftBehind || this.#refusedMs > LAG_MAX_MS
  }

  /** The backlog is far from its bound. */
  get isMostlyEmpty(): boolean {
    const { backlog, config } = this.#options
    const boundBytes = config.bufferBytes === 0 ? config.batchMaxBytes : config.bufferBytes
    return backlog.counters.pendingBytes <= boundBytes * MOSTLY_EMPTY_SHARE
  }

  /** The last write that found the backlog at its bound was refused, not long ago. */
  get isRefusing(): boolean {
    const { backlog, clock } = this.#options
    const isRefused = backlog.counters.backlogFullRefusals > this.#refusedWrites
    return isRefused && clock.monotonicMs() - this.#fullAtMs < REFUSING_MS
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

  /** Adds the time since the last full backlog, by the share of its writes that were refused. */
  #noteFull(): void {
    const { backlog, clock, othersEmpty } = this.#options
    const { acceptedWrites, backlogFullRefusals: refusedWrites } = backlog.counters
    const refused = refusedWrites - this.#refusedWrites
    const accepted = acceptedWrites - this.#acceptedWrites
    const nowMs = clock.monotonicMs()
    const passedMs = nowMs - this.#fullAtMs
    if (passedMs >= QUIET_MS) this.#refusedMs = 0
    else if (refused > 0 && othersEmpty()) {
      this.#refusedMs += Math.min(passedMs, REFUSED_MAX_MS) * (refused / (refused + accepted))
    }
    this.#fullAtMs = nowMs
    this.#acceptedWrites = acceptedWrites
    this.#refusedWrites = refusedWrites
  }

  #keepsPace(): boolean {
    const { backlog, clock, health, othersBelow } = this.#options
    if (!health.isInSync) return false
    const progress = { below: backlog.below, othersBelow: othersBelow() }
    return this.#keepingPace.update([progress], clock.monotonicMs())[0] === true
  }
}
