/**
 * A clock that stands still until the test moves it, and fires timers in order.
 *
 *     const clock = new ManualClock()
 *     …
 *     await clock.advance(4000)
 */
import type { Clock, Timer } from '../../src/std/clock.ts'

interface Pending {
  readonly atMs: number
  readonly fire: () => void
}

export class ManualClock implements Clock {
  #nowMs = 0
  readonly #pending = new Set<Pending>()

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return this.#nowMs
  }

  wallNs(): bigint {
    return BigInt(this.#nowMs) * 1_000_000n
  }

  startTimer(delayMs: number, fire: () => void): Timer {
    const pending = { atMs: this.#nowMs + delayMs, fire }
    this.#pending.add(pending)
    return { cancel: () => this.#pending.delete(pending) }
  }

  /**
   * Moves the clock and fires timers that fall due; before and after each timer, all other work
   * runs to its end.
   */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await turns()
    for (let next = this.#nextBy(endMs); next !== undefined; next = this.#nextBy(endMs)) {
      this.#pending.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.fire()
      await turns()
    }
    this.#nowMs = endMs
    await turns()
  }

  #nextBy(endMs: number): Pending | undefined {
    let next: Pending | undefined
    for (const pending of this.#pending) {
      if (pending.atMs <= endMs && (next === undefined || pending.atMs < next.atMs)) next = pending
    }
    return next
  }
}

/** Lets all work run that needs no timer and no network. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate)
}
