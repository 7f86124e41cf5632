/**
 * Clients that wait for an answer: the pending ack of each of their writes, until the outputs'
 * answers or the timeout decide it.
 *
 *     open ──▶ waiting ── answers of the outputs ──▶ decided ──▶ onDecided, then `afterwards`
 *                 └────── ackTimeoutMs is over ─────────┘
 *
 * Promise: every opened ack is decided exactly once, at the latest after `ackTimeoutMs`. One timer
 * serves all of them: they have the same timeout, so they expire in the order of opening.
 */

import type { Entry } from '../log/entry.ts'
import type { Clock, Timer } from '../std/clock.ts'
import { unreachable } from '../std/errors.ts'
import { SequenceMap } from '../std/sequence-map.ts'
import type { Ack, Decision, PendingAck } from '../write/acks.ts'
import type { Outcome } from '../write/outcome.ts'
import { type Reply, STORED, unavailableReply } from '../write/reply.ts'
import { RETRY_AFTER_S } from './admission.ts'

export interface PendingAcksOptions {
  readonly ackTimeoutMs: number
  readonly clock: Clock
  /** Called once for each client; never with `open`. */
  readonly onDecided: (waiting: WaitingClient, decision: Decision) => void
}

export interface WaitingClient {
  readonly entry: Entry
  readonly pending: PendingAck
  readonly reply: (reply: Reply) => void
  /** Success needs only the log on disk, unless the outputs refuse the write. */
  readonly isKept: boolean
  /** Called once the client was answered. */
  readonly afterwards: (() => void)[]
}

export class PendingAcks {
  readonly #options: PendingAcksOptions
  /** By sequence number; in the order of opening, which is the order of expiry. */
  readonly #waiting = new SequenceMap<WaitingClient>()
  #timer: Timer | undefined

  constructor(options: PendingAcksOptions) {
    this.#options = options
  }

  open(waiting: WaitingClient): void {
    this.#waiting.set(waiting.entry.sequence, waiting)
    if (this.#timer === undefined) this.#startTimer(this.#options.ackTimeoutMs)
    this.decide(waiting.entry)
  }

  of(entry: Entry): PendingAck | undefined {
    return this.#waiting.get(entry.sequence)?.pending
  }

  /** Answers the entry's client if the acks decide it; not before the entry is durable. */
  decide(entry: Entry): void {
    if (!entry.isDurable) return
    const waiting = this.#waiting.get(entry.sequence)
    const decision = waiting?.pending.decision() ?? 'open'
    if (waiting && decision !== 'open') this.#close(waiting, decision)
  }

  /** An output refuses at least part of the entry. */
  refuse(outputIndex: number, entry: Entry, reply: Reply): void {
    this.of(entry)?.refuse(outputIndex, reply)
    this.decide(entry)
  }

  /** An output is done with the entry. */
  settle(outputIndex: number, entry: Entry, outcome: Outcome): void {
    const pending = this.of(entry)
    if (pending === undefined) return
    noteOutcome(pending, outputIndex, outcome)
    this.decide(entry)
  }

  /** This output will not answer for the entry soon: its client does not wait for that. */
  stopWaitingFor(outputIndex: number, entry: Entry): void {
    this.of(entry)?.stopWaitingFor(outputIndex)
    this.decide(entry)
  }

  /** This output will not answer soon, in one database or in all: no client waits for it. */
  stopAllWaitingFor(outputIndex: number, database?: string): void {
    for (const { entry, pending } of this.#waiting.inOrder()) {
      if (database !== undefined && entry.write.target.database !== database) continue
      pending.stopWaitingFor(outputIndex)
      this.decide(entry)
    }
  }

  /** The entry is lost: its client is answered 503. */
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
      // Before the entry is durable no ack counts, and not even a policy without acks is met.
      const { entry, pending } = waiting
      this.#close(waiting, entry.isDurable ? pending.lastDecision() : 'unavailable')
    }
  }
}

/**
 * The acks on a write to a database before it is sent. An output that is down or catching up starts
 * as failed: no client waits for it.
 *
 * @param voters by output, whether its answer counts
 */
export function firstAcks(
  outputs: readonly { inSync(database: string): boolean }[],
  voters: readonly boolean[],
  database: string,
): Ack[] {
  const acks: Ack[] = []
  for (let i = 0; i < outputs.length; i++) {
    if (!voters[i]) acks.push('none')
    else acks.push(outputs[i]?.inSync(database) ? 'open' : 'failed')
  }
  return acks
}

function noteOutcome(pending: PendingAck, index: number, outcome: Outcome): void {
  switch (outcome.kind) {
    case 'delivered':
      return pending.store(index, outcome.body)
    case 'refused':
    case 'dead-lettered':
      return pending.refuse(index, outcome.reply)
    case 'filtered':
      return pending.abstain(index, outcome.reply)
    case 'withdrawn':
      return pending.set(index, 'failed')
    case 'dropped':
      // The lines that fitted into datagrams were sent, and the others are never retried: counts as
      // stored.
      return pending.set(index, isSent(outcome.reason) ? 'stored' : 'failed')
    default:
      return unreachable(outcome)
  }
}

function isSent(reason: Extract<Outcome, { kind: 'dropped' }>['reason']): boolean {
  return reason === 'over-mtu' || reason === 'send-error'
}

/** The reply to the client, after the decision. */
export function replyTo(decision: Decision, pending: PendingAck): Reply {
  switch (decision) {
    case 'stored':
      return pending.body === '' ? STORED : { ...STORED, status: 200, body: pending.body }
    case 'refused':
      return pending.refusal()
    case 'unavailable':
      return unavailable(`${pending.isStored ? 'too few outputs' : 'no output'} stored them`)
    case 'open':
      throw new Error('BUG: a reply without a decision')
    case 'timed-out':
      return unavailable('not decided within ack-timeout')
    default:
      return unreachable(decision)
  }
}

function unavailable(why: string): Reply {
  return unavailableReply(`unable to write points: ${why}`, RETRY_AFTER_S)
}
