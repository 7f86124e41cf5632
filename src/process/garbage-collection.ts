/**
 * When garbage is collected. All bodies live in memory outside V8's heap, and to V8 a body is one
 * small object; left alone it either lets tens of megabytes of dead ones lie about, or marks its
 * whole heap for every few of them, which was half of all CPU (bench/README.md).
 *
 *     bodies ──16 MB──▶ the young are collected: nearly all, in a millisecond
 *                       └── too many dead ones are left ──▶ the whole heap is marked
 *
 * Bodies die young, if nothing old and dead holds them (docs/decisions/young-bodies.md). Those of
 * a backlog do not: they have become old, and are left lying about when it has been sent.
 */

import type { Heap } from './v8-heap.ts'

const COLLECT_AFTER_BYTES = 16 * 1024 * 1024
/** Dead ones may take what the budget has left, between these two. */
const DEAD_MIN_BYTES = 8 * 1024 * 1024
const DEAD_MAX_BYTES = 24 * 1024 * 1024

interface Budget {
  readonly usedBytes: number
  readonly limitBytes: number
}

/** Counts the bodies that are let go of, and has them collected in good time. */
export class BodyGarbage {
  readonly #heap: Heap
  readonly #budget: () => Budget
  #bytes = 0
  #isDue = false
  /** Held beside what is in use, the least since the last mark: what is more than that is dead. */
  #leastBytes: number

  /**
   * To be made before the first body.
   *
   * @param budget of the bodies and what belongs to them, as far as they are in use
   */
  constructor(heap: Heap, budget: () => Budget) {
    this.#heap = heap
    this.#budget = budget
    this.#leastBytes = heap.heldBytes
  }

  add(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < COLLECT_AFTER_BYTES || this.#isDue) return
    this.#isDue = true
    // Whoever has let go of the last one may still have it on the stack.
    setImmediate(() => this.#collect())
  }

  #collect(): void {
    const heap = this.#heap
    this.#bytes = 0
    this.#isDue = false
    heap.restoreYoung()
    heap.collectYoung()
    const { usedBytes, limitBytes } = this.#budget()
    const unusedBytes = heap.heldBytes - usedBytes
    this.#leastBytes = Math.min(this.#leastBytes, unusedBytes)
    const deadMaxBytes = Math.min(Math.max(limitBytes - usedBytes, DEAD_MIN_BYTES), DEAD_MAX_BYTES)
    if (unusedBytes - this.#leastBytes <= deadMaxBytes) return
    // Should it turn out to be needed after all, it is not asked for again.
    this.#leastBytes = unusedBytes
    heap.startMarking()
  }
}
