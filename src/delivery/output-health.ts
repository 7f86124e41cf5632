/**
 * Whether an output is up, and how we know: by its answers, and by probes while there are none.
 *
 *     up ──timeout, refused, unanswered probe──▶ down ──any answer──▶ behind ──caught up──▶ up
 *      └──its own credentials refused──▶ refusing ──a write that is answered otherwise──┘
 *
 * An output that refuses its own credentials is a mistake in a configuration, here or there. It is
 * as good as down, with two differences: that it answers says nothing, so that a write of one
 * stream has to try, with backoff; and it is told as an error, again and again.
 *
 * Every change is one log line with cause, duration and backlog; repeats of one that come faster
 * than FLAP_LOG_INTERVAL_MS are counted and told with the next one. An idle output is probed, so
 * that its state is known before a write needs it; a down one is probed with backoff, one probe at
 * a time.
 */

import type { ProbeResult } from '../destinations/destination.ts'
import { backoffMs } from '../std/backoff.ts'
import type { Clock, Timer } from '../std/clock.ts'
import type { Logger } from '../std/logger.ts'
import { LogThrottle } from '../std/throttle.ts'
import { renderBytes, renderCount, renderWait } from '../std/units.ts'
import type { Reply } from '../write/reply.ts'

/** An output that has not answered for this long is asked whether it is there. */
const IDLE_PROBE_INTERVAL_MS = 5_000
const FLAP_LOG_INTERVAL_MS = 10_000
/** How often a mistake in a configuration is told, while it lasts. */
const ALARM_INTERVAL_MS = 60_000

export interface OutputHealthOptions {
  readonly name: string
  /** 0 = what comes while it is down is not kept for it. */
  readonly bufferBytes: number
  readonly delayMaxMs: number
  /** Up to this backlog an output that comes back is not behind: it goes in one request. */
  readonly caughtUpBytes: number
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly probe: () => Promise<ProbeResult>
  readonly backlog: () => { readonly pendingWrites: number; readonly pendingBytes: number }
  /** Whether new writes are taken, with the outputs as they are now. */
  readonly takesWrites: () => boolean
  readonly onUp: () => void
  readonly onDown: () => void
  /** While it refuses: one stream may send once. */
  readonly onTrial: () => void
}

export class OutputHealth {
  readonly #options: OutputHealthOptions
  readonly #throttle: LogThrottle
  readonly #alarm: LogThrottle
  #isUp = true
  #isRefusing = false
  #isOnTrial = false
  #isBehind = false
  #cause = ''
  #changedAtMs: number
  #answeredAtMs: number
  /** Probes that failed in a row, kept over a short recovery so that flapping backs off too. */
  #failures = 0
  #timer: Timer | undefined
  #isProbing = false
  #isClosed = false
  #isDownLogged = false
  #loggedCause = ''

  constructor(options: OutputHealthOptions) {
    this.#options = options
    this.#throttle = new LogThrottle(options.clock, FLAP_LOG_INTERVAL_MS)
    this.#alarm = new LogThrottle(options.clock, ALARM_INTERVAL_MS)
    this.#changedAtMs = options.clock.monotonicMs()
    this.#answeredAtMs = this.#changedAtMs
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** Whether an attempt may be made. */
  get isOpen(): boolean {
    return this.#isUp || this.#isOnTrial
  }

  /** It refuses its own credentials, and the next attempt will tell whether it still does. */
  get isOnTrial(): boolean {
    return this.#isOnTrial
  }

  get isBehind(): boolean {
    return this.#isBehind
  }

  get cause(): string {
    return this.#cause
  }

  get stateAgeMs(): number {
    return this.#options.clock.monotonicMs() - this.#changedAtMs
  }

  /**
   * Asks once, so that the first write finds the state known, and goes on asking while there is no
   * traffic.
   */
  async start(): Promise<void> {
    await this.#probe()
  }

  /** An answer came, whatever it said. */
  noteAnswer(): void {
    this.#answeredAtMs = this.#options.clock.monotonicMs()
    if (!this.#isUp) this.#markUp()
  }

  /** A write was stored: the trouble, if there was any, is over. */
  noteDelivery(): void {
    this.#failures = 0
  }

  /** What was missed is worked off, whatever became of it. */
  noteCaughtUp(): void {
    this.#isBehind = false
  }

  markDown(cause: string): void {
    const isNews = this.#isUp || this.#isRefusing
    if (!isNews || this.#isClosed) return
    const { logger, name, onDown } = this.#options
    this.#isRefusing = false
    this.#leaveUp(cause)
    // Only repeats are held back: a new cause is news.
    if (cause !== this.#loggedCause) this.#throttle.reset()
    const suppressed = this.#throttle.hit()
    if (suppressed !== undefined) this.#loggedCause = cause
    this.#isDownLogged = suppressed !== undefined
    if (suppressed !== undefined) {
      const repeats = suppressed > 0 ? ` (${suppressed} changes since the last line)` : ''
      const fields = { output: name, cause, suppressed }
      logger.warn(fields, `output "${name}" is down: ${cause}; ${this.#whatFollows()}${repeats}`)
    }
    this.#scheduleProbe()
    onDown()
  }

  /** Its own credentials were refused, by `reply`. */
  markRefusing(reply: Reply): void {
    if (this.#isClosed) return
    const { logger, name, onDown } = this.#options
    const cause = `its own credentials are refused (${reply.status} ${reply.error})`
    const isNews = !this.#isRefusing
    this.#isRefusing = true
    this.#leaveUp(cause)
    if (isNews) this.#alarm.reset()
    if (this.#alarm.hit() !== undefined) {
      const next = `${this.#whatFollows()}; mend username, password or token`
      logger.error({ output: name, cause }, `output "${name}": ${cause}; ${next}`)
    }
    this.#scheduleProbe()
    onDown()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  /** What becomes of writes from here on. */
  #whatFollows(): string {
    const { bufferBytes, takesWrites } = this.#options
    if (!takesWrites()) return 'new writes are answered 503 until enough outputs are up'
    if (bufferBytes > 0) return 'its writes wait'
    return 'it misses what comes until it is up (buffer-size-mb is 0)'
  }

  #leaveUp(cause: string): void {
    this.#isUp = false
    this.#isOnTrial = false
    this.#isBehind = true
    this.#cause = cause
    this.#changedAtMs = this.#options.clock.monotonicMs()
    this.#failures++
  }

  #markUp(): void {
    const { clock, logger, name, backlog, caughtUpBytes, onUp } = this.#options
    const { pendingWrites: writes, pendingBytes: bytes } = backlog()
    const downMs = Math.round(this.stateAgeMs)
    const wasRefusing = this.#isRefusing
    this.#isUp = true
    this.#isRefusing = false
    this.#isOnTrial = false
    this.#isBehind = bytes > caughtUpBytes
    this.#changedAtMs = clock.monotonicMs()
    const fields = { output: name, cause: this.#cause, downMs, writes, bytes }
    this.#cause = ''
    const waiting = `${renderCount(writes, 'write')} (${renderBytes(bytes)}) to catch up`
    const text = `output "${name}" is up again after ${renderWait(downMs)}; ${waiting}`
    // A line that said "down" must not be left without its "up again".
    if (this.#isDownLogged || wasRefusing) logger.info(fields, text)
    else logger.debug(fields, text)
    this.#scheduleProbe()
    onUp()
  }

  #scheduleProbe(): void {
    this.#timer?.cancel()
    if (this.#isClosed) return
    const { clock, delayMaxMs, random } = this.#options
    const { isUp } = this
    const failures = Math.max(this.#failures, 1)
    const delayMs = isUp
      ? IDLE_PROBE_INTERVAL_MS
      : backoffMs({ failures, delayMaxMs, retryAfterMs: undefined, random: random() })
    // `#probe` never rejects: it only asks and takes note.
    const fire = this.#isRefusing ? () => this.#tryOnce() : () => void this.#probe()
    this.#timer = clock.startTimer(delayMs, fire, { isBackground: true })
  }

  /** Its answer, or the failure of the attempt, ends the trial. */
  #tryOnce(): void {
    this.#isOnTrial = true
    this.#options.onTrial()
  }

  async #probe(): Promise<void> {
    const { clock, probe } = this.#options
    const isIdle = clock.monotonicMs() - this.#answeredAtMs >= IDLE_PROBE_INTERVAL_MS
    const isNeeded = !this.#isUp || isIdle || this.#timer === undefined
    if (!isNeeded || this.#isProbing) return this.#scheduleProbe()
    this.#isProbing = true
    const result = await probe()
    this.#isProbing = false
    if (this.#isClosed) return
    if (this.#isRefusing) return // Found out by an attempt meanwhile, which has its own timer.
    if (result.isAnswered) this.noteAnswer()
    else if (this.#isUp) this.markDown(result.why)
    else this.#failures++
    this.#scheduleProbe()
  }
}
