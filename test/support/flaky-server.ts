/**
 * A database with outages on the test's clock, which keeps the last value of each key.
 *
 *     const b = new FlakyServer(clock, random)
 *     b.begin('half')
 *     await clock.advance(20_000)
 *     b.end()
 *
 * Writes are lines of `key value`. In an outage it may still carry a request out, like a server
 * whose answer is lost, but never later than its answer.
 */
import {
  ANSWERED,
  type Destination,
  type Payload,
  type ProbeResult,
  type SendEvents,
  type Verdict,
} from '../../src/destinations/destination.ts'
import type { Clock } from '../../src/std/clock.ts'
import { BUSY, DELIVERED, RESET, UNREACHABLE } from './scripted-destination.ts'
import type { Random } from './seeded-random.ts'

export const OUTAGES = ['close', 'half', 'reset', '500', 'hang', 'slow', 'down', 'mixed'] as const
export type Outage = (typeof OUTAGES)[number]

const TIMEOUT_MS = 10_000
const SLOW_MAX_MS = 30_000

export class FlakyServer implements Destination {
  /** The last value of each key, as the server holds them. */
  readonly values = new Map<string, number>()
  readonly #clock: Clock
  readonly #random: Random
  #outage: Outage | undefined
  #ended = Promise.withResolvers<void>()

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  begin(outage: Outage): void {
    this.#outage = outage
  }

  end(): void {
    this.#outage = undefined
    this.#ended.resolve()
    this.#ended = Promise.withResolvers<void>()
  }

  async send(payload: Payload, { onTimeout }: SendEvents): Promise<Verdict> {
    const timer = this.#clock.startTimer(TIMEOUT_MS, onTimeout)
    const verdict = await this.#answer(payload, this.#outage)
    timer.cancel()
    return verdict
  }

  async probe(): Promise<ProbeResult> {
    return this.#outage === 'down' ? { isAnswered: false, why: 'scripted' } : ANSWERED
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end()
  }

  async #answer(payload: Payload, outage: Outage | undefined): Promise<Verdict> {
    switch (outage) {
      case undefined:
        await this.#pause(this.#random() * 20)
        // Any outage that began meanwhile loses the answer to this request.
        if (this.#outage !== undefined && this.#outage !== 'slow') return this.#fail(payload, RESET)
        this.#store(payload)
        return DELIVERED
      case 'close':
        await this.#pause(300)
        return this.#fail(payload, RESET)
      case 'reset':
        return this.#fail(payload, RESET)
      case 'half':
      case '500':
        await this.#pause(this.#random() * 100)
        return this.#fail(payload, BUSY)
      case 'hang':
        await this.#ended.promise
        return this.#random() < 0.5 ? this.#fail(payload, RESET) : this.#answer(payload, undefined)
      case 'slow':
        await this.#pause(this.#random() * SLOW_MAX_MS)
        this.#store(payload)
        return DELIVERED
      case 'down':
        return UNREACHABLE
      case 'mixed': {
        const kinds = [undefined, 'close', 'half', 'reset', '500', 'down'] as const
        return this.#answer(payload, kinds[Math.floor(this.#random() * kinds.length)])
      }
    }
  }

  #fail(payload: Payload, verdict: Verdict): Verdict {
    if (this.#random() < 0.3) this.#store(payload)
    return verdict
  }

  #store({ writes }: Payload): void {
    for (const { body } of writes) {
      for (const line of String(body).split('\n')) {
        const [key, value] = line.split(' ')
        if (key && value) this.values.set(key, Number(value))
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => this.#clock.startTimer(ms, resolve))
  }
}
