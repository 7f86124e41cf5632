/**
 * Controls V8's garbage collector through flags that V8 reads again at every collection. The flags
 * affect only the cost: a V8 that does not know a flag keeps its default behaviour.
 *
 * Not here: when to collect (garbage-collection.ts).
 */

import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** V8 starts a mark of its own when the heap and its buffers together have grown by this much. */
const GROWTH_PERCENT = 200
/**
 * Size of the young generation, without the part of each page that V8 uses for itself. V8 would let
 * the young generation grow to 16 MB, and reserves twice its size.
 */
const YOUNG_BYTES = 3.9 * 1024 * 1024
/** Count of objects, about 1.5 MB, whose survival makes V8 double the young generation. */
const SURVIVORS = 30_000

export interface Heap {
  /** Bytes of objects and buffers, in use or dead but not yet collected. */
  readonly heldBytes: number
  /** Collects the young generation. Takes a millisecond or a few. */
  collectYoung(): void
  /** Starts an incremental mark of the whole heap, after which V8 collects dead objects. */
  startMarking(): void
  /** Grows the young generation to YOUNG_BYTES; V8 cannot do so by itself (`keepYoungSmall`). */
  restoreYoung(): void
}

/** V8 ends the process above it: `--max-old-space-size`, or a share of the machine's memory. */
export function heapLimitBytes(): number {
  return getHeapStatistics().heap_size_limit
}

/**
 * Stops V8 from growing the young generation. Call this before most of the program is loaded:
 * loading would make the young generation grow.
 */
export function keepYoungSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

/** Call this once, before the first body exists. */
export function openHeap(): Heap {
  const heap = new V8Heap(youngCollector())
  // Without this flag V8 also marks after every 64 MB of buffers, whether they are freed or not.
  setFlagsFromString('--external-memory-accounted-in-global-limit')
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
  keepYoungSmall()
  heap.restoreYoung()
  return heap
}

class V8Heap implements Heap {
  readonly collectYoung: () => void
  /** A flag limits the young generation elsewhere, or another V8 version behaves differently. */
  #cannotGrow = false

  constructor(collectYoung: () => void) {
    this.collectYoung = collectYoung
  }

  get heldBytes(): number {
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }

  startMarking(): void {
    // After every collection V8 decides whether to mark; with this flag it always does.
    setFlagsFromString('--stress-incremental-marking')
    this.collectYoung()
    setFlagsFromString('--no-stress-incremental-marking')
  }

  restoreYoung(): void {
    while (youngBytes() < YOUNG_BYTES && !this.#cannotGrow) {
      const before = youngBytes()
      setFlagsFromString('--semi-space-growth-factor=2')
      const survivors = Array.from({ length: SURVIVORS }, (_, index) => ({ index }))
      this.collectYoung()
      survivors.length = 0
      keepYoungSmall()
      this.#cannotGrow = youngBytes() <= before
    }
  }
}

function youngBytes(): number {
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')
  if (young === undefined) return Number.POSITIVE_INFINITY
  return young.space_used_size + young.space_available_size
}

/** V8 exposes its collector only in contexts that are created while this flag is set. */
function youngCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('globalThis.gc')
  setFlagsFromString('--no-expose-gc')
  return typeof collect === 'function' ? () => collect({ type: 'minor' }) : () => {}
}
