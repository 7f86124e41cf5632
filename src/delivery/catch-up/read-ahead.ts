/**
 * How much an output that is behind may read into memory.
 *
 *     memory of all   ├──────────────── read ahead ────────────────┤── for new writes ──┤
 *                     0                                           3/4                 limit
 *
 * Its window bounds what it has there itself. Where the memory of all is short, it gets no more
 * than keeps its requests going: what new writes would need is not filled with old ones, only to be
 * given back at once.
 *
 * Limit: beside the bounds one record, whatever its size, when nothing else waits to be sent here.
 */

import { residentBytes } from '../../log/entry.ts'
import type { Memory } from '../../std/memory-budget.ts'
import type { Backlog } from '../backlog.ts'

/**
 * What an output has in memory of the log on disk, at least; beyond it reads again, which sixteen
 * clients with bodies of 500 KB must not make it do.
 */
const WINDOW_MIN_BYTES = 16 * 1024 * 1024
/** Requests of the largest size that fit into it. */
const WINDOW_BATCHES = 2
const READ_AHEAD_SHARE = 3 / 4
/** Of all memory, and of its window, what may wait here however little memory is left. */
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

  /** Its window is. */
  get isFull(): boolean {
    return this.#options.backlog.loadedBytes >= this.#options.windowBytes
  }

  /** Whether the memory of all has room for an entry that counts so much more. */
  mayLoad(bytes: number): boolean {
    const { backlog, memory, windowBytes } = this.#options
    const usedBytes = memory.usedBytes + residentBytes(bytes)
    if (usedBytes <= memory.limitBytes * READ_AHEAD_SHARE) return true
    const waitingBytes = backlog.bytesToCatchUp
    // However full the memory is: something must go on here, so that it gets less.
    if (waitingBytes === 0) return true
    const leastOfMemory = memory.limitBytes * LEAST_MEMORY_SHARE
    const leastBytes = Math.min(leastOfMemory, windowBytes * LEAST_WINDOW_SHARE)
    return usedBytes <= memory.limitBytes && waitingBytes + bytes <= leastBytes
  }
}

/** The window of an output that sends so much in one request at most. */
export function defaultWindowBytes(batchMaxBytes: number): number {
  return Math.max(WINDOW_MIN_BYTES, WINDOW_BATCHES * batchMaxBytes)
}
