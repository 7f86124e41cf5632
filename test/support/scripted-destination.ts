/**
 * A destination that keeps its batches and answers as the test says, for tests of the drain loop
 * and the relay.
 *
 *     const destination = new ScriptedDestination()
 *     destination.verdict = (batch) => batch.writes.length > 1 ? SPLIT : DELIVERED
 */
import {
  ANSWERED,
  type Destination,
  type Payload,
  type ProbeResult,
  type SendEvents,
  type Verdict,
} from '../../src/destinations/destination.ts'
import { refusedReply } from '../../src/write/reply.ts'
import { Arrivals } from './arrivals.ts'

export const DELIVERED: Verdict = { kind: 'delivered', body: '', lost: [] }
export const SPLIT: Verdict = {
  kind: 'split',
  downTo: 'write',
  reply: refusedReply(400, 'scripted'),
}
export const REFUSED: Verdict = {
  kind: 'refused',
  reply: refusedReply(400, 'scripted'),
  isUnconfirmed: false,
}
/** The database is missing at this destination. */
export const MISSING: Verdict = {
  kind: 'hold',
  scope: 'target',
  reply: refusedReply(404, 'database not found: "db"'),
}
const FAILED = { kind: 'retry', why: 'scripted', retryAfterMs: undefined } as const
/** A temporary failure that may have had an effect. */
export const BUSY: Verdict = { ...FAILED, hasBegun: true, isDown: false, evidence: 'error' }
/** A temporary failure before any work, like a 503. */
export const DECLINED: Verdict = { ...FAILED, hasBegun: false, isDown: false, evidence: 'none' }
export const UNREACHABLE: Verdict = { ...FAILED, hasBegun: false, isDown: true, evidence: 'none' }
export const RESET: Verdict = { ...FAILED, hasBegun: true, isDown: false, evidence: 'reset' }

type Script = (payload: Payload, attempt: number, events: SendEvents) => Verdict | Promise<Verdict>

export class ScriptedDestination implements Destination {
  verdict: Script = () => DELIVERED
  isUp = true
  /** The bodies of each attempt, joined as in a request. */
  readonly attempts = new Arrivals<string>((body) => JSON.stringify(body))
  #held: (() => void)[] = []
  #isHolding = false

  async send(payload: Payload, events: SendEvents): Promise<Verdict> {
    this.attempts.push(payload.writes.map(({ body }) => body.toString()).join(''))
    const attempt = this.attempts.items.length
    if (this.#isHolding) await new Promise<void>((resolve) => this.#held.push(resolve))
    return await this.verdict(payload, attempt, events)
  }

  /** From now on attempts wait. */
  hold(): void {
    this.#isHolding = true
  }

  release(): void {
    this.#isHolding = false
    for (const resume of this.#held.splice(0)) resume()
  }

  async probe(): Promise<ProbeResult> {
    return this.isUp ? ANSWERED : { isAnswered: false, why: 'scripted' }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release()
  }
}
