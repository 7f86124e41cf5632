/**
 * A map keyed by ascending integers, for short-lived values.
 *
 *     slots     – 17 18  –  20 –  –  –     index: the last bits of the number; – is a free slot
 *     overflow  { 9: … }                   evicted from its slot by a newer entry
 *
 * A Map with constant insertions and deletions allocates a new table again and again. Once an old
 * table is in V8's old generation, it keeps all values that it ever held in memory until V8 marks
 * the whole heap; this affected nearly every large body (docs/decisions/young-bodies.md). The slots
 * here keep no deleted value.
 */

const SLOTS_MIN = 16
/** With more entries than slots allow, the older entries move to a Map. */
const SLOTS_MAX = 4096
const FREE = -1

export class SequenceMap<T> {
  #numbers: number[] = new Array<number>(SLOTS_MIN).fill(FREE)
  #things: (T | undefined)[] = new Array<T | undefined>(SLOTS_MIN).fill(undefined)
  readonly #overflow = new Map<number, T>()
  #slotsTaken = 0

  get size(): number {
    return this.#slotsTaken + this.#overflow.size
  }

  get(number: number): T | undefined {
    const slot = this.#slotOf(number)
    if (this.#numbers[slot] === number) return this.#things[slot]
    return this.#overflow.size === 0 ? undefined : this.#overflow.get(number)
  }

  /** @param number at least 0, and not in the map yet */
  set(number: number, thing: T): void {
    if (this.#slotsTaken * 2 >= this.#numbers.length) this.#grow()
    const slot = this.#slotOf(number)
    const former = this.#numbers[slot] ?? FREE
    if (former === number) throw new Error(`BUG: number ${number} is taken`)
    if (former === FREE) this.#slotsTaken++
    else this.#overflow.set(former, this.#things[slot] as T)
    this.#numbers[slot] = number
    this.#things[slot] = thing
  }

  delete(number: number): void {
    const slot = this.#slotOf(number)
    if (this.#numbers[slot] === number) {
      this.#numbers[slot] = FREE
      this.#things[slot] = undefined
      this.#slotsTaken--
    } else if (this.#overflow.size > 0) this.#overflow.delete(number)
  }

  /** All values, in the order of their numbers. */
  inOrder(): T[] {
    const all: [number, T][] = [...this.#overflow]
    for (const [slot, number] of this.#numbers.entries()) {
      if (number !== FREE) all.push([number, this.#things[slot] as T])
    }
    return all.sort(([a], [b]) => a - b).map(([, thing]) => thing)
  }

  #slotOf(number: number): number {
    return number & (this.#numbers.length - 1)
  }

  #grow(): void {
    const numbers = this.#numbers
    const things = this.#things
    if (numbers.length >= SLOTS_MAX) return
    this.#numbers = new Array<number>(numbers.length * 2).fill(FREE)
    this.#things = new Array<T | undefined>(numbers.length * 2).fill(undefined)
    for (const [from, number] of numbers.entries()) {
      if (number === FREE) continue
      const to = this.#slotOf(number)
      this.#numbers[to] = number
      this.#things[to] = things[from]
    }
    things.fill(undefined)
  }
}
