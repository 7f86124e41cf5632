/**
 * Health of an output: whether it is up, judged by its answers, or by probes while it is idle or
 * down.
 *
 *     up ──timeout, refused, unanswered probe──▶ down ──any answer──▶ behind ──caught up──▶ up
 *      └──its own credentials refused──▶ refusing ──a write that is answered otherwise──┘
 *
 * An output that refuses its own credentials shows a mistake in a configuration, ours or its own.
 * It is treated as down, with two differences. A probe's answer proves nothing, so one stream has
 * to try a write, with backoff (a trial). And the state is logged as an error repeatedly.
 *
 * Every change is one log line with cause, duration and backlog. Repeats within
 * FLAP_LOG_INTERVAL_MS are counted, and the next line reports the count. An idle output is probed,
 * so that its state is known before a write needs it. A down output is probed with backoff, one
 * probe at a time.
 */

import type { ProbeResult } from '../destinations/destination.ts'
import { backoffMs } from '../std/backoff.ts'
import type { Clock, Timer } from '../std/clock.ts'
import type { Logger } from '../std/logger.ts'
import { LogThrottle } from '../std/throttle.ts'
import { renderBytes, renderCount, renderWait } from '../std/units.ts'
import type { Reply } from '../write/reply.ts'

/** An output that has not answered for this long is probed. */
const IDLE_PROBE_INTERVAL_MS = 5_000
const FLAP_LOG_INTERVAL_MS = 10_000
/** How often refused credentials are logged while they last. */
const ALARM_INTERVAL_MS = 60_000

export interface OutputHealthOptions {
  readonly name: string
  /** 0 = writes that come while the output is down are not kept for it. */
  readonly bufferBytes: number
  readonly delayMaxMs: number
  /** With a backlog up to this an output that comes up is in sync: one request carries it all. */
  readonly caughtUpBytes: number
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly probe: () => Promise<ProbeResult>
  readonly backlog: () => { readonly pendingWrites: number; readonly pendingBytes: number }
  /** Whether the relay accepts new writes in the present state of its outputs. */
  readonly takesWrites: () => boolean
  readonly onUp: () => void
  readonly onDown: () => void
  /** The output refuses its own credentials: one stream may try one write. */
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
  /** Failures in a row; only a stored write resets them, so that flapping backs off too. */
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

  /** The output refused its own credentials; the next attempt shows whether it still does. */
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
   * Probes once, so that the state is known before the first write; from then on probes while there
   * is no traffic.
   */
  async start(): Promise<void> {
    await this.#probe()
  }

  /** The output gave an answer of any kind. */
  noteAnswer(): void {
    this.#answeredAtMs = this.#options.clock.monotonicMs()
    if (!this.#isUp) this.#markUp()
  }

  /** A write was stored: the output has recovered if it was failing. */
  noteDelivery(): void {
    this.#failures = 0
  }

  /** The backlog is processed, whatever its outcomes: the output is in sync. */
  noteCaughtUp(): void {
    this.#isBehind = false
  }

  markDown(cause: string): void {
    const isNews = this.#isUp || this.#isRefusing
    if (!isNews || this.#isClosed) return
    const { logger, name, onDown } = this.#options
    this.#isRefusing = false
    this.#leaveUp(cause)
    // Only repeats are throttled; a new cause is always logged.
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

  /** The output refused its own credentials with `reply`. */
  markRefusing(reply: Reply): void {
    if (this.#isClosed) return
    const { logger, name, onDown } = this.#options
    const cause = `its own credentials are refused (${reply.status} ${reply.error})`
    const isNews = !this.#isRefusing
    this.#isRefusing = true
    this.#leaveUp(cause)
    if (isNews) this.#alarm.reset()
    if (this.#alarm.hit() !== undefined) {
      const next = `${this.#whatFollows()}; correct username, password or token`
      logger.error({ output: name, cause }, `output "${name}": ${cause}; ${next}`)
    }
    this.#scheduleProbe()
    onDown()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  /** For the log: what happens to new writes from now on. */
  #whatFollows(): string {
    const { bufferBytes, takesWrites } = this.#options
    if (!takesWrites()) return 'new writes are answered 503 until enough outputs are up'
    if (bufferBytes > 0) return 'its writes wait'
    return 'it misses new writes until it is up (buffer-size-mb is 0)'
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
    // Each logged "down" gets its "up again".
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
    // `#probe` never rejects: the destination's probe returns its failures as values.
    const fire = this.#isRefusing ? () => this.#tryOnce() : () => void this.#probe()
    this.#timer = clock.startTimer(delayMs, fire, { isBackground: true })
  }

  /** Starts a trial. The answer to the attempt, or its failure, ends the trial. */
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
    if (this.#isRefusing) return // An attempt showed it meanwhile, and started its own timer.
    if (result.isAnswered) this.noteAnswer()
    else if (this.#isUp) this.markDown(result.why)
    else this.#failures++
    this.#scheduleProbe()
  }
}
