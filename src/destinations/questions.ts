/**
 * Asks an output whether it accepts a target, on behalf of a client whose request holds nothing to
 * store: an empty write, or a write that the relay refuses itself. InfluxDB checks credentials and
 * database before the lines, so a client of InfluxDB sees errors about these first.
 *
 * A question is not appended to the log, has no place in the order of writes, and does not count
 * in metrics or health. Only a refusal of the target, or of the client's own credentials, is an
 * answer. A temporary failure is no answer, nor is the reply of a server that takes no empty
 * writes.
 *
 * Limits: QUESTIONS_MAX in flight. Beyond that number, or after the time limit, there is no answer.
 * An aborted question counts as in flight until its connection is closed.
 */

import type { Clock } from '../std/clock.ts'
import type { Reply } from '../write/reply.ts'
import type { WriteTarget } from '../write/write.ts'
import type { Destination, Verdict } from './destination.ts'

/** Questions in flight at one output. Each uses its own connection. */
export const QUESTIONS_MAX = 8

export class Questions {
  readonly #destination: Pick<Destination, 'ask'>
  readonly #clock: Clock
  #inFlight = 0

  constructor(destination: Pick<Destination, 'ask'>, clock: Clock) {
    this.#destination = destination
    this.#clock = clock
  }

  /** False for a destination that does not answer, such as UDP or a file. */
  get canBeAnswered(): boolean {
    return this.#destination.ask !== undefined
  }

  /** Resolves within `limitMs`: with a refusal, or with `undefined` when there is none so far. */
  async ask(target: WriteTarget, limitMs: number): Promise<Reply | undefined> {
    if (this.#inFlight >= QUESTIONS_MAX) return undefined
    const overdue = new AbortController()
    const inTime = Promise.withResolvers<undefined>()
    const timer = this.#clock.startTimer(limitMs, () => {
      overdue.abort()
      inTime.resolve(undefined)
    })
    const reply = await Promise.race([this.#put(target, overdue.signal), inTime.promise])
    timer.cancel()
    return reply
  }

  async #put(target: WriteTarget, signal: AbortSignal): Promise<Reply | undefined> {
    this.#inFlight++
    const verdict = await this.#destination.ask?.(target, signal)
    this.#inFlight--
    return verdict && refusalIn(verdict)
  }
}

/** The write has no lines, so a permanent refusal can only be one of the credentials. */
function refusalIn(verdict: Verdict): Reply | undefined {
  const isOfTarget = verdict.kind === 'hold' && verdict.scope === 'target'
  const isOfCredentials = verdict.kind === 'refused' && !verdict.isUnconfirmed
  return isOfTarget || isOfCredentials ? verdict.reply : undefined
}
