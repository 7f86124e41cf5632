/**
 * Items that arrive one after the other (requests, log lines), and promises for future ones.
 *
 * Race-free: a wait also sees items that arrived before the call. Bounded: every wait fails after a
 * limit and shows the last items that arrived.
 */
import { WAIT_LIMIT_MS, withinLimit } from './wait.ts'

const SHOWN_ON_FAILURE = 10

export class Arrivals<T> {
  readonly items: T[] = []
  readonly #taken = new Set<T>()
  readonly #watchers = new Set<() => void>()
  #ended: Error | undefined

  /** @param show renders one item in a few words, for the failure of a wait */
  constructor(show: (item: T) => string) {
    this.#show = show
  }

  readonly #show: (item: T) => string

  push(item: T): void {
    this.items.push(item)
    for (const watch of [...this.#watchers]) watch()
  }

  /** No more items will arrive: waits fail at once with this reason. */
  end(reason: Error): void {
    this.#ended ??= reason
    for (const watch of [...this.#watchers]) watch()
  }

  /** The first item, past or future, that fits. */
  first(fits: (item: T) => boolean, what: string, limitMs = WAIT_LIMIT_MS): Promise<T> {
    return this.#wait(() => this.items.find(fits), what, limitMs)
  }

  /** As `first`, but returns each item once: the next call gets a later one. */
  async next(
    fits: (item: T) => boolean = () => true,
    what = 'one more',
    limitMs = WAIT_LIMIT_MS,
  ): Promise<T> {
    const take = () => {
      const item = this.items.find((candidate) => !this.#taken.has(candidate) && fits(candidate))
      if (item !== undefined) this.#taken.add(item)
      return item
    }
    return await this.#wait(take, what, limitMs)
  }

  /** Resolves when at least `count` have arrived, with the first `count` of them. */
  async atLeast(count: number, limitMs = WAIT_LIMIT_MS): Promise<readonly T[]> {
    const enough = () => (this.items.length >= count ? this.items : undefined)
    return (await this.#wait(enough, `${count} of them`, limitMs)).slice(0, count)
  }

  async #wait<R>(look: () => R | undefined, what: string, limitMs: number): Promise<R> {
    const there = look()
    if (there !== undefined) return there
    const { promise, resolve, reject } = Promise.withResolvers<R>()
    const watch = () => {
      const found = look()
      if (found !== undefined) resolve(found)
      else if (this.#ended !== undefined) reject(this.#ended)
    }
    this.#watchers.add(watch)
    watch()
    try {
      return await withinLimit(promise, { what: () => `${what}; came: ${this.#last()}`, limitMs })
    } finally {
      this.#watchers.delete(watch)
    }
  }

  #last(): string {
    if (this.items.length === 0) return 'nothing'
    const shown = this.items.slice(-SHOWN_ON_FAILURE).map(this.#show)
    return `${this.items.length}, the last of them\n  ${shown.join('\n  ')}`
  }
}
