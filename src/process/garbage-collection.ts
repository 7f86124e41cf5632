/**
 * Decides when garbage is collected. All bodies are in memory outside V8's heap, and V8 sees a body
 * as one small object. By default V8 either keeps tens of megabytes of dead bodies, or marks its
 * whole heap for every few bodies, which took half of all CPU (bench/README.md).
 *
 *     bodies ──16 MB──▶ young generation collected: nearly all bodies, in a millisecond
 *                       └── too many dead bodies left ──▶ the whole heap is marked
 *
 * Bodies die young unless an old dead object refers to them (docs/decisions/young-bodies.md). The
 * bodies of a backlog are in the old generation: they stay in memory after the backlog was sent,
 * until the whole heap is marked.
 */

import type { Heap } from './v8-heap.ts'

const COLLECT_AFTER_BYTES = 16 * 1024 * 1024
/** Of a small budget: what dies between two collections takes memory, too. */
const COLLECT_AFTER_SHARE = 1 / 8
/** Dead bodies may take the free part of the memory budget, but at least and at most this much. */
const DEAD_MIN_BYTES = 8 * 1024 * 1024
const DEAD_MAX_BYTES = 48 * 1024 * 1024
/** Of the budget, the most that may be dead: marking costs more than the memory of a large one. */
const DEAD_SHARE = 1 / 5

interface Budget {
  readonly usedBytes: number
  readonly limitBytes: number
}

/** Counts the bytes of freed bodies and starts their collection in time. */
export class BodyGarbage {
  readonly #heap: Heap
  readonly #budget: () => Budget
  #bytes = 0
  #collectAfterBytes = COLLECT_AFTER_BYTES
  #isDue = false
  /** Lowest (held − in use) since the last full mark. Anything above is assumed to be garbage. */
  #leastBytes: number

  /**
   * Construct this before the first body exists.
   *
   * @param budget the memory budget: bytes of the bodies in use and what belongs to them
   */
  constructor(heap: Heap, budget: () => Budget) {
    this.#heap = heap
    this.#budget = budget
    this.#leastBytes = heap.heldBytes
  }

  add(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < this.#collectAfterBytes || this.#isDue) return
    this.#isDue = true
    // Collect in a later turn: the caller may still have the last body on its stack.
    setImmediate(() => this.#collect())
  }

  #collect(): void {
    const heap = this.#heap
    this.#bytes = 0
    this.#isDue = false
    heap.restoreYoung()
    heap.collectYoung()
    const { usedBytes, limitBytes } = this.#budget()
    this.#collectAfterBytes = Math.min(COLLECT_AFTER_BYTES, limitBytes * COLLECT_AFTER_SHARE)
    const unusedBytes = heap.heldBytes - usedBytes
    this.#leastBytes = Math.min(this.#leastBytes, unusedBytes)
    const shareBytes = Math.min(limitBytes - usedBytes, limitBytes * DEAD_SHARE)
    const deadMaxBytes = Math.min(Math.max(shareBytes, DEAD_MIN_BYTES), DEAD_MAX_BYTES)
    if (unusedBytes - this.#leastBytes <= deadMaxBytes) return
    // If these bytes turn out to be in use after all, they do not start another mark.
    this.#leastBytes = unusedBytes
    heap.startMarking()
  }
}
