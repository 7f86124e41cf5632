/**
 * The clients that wait for an answer: ballots by log entry, decided by votes or by time.
 *
 * Promise: every ballot that was opened is decided exactly once, at the latest after
 * `ackTimeoutMs`. One timer serves all, because all wait equally long and so expire in the order in
 * which they were opened.
 */

import type { Entry } from '../log/entry.ts'
import type { Clock, Timer } from '../std/clock.ts'
import { Numbered } from '../std/numbered.ts'
import type { Decision } from '../write/acknowledgement.ts'
import type { Ballot } from '../write/ballot.ts'
import type { Reply } from '../write/reply.ts'

export interface OpenBallotsOptions {
  readonly ackTimeoutMs: number
  readonly clock: Clock
  /** Told once for each; `open` means that the time is up. */
  readonly onDecided: (waiting: WaitingClient, decision: Decision) => void
}

export interface WaitingClient {
  readonly entry: Entry
  readonly ballot: Ballot
  readonly reply: (reply: Reply) => void
  /** Being on the disk is enough for a yes, where the outputs do not say otherwise. */
  readonly isKept: boolean
  /** To be called once the client was told. */
  readonly afterwards: (() => void)[]
}

export class OpenBallots {
  readonly #options: OpenBallotsOptions
  /** By sequence number; in the order of opening, which is the order of expiry. */
  readonly #waiting = new Numbered<WaitingClient>()
  #timer: Timer | undefined

  constructor(options: OpenBallotsOptions) {
    this.#options = options
  }

  open(waiting: WaitingClient): void {
    this.#waiting.set(waiting.entry.sequence, waiting)
    if (this.#timer === undefined) this.#startTimer(this.#options.ackTimeoutMs)
    this.count(waiting.entry)
  }

  of(entry: Entry): Ballot | undefined {
    return this.#waiting.get(entry.sequence)?.ballot
  }

  /** Looks whether the votes decide the entry's ballot, which they do not before it is durable. */
  count(entry: Entry): void {
    if (!entry.isDurable) return
    const waiting = this.#waiting.get(entry.sequence)
    const decision = waiting?.ballot.decision() ?? 'open'
    if (waiting && decision !== 'open') this.#close(waiting, decision)
  }

  /** The entry is lost: there is nothing to be waited for. */
  fail(entry: Entry): void {
    const waiting = this.#waiting.get(entry.sequence)
    if (waiting !== undefined) this.#close(waiting, 'unavailable')
  }

  /** Calls `then` once the entry's client was told; at once when nobody waits for it. */
  whenAnswered(entry: Entry, then: () => void): void {
    const waiting = this.#waiting.get(entry.sequence)
    if (waiting === undefined) then()
    else waiting.afterwards.push(then)
  }

  /** Nothing will come soon from this output, in this stream or at all: no client waits for it. */
  giveUpOn(outputIndex: number, database?: string): void {
    for (const { entry, ballot } of this.#waiting.inOrder()) {
      if (database !== undefined && entry.write.target.database !== database) continue
      ballot.giveUpOn(outputIndex)
      this.count(entry)
    }
  }

  #close(waiting: WaitingClient, decision: Decision): void {
    this.#waiting.delete(waiting.entry.sequence)
    this.#options.onDecided(waiting, decision)
    for (const then of waiting.afterwards) then()
    if (this.#waiting.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #startTimer(delayMs: number): void {
    this.#timer = this.#options.clock.startTimer(delayMs, () => this.#expire())
  }

  #expire(): void {
    this.#timer = undefined
    const { ackTimeoutMs, clock } = this.#options
    const nowMs = clock.monotonicMs()
    for (const waiting of this.#waiting.inOrder()) {
      if (this.#waiting.get(waiting.entry.sequence) !== waiting) continue // Decided just now.
      const leftMs = waiting.entry.appendedAtMs + ackTimeoutMs - nowMs
      if (leftMs > 0) return this.#startTimer(leftMs)
      // Before it is durable no vote counts, nor that none is needed.
      const { entry, ballot } = waiting
      this.#close(waiting, entry.isDurable ? ballot.lastDecision() : 'unavailable')
    }
  }
}
