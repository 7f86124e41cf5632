/**
 * When garbage is collected. All bodies live in memory outside V8's heap, and to V8 a body is one
 * small object; left alone it either lets tens of megabytes of dead ones lie about, or marks its
 * whole heap for every few of them, which was half of all CPU (bench/README.md).
 *
 *     bodies ──16 MB──▶ the young are collected: nearly all, in a millisecond
 *                       └── dead ones over DEAD_MAX left ──▶ the whole heap is marked
 *
 * Bodies die young, if nothing old and dead holds them (docs/decisions/young-bodies.md). Those of
 * a backlog do not: they have become old, and are left lying about when it has been sent.
 */

import type { Heap } from './v8-heap.ts'

const COLLECT_AFTER_BYTES = 16 * 1024 * 1024
const DEAD_MAX_BYTES = 48 * 1024 * 1024

/** Counts the bodies that are let go of, and has them collected in good time. */
export class BodyGarbage {
  readonly #heap: Heap
  readonly #usedBytes: () => number
  #bytes = 0
  #isDue = false
  /** Held beside what is in use, the least since the last mark: what is more than that is dead. */
  #leastBytes: number

  /**
   * To be made before the first body.
   *
   * @param usedBytes of the bodies and what belongs to them, as far as they are in use
   */
  constructor(heap: Heap, usedBytes: () => number) {
    this.#heap = heap
    this.#usedBytes = usedBytes
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
    const unusedBytes = heap.heldBytes - this.#usedBytes()
    this.#leastBytes = Math.min(this.#leastBytes, unusedBytes)
    if (unusedBytes - this.#leastBytes <= DEAD_MAX_BYTES) return
    // Should it turn out to be needed after all, it is not asked for again.
    this.#leastBytes = unusedBytes
    heap.startMarking()
  }
}
