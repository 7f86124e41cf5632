/**
 * What an output says of a target, asked for a client whose request holds nothing to store: an
 * empty write, or one that we refuse ourselves. InfluxDB looks at credentials and database before
 * it looks at the lines, and so its client hears of these first.
 *
 * Outside log, order, books and health: nobody owes a question. Only a refusal of the target, or of
 * the client's own credentials, is an answer. Whatever may heal is none, nor is what a server says
 * that takes no empty writes.
 *
 * Limits: QUESTIONS_MAX in flight; beyond it, and after the time that is granted, there is no
 * answer. One that was given up counts until its connection is closed.
 */

import type { Clock } from '../std/clock.ts'
import type { Reply } from '../write/reply.ts'
import type { WriteTarget } from '../write/write.ts'
import type { Destination, Verdict } from './destination.ts'

/** In flight at one output. Each has a connection of its own. */
export const QUESTIONS_MAX = 8

export class Questions {
  readonly #destination: Pick<Destination, 'ask'>
  readonly #clock: Clock
  #inFlight = 0

  constructor(destination: Pick<Destination, 'ask'>, clock: Clock) {
    this.#destination = destination
    this.#clock = clock
  }

  /** There is somebody to ask. */
  get canBeAnswered(): boolean {
    return this.#destination.ask !== undefined
  }

  /** Resolves within `limitMs`: with a refusal, or with `undefined` where none is known. */
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

/** What is refused of no lines, and for good, are the credentials. */
function refusalIn(verdict: Verdict): Reply | undefined {
  const isOfTarget = verdict.kind === 'hold' && verdict.scope === 'target'
  const isOfCredentials = verdict.kind === 'refused' && !verdict.isDoubtful
  return isOfTarget || isOfCredentials ? verdict.reply : undefined
}
