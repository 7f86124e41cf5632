/**
 * Clients that wait for an answer: one ballot (pending ack) for each log entry, decided by the
 * outputs' answers or by timeout.
 *
 * Promise: every opened ballot is decided exactly once, at the latest after `ackTimeoutMs`. One
 * timer serves all ballots: they all have the same timeout, so they expire in the order of opening.
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
  /** Called once for each client; `open` means that `ackTimeoutMs` is over. */
  readonly onDecided: (waiting: WaitingClient, decision: Decision) => void
}

export interface WaitingClient {
  readonly entry: Entry
  readonly ballot: Ballot
  readonly reply: (reply: Reply) => void
  /** Success needs only the log on disk, unless the outputs refuse the write. */
  readonly isKept: boolean
  /** Called once the client was answered. */
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

  /** Closes the entry's ballot if its votes decide it; not before the entry is durable. */
  count(entry: Entry): void {
    if (!entry.isDurable) return
    const waiting = this.#waiting.get(entry.sequence)
    const decision = waiting?.ballot.decision() ?? 'open'
    if (waiting && decision !== 'open') this.#close(waiting, decision)
  }

  /** The entry is lost: closes its ballot as unavailable. */
  fail(entry: Entry): void {
    const waiting = this.#waiting.get(entry.sequence)
    if (waiting !== undefined) this.#close(waiting, 'unavailable')
  }

  /** Calls `then` once the entry's client was answered; at once when no client waits. */
  whenAnswered(entry: Entry, then: () => void): void {
    const waiting = this.#waiting.get(entry.sequence)
    if (waiting === undefined) then()
    else waiting.afterwards.push(then)
  }

  /** This output will not answer soon, in one database or in all: no client waits for it. */
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
      // Before the entry is durable no vote counts, and not even a policy without votes is met.
      const { entry, ballot } = waiting
      this.#close(waiting, entry.isDurable ? ballot.lastDecision() : 'unavailable')
    }
  }
}
