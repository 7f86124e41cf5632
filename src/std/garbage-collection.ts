/**
 * How V8 reacts to memory outside its heap, where all bodies live.
 *
 * By default every 64 MB of buffers, freed or not, start a full mark of the heap on all cores: with
 * large bodies that was 40 % of all CPU. Counted in V8's global limit instead, buffers are
 * collected at the same peak size for a third of it (measured; bench/README.md). There V8 lets them
 * grow by a third until it marks again, which is less than what comes between two collections of
 * the young: allowed to grow by four, it has hardly a reason to mark, at the same peak size.
 *
 * What that still leaves lying about is tens of megabytes of dead bodies, because a body is one
 * small object to V8, and its young generation is collected by the size of objects. Bodies die
 * young, if nothing old and dead holds them (docs/decisions/young-bodies.md); so after every
 * COLLECT_AFTER_BYTES of them the young generation is collected, which costs a millisecond.
 */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const COLLECT_AFTER_BYTES = 16 * 1024 * 1024

/** To be called once, before the first body. Does nothing on a V8 that does not know the flag. */
export function tuneGarbageCollection(): void {
  setFlagsFromString('--external-memory-accounted-in-global-limit')
  setFlagsFromString('--external-memory-max-growing-factor=4')
}

/** Counts the bodies that are let go of, and has them collected in good time. */
export class BodyGarbage {
  readonly #collect: () => void
  #bytes = 0

  /** @param collect only for tests */
  constructor(collect = youngCollector()) {
    this.#collect = collect
  }

  add(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < COLLECT_AFTER_BYTES) return
    this.#bytes = 0
    // Whoever has let go of the last one may still have it on the stack.
    setImmediate(this.#collect)
  }
}

/** V8 gives its collector only to contexts that are made while this flag stands. */
function youngCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('globalThis.gc')
  setFlagsFromString('--no-expose-gc')
  return typeof collect === 'function' ? () => collect({ type: 'minor' }) : () => {}
}
