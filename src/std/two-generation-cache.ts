/**
 * A cache that drops unused entries. It has two generations: new entries, and entries found in the
 * old generation, go into the young one. When the young generation is full, it replaces the old
 * one.
 *
 * Limit: `maxEntries` in each generation.
 */

export class TwoGenerationCache<V> {
  readonly #maxEntries: number
  #young = new Map<string, V>()
  #old: ReadonlyMap<string, V> = new Map()

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries
  }

  get(key: string): V | undefined {
    const known = this.#young.get(key)
    if (known !== undefined) return known
    const older = this.#old.get(key)
    if (older !== undefined) this.set(key, older)
    return older
  }

  set(key: string, value: V): void {
    if (this.#young.size >= this.#maxEntries) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
  }
}
