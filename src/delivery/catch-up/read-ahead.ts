/**
 * Bounds how much an output that is catching up may read into memory.
 *
 *     shared memory   ├──────────────── read ahead ────────────────┤── for new writes ──┤
 *                     0                                           3/4                 limit
 *
 * `windowBytes` bounds the entries of this output. When the shared memory is short, the output may
 * read only as much as keeps its requests going: old writes must not fill the memory that new
 * writes need, because they would have to be given back at once.
 *
 * Limit: one record of any size may exceed the bounds, when nothing else waits to be sent here.
 */

import { residentBytes } from '../../log/entry.ts'
import type { Memory } from '../../std/memory-budget.ts'
import type { Backlog } from '../backlog.ts'

/**
 * Least window of an output. With more waiting the output falls behind and reads from the disk,
 * which sixteen clients with bodies of 500 KB must not cause.
 */
const WINDOW_MIN_BYTES = 16 * 1024 * 1024
/** Requests of the largest size that fit into the window. */
const WINDOW_BATCHES = 2
const READ_AHEAD_SHARE = 3 / 4
/** Shares of the shared memory and of the window that may wait here above READ_AHEAD_SHARE. */
const LEAST_MEMORY_SHARE = 1 / 16
const LEAST_WINDOW_SHARE = 1 / 4

export interface ReadAheadOptions {
  readonly backlog: Backlog
  readonly memory: Memory
  readonly windowBytes: number
}

export class ReadAhead {
  readonly #options: ReadAheadOptions

  constructor(options: ReadAheadOptions) {
    this.#options = options
  }

  /** True when this output already holds `windowBytes` of entries. */
  get isFull(): boolean {
    return this.#options.backlog.loadedBytes >= this.#options.windowBytes
  }

  /** Whether the shared memory has room for another entry of `bytes`. */
  mayLoad(bytes: number): boolean {
    const { backlog, memory, windowBytes } = this.#options
    const usedBytes = memory.usedBytes + residentBytes(bytes)
    if (usedBytes <= memory.limitBytes * READ_AHEAD_SHARE) return true
    const waitingBytes = backlog.bytesToCatchUp
    // However full the memory is, this output must send something to free memory.
    if (waitingBytes === 0) return true
    const leastOfMemory = memory.limitBytes * LEAST_MEMORY_SHARE
    const leastBytes = Math.min(leastOfMemory, windowBytes * LEAST_WINDOW_SHARE)
    return usedBytes <= memory.limitBytes && waitingBytes + bytes <= leastBytes
  }
}

/** Default window of an output whose requests carry at most `batchMaxBytes`. */
export function defaultWindowBytes(batchMaxBytes: number): number {
  return Math.max(WINDOW_MIN_BYTES, WINDOW_BATCHES * batchMaxBytes)
}
