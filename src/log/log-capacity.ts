/**
 * Decides whether the log accepts new writes, and which outputs give up records to make room.
 * Combines the bound of the log, the free disk space and the lag of the outputs.
 *
 * Not here: the limits (log-limits.ts), which records are given up (log-bounds.ts), giving them up
 * (disk-log.ts).
 */

import type { Clock } from '../std/clock.ts'
import type { OutputCursor } from './cursors/output-cursor.ts'
import type { FileSystem } from './file-system.ts'
import { KeepingPace } from './keeping-pace.ts'
import { dropBelow, leadingBelow, type SegmentSize } from './retention/log-bounds.ts'
import { isSpaceLow, type LogLimits, limitsOf } from './retention/log-limits.ts'

export interface LogCapacityOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly clock: Clock
  readonly maxBytes: number
  /** Tests set 0: an output gives up records as soon as another output has done them. */
  readonly lagMaxMs?: number | undefined
}

export class LogCapacity {
  readonly #options: LogCapacityOptions
  readonly limits: LogLimits
  readonly #keepingPace: KeepingPace
  #isSpaceLow = false

  constructor(options: LogCapacityOptions) {
    this.#options = options
    this.limits = limitsOf(options.maxBytes)
    this.#keepingPace = new KeepingPace(options.lagMaxMs)
  }

  /** The bound is reached, or the file system is nearly full. */
  isFull(bytes: number): boolean {
    return this.#isSpaceLow || bytes >= this.limits.fullBytes
  }

  /** Checks the free space. Rejects with the error of the file system. */
  async look(): Promise<void> {
    this.#isSpaceLow = await isSpaceLow(this.#options)
  }

  /**
   * @param cursors always the same outputs in the same order
   * @returns for each output, the number below which it gives up its owed records; 0 = none
   */
  dropBelow(
    cursors: readonly OutputCursor[],
    segments: readonly SegmentSize[],
    isUp: (index: number) => boolean,
  ): readonly number[] {
    const now = cursors.map(({ done, boundBytes, since, isConfigured }) => {
      return { below: done.below, boundBytes, since, isConfigured }
    })
    const progress = now.map(({ below }, index) => {
      return { below, othersBelow: leadingBelow(now, index) }
    })
    const keepPace = this.#keepingPace.update(progress, this.#options.clock.monotonicMs())
    const bounded = now.map((cursor, index) => {
      return {
        ...cursor,
        keepsPace: keepPace[index] === true && cursor.isConfigured && isUp(index),
      }
    })
    return dropBelow({ segments, cursors: bounded, maxBytes: this.limits.giveWayBytes })
  }
}
