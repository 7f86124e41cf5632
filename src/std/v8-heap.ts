/**
 * What we ask of V8's garbage collector, through flags that it reads again at every collection. All
 * of it is about cost: a V8 that does not know a flag goes on as it does by default.
 *
 * Not here: when to ask (garbage-collection.ts).
 */

import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** V8 marks by itself once the heap and its buffers together have grown by so much. */
const GROWTH_PERCENT = 200
/** V8 would let it grow to 16 MB, and then keeps twice that for it. */
const YOUNG_BYTES = 4 * 1024 * 1024
/** Objects that survive a collection of the young, some 1.5 MB, for which V8 makes it grow. */
const SURVIVORS = 30_000
/** Each makes it twice as large. */
const GROWING_TIMES_MAX = 4

export interface Heap {
  /** Objects and buffers in use, with those that are dead and not collected. */
  readonly heldBytes: number
  /** Collects what has become garbage soon after it was made. Takes a millisecond. */
  collectYoung(): void
  /** Has V8 mark whatever is in use, in steps beside all else, and collect the rest. */
  startMarking(): void
  /** Makes the young generation grow to its size again after V8 has shrunk it in a quiet time. */
  restoreYoung(): void
}

/** To be called once, before the first body. */
export function openHeap(): Heap {
  const heap = new V8Heap(youngCollector())
  // Else also after every 64 MB of buffers, freed or not.
  setFlagsFromString('--external-memory-accounted-in-global-limit')
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
  heap.restoreYoung()
  return heap
}

class V8Heap implements Heap {
  readonly collectYoung: () => void

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
    if (youngBytes() >= YOUNG_BYTES) return
    setFlagsFromString('--semi-space-growth-factor=2')
    for (let times = 0; times < GROWING_TIMES_MAX && youngBytes() < YOUNG_BYTES; times++) {
      const survivors = Array.from({ length: SURVIVORS }, (_, index) => ({ index }))
      this.collectYoung()
      survivors.length = 0
    }
    setFlagsFromString('--semi-space-growth-factor=1')
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
