/**
 * Health of an output, judged by its answers, or by probes while it is idle or down.
 *
 *     up ──timeout, failed connection or probe──▶ down ──any answer──▶ catching up ──▶ up
 *      └──its own credentials refused──▶ refusing ──a write that is answered otherwise──┘
 *
 * An output that refuses its own credentials shows a mistake in a configuration, ours or its own.
 * It is treated as down, but a probe's answer proves nothing: so one stream has to try a write,
 * with backoff (a trial).
 *
 * An idle output is probed, so that its state is known before a write needs it. A down output is
 * probed with backoff, one probe at a time.
 *
 * Not here: the log lines of each change (reporting/health-messages.ts).
 */

import type { ProbeResult } from '../destinations/destination.ts'
import { backoffMs } from '../std/backoff.ts'
import type { Clock, Timer } from '../std/clock.ts'
import type { Reply } from '../write/reply.ts'
import type { HealthMessages } from './reporting/health-messages.ts'

/** An output that has not answered for this long is probed. */
const IDLE_PROBE_INTERVAL_MS = 5_000

/** `sinceMs`: monotonic milliseconds at which the output came up or ceased to be up. */
type Health =
  | { readonly at: 'up'; readonly sinceMs: number }
  /** Up, with more pending than one request carries: no client waits for it. */
  | { readonly at: 'catching-up'; readonly sinceMs: number }
  | { readonly at: 'down'; readonly sinceMs: number; readonly cause: string }
  /** The output refuses its own credentials; `isOnTrial`: one attempt may show otherwise. */
  | {
      readonly at: 'refusing'
      readonly sinceMs: number
      readonly cause: string
      readonly isOnTrial: boolean
    }

export interface OutputHealthOptions {
  readonly delayMaxMs: number
  /** An output that comes up with at most this backlog is in sync: one request carries it. */
  readonly caughtUpBytes: number
  readonly clock: Clock
  readonly random: () => number
  readonly messages: HealthMessages
  readonly probe: () => Promise<ProbeResult>
  readonly backlog: () => { readonly pendingWrites: number; readonly pendingBytes: number }
  readonly onUp: () => void
  readonly onDown: () => void
  /** The output refuses its own credentials: one stream may try one write. */
  readonly onTrial: () => void
}

export class OutputHealth {
  readonly #options: OutputHealthOptions
  #health: Health
  #answeredAtMs: number
  /** Failures in a row; only a stored write resets them, so that flapping backs off too. */
  #failures = 0
  #timer: Timer | undefined
  #isProbing = false
  #isClosed = false

  constructor(options: OutputHealthOptions) {
    this.#options = options
    const nowMs = options.clock.monotonicMs()
    this.#health = { at: 'up', sinceMs: nowMs }
    this.#answeredAtMs = nowMs
  }

  get isUp(): boolean {
    return this.#health.at === 'up' || this.#health.at === 'catching-up'
  }

  /** Up, and nothing that it missed is left to deliver. */
  get isInSync(): boolean {
    return this.#health.at === 'up'
  }

  /** Whether an attempt may be made. */
  get isOpen(): boolean {
    return this.isUp || this.isOnTrial
  }

  /** The output refused its own credentials; the next attempt shows whether it still does. */
  get isOnTrial(): boolean {
    return this.#health.at === 'refusing' && this.#health.isOnTrial
  }

  /** Why the output is not up; '' while it is. */
  get cause(): string {
    return 'cause' in this.#health ? this.#health.cause : ''
  }

  /** How long the output has been up, or has not been up. */
  get stateAgeMs(): number {
    return this.#options.clock.monotonicMs() - this.#health.sinceMs
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
    if (!this.isUp) this.#markUp()
  }

  /** A write was stored: the output has recovered if it was failing. */
  noteDelivery(): void {
    this.#failures = 0
  }

  /** The backlog is processed, whatever its outcomes: the output is in sync. */
  noteCaughtUp(): void {
    const { at, sinceMs } = this.#health
    if (at === 'catching-up') this.#health = { at: 'up', sinceMs }
  }

  markDown(cause: string): void {
    if (this.#health.at === 'down' || this.#isClosed) return
    const { clock, messages, onDown } = this.#options
    this.#failures++
    this.#health = { at: 'down', sinceMs: clock.monotonicMs(), cause }
    messages.down(cause)
    this.#scheduleProbe()
    onDown()
  }

  /** The output refused its own credentials with `reply`. */
  markRefusing(reply: Reply): void {
    if (this.#isClosed) return
    const { clock, messages, onDown } = this.#options
    const cause = `its own credentials are refused (${reply.status} ${reply.error})`
    const isNews = this.#health.at !== 'refusing'
    const sinceMs = isNews ? clock.monotonicMs() : this.#health.sinceMs
    this.#failures++
    this.#health = { at: 'refusing', sinceMs, cause, isOnTrial: false }
    messages.refusing(cause, isNews)
    this.#scheduleProbe()
    onDown()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #markUp(): void {
    const { clock, messages, backlog, caughtUpBytes, onUp } = this.#options
    const { pendingWrites, pendingBytes } = backlog()
    const { cause, stateAgeMs: downMs } = this
    const wasRefusing = this.#health.at === 'refusing'
    const at = pendingBytes > caughtUpBytes ? 'catching-up' : 'up'
    this.#health = { at, sinceMs: clock.monotonicMs() }
    messages.up({ cause, downMs, wasRefusing, pendingWrites, pendingBytes })
    this.#scheduleProbe()
    onUp()
  }

  #scheduleProbe(): void {
    this.#timer?.cancel()
    if (this.#isClosed) return
    const { clock, delayMaxMs, random } = this.#options
    const failures = Math.max(this.#failures, 1)
    const delayMs = this.isUp
      ? IDLE_PROBE_INTERVAL_MS
      : backoffMs({ failures, delayMaxMs, retryAfterMs: undefined, random: random() })
    const isRefusing = this.#health.at === 'refusing'
    // `#probe` never rejects: the destination's probe returns its failures as values.
    const fire = isRefusing ? () => this.#tryOnce() : () => void this.#probe()
    this.#timer = clock.startTimer(delayMs, fire, { isBackground: true })
  }

  /** Starts a trial. The answer to the attempt, or its failure, ends the trial. */
  #tryOnce(): void {
    if (this.#health.at === 'refusing') this.#health = { ...this.#health, isOnTrial: true }
    this.#options.onTrial()
  }

  async #probe(): Promise<void> {
    const { clock, probe } = this.#options
    const isIdle = clock.monotonicMs() - this.#answeredAtMs >= IDLE_PROBE_INTERVAL_MS
    const isNeeded = !this.isUp || isIdle || this.#timer === undefined
    if (!isNeeded || this.#isProbing) return this.#scheduleProbe()
    this.#isProbing = true
    const result = await probe()
    this.#isProbing = false
    if (this.#isClosed) return
    // A write was refused during this probe and has scheduled the next attempt.
    if (this.#health.at === 'refusing') return
    if (result.isAnswered) this.noteAnswer()
    else if (this.isUp) this.markDown(result.why)
    else this.#failures++
    this.#scheduleProbe()
  }
}
