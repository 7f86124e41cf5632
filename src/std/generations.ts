/**
 * A cache that forgets what is not used: two generations, the younger of which takes what is new or
 * found in the older. When it is full it becomes the older one, and that is let go.
 *
 * Limit: `maxEntries` in each of the two.
 */

export class Generations<V> {
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
