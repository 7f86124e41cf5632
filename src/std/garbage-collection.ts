/**
 * How V8 reacts to memory outside its heap, where all bodies live.
 *
 * By default every 64 MB of buffers, freed or not, start a full mark of the heap on all cores: with
 * large bodies that was 40 % of all CPU. Counted in V8's global limit instead, buffers are
 * collected at the same peak size for a third of it (measured; bench/README.md).
 */

import { setFlagsFromString } from 'node:v8'

/** To be called once, before the first body. Does nothing on a V8 that does not know the flag. */
export function tuneGarbageCollection(): void {
  setFlagsFromString('--external-memory-accounted-in-global-limit')
}
