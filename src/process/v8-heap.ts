/**
 * What we ask of V8's garbage collector, through flags that it reads again at every collection. All
 * of it is about cost: a V8 that does not know a flag goes on as it does by default.
 *
 * Not here: when to ask (garbage-collection.ts).
 */

import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** V8 marks by itself once the heap and its buffers together have grown by so much. */
const GROWTH_PERCENT = 200
/**
 * Size of the young generation, but for what V8 keeps of each page for itself. V8 would let it grow
 * to 16 MB, and keeps twice the size for it.
 */
const YOUNG_BYTES = 3.9 * 1024 * 1024
/** Number of objects: some 1.5 MB, for which V8 makes the young generation twice as large. */
const SURVIVORS = 30_000

export interface Heap {
  /** Objects and buffers in use, with those that are dead and not collected. */
  readonly heldBytes: number
  /** Collects what has become garbage soon after it was made. Takes a millisecond, or some. */
  collectYoung(): void
  /** Has V8 mark whatever is in use, in steps beside all else, and collect the rest. */
  startMarking(): void
  /** Makes the young generation grow to its size, to which V8 does not let it grow by itself. */
  restoreYoung(): void
}

/** Beyond it V8 ends the process: `--max-old-space-size`, else a share of the machine's memory. */
export function heapLimitBytes(): number {
  return getHeapStatistics().heap_size_limit
}

/**
 * The young generation grows no more by itself. To be called before most of the program is loaded,
 * which would make it grow.
 */
export function keepYoungSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

/** To be called once, before the first body. */
export function openHeap(): Heap {
  const heap = new V8Heap(youngCollector())
  // Else also after every 64 MB of buffers, freed or not.
  setFlagsFromString('--external-memory-accounted-in-global-limit')
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
  keepYoungSmall()
  heap.restoreYoung()
  return heap
}

class V8Heap implements Heap {
  readonly collectYoung: () => void
  /** Somebody else has set a limit to the young generation, or V8 has become another one. */
  #cannotGrow = false

  constructor(collectYoung: () => void) {
    this.collectYoung = collectYoung
  }

  get heldBytes(): number {
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }

  startMarking(): void {
    // After every collection V8 looks whether it has to mark: with this flag it has.
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

/** V8 gives its collector only to contexts that are made while this flag stands. */
function youngCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('globalThis.gc')
  setFlagsFromString('--no-expose-gc')
  return typeof collect === 'function' ? () => collect({ type: 'minor' }) : () => {}
}
