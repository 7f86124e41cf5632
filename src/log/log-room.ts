/**
 * Whether a log has room for more, and who has to give way so that it has: its bound, the file
 * system's, and who keeps pace with whom, put together.
 *
 * Not here: the shares (log-limits.ts), what is given up (log-bounds.ts), carrying it out.
 */

import type { Clock } from '../std/clock.ts'
import type { OutputCursor } from './cursors/output-cursor.ts'
import type { FileSystem } from './file-system.ts'
import { InSync } from './in-sync.ts'
import { dropBelow, othersBelow, type SegmentSize } from './retention/log-bounds.ts'
import { isSpaceLow, type LogLimits, limitsOf } from './retention/log-limits.ts'

export interface LogRoomOptions {
  readonly files: FileSystem
  readonly folder: string
  readonly clock: Clock
  readonly maxBytes: number
  /** 0 in tests of what is given up: as soon as another output has it. */
  readonly lagMaxMs?: number | undefined
}

export class LogRoom {
  readonly #options: LogRoomOptions
  readonly limits: LogLimits
  readonly #inSync: InSync
  #isSpaceLow = false

  constructor(options: LogRoomOptions) {
    this.#options = options
    this.limits = limitsOf(options.maxBytes)
    this.#inSync = new InSync(options.lagMaxMs)
  }

  /** The bound is reached, or the file system is nearly full. */
  isFull(bytes: number): boolean {
    return this.#isSpaceLow || bytes >= this.limits.fullBytes
  }

  /** Looks at the file system. Rejects with its error. */
  async look(): Promise<void> {
    this.#isSpaceLow = await isSpaceLow(this.#options)
  }

  /**
   * @param places always the same, in one order
   * @returns for each the number below which it gives up what it owes; 0 = nothing
   */
  dropBelow(
    cursors: readonly OutputCursor[],
    segments: readonly SegmentSize[],
    isUp: (index: number) => boolean,
  ): readonly number[] {
    const now = cursors.map(({ done, boundBytes, since, isConfigured }) => {
      return { below: done.below, boundBytes, since, isConfigured }
    })
    const synced = now.map(({ below }, index) => {
      return { below, othersBelow: othersBelow(now, index) }
    })
    const areInSync = this.#inSync.look(synced, this.#options.clock.monotonicMs())
    const bounded = now.map((cursor, index) => {
      return {
        ...cursor,
        isInSync: areInSync[index] === true && cursor.isConfigured && isUp(index),
      }
    })
    return dropBelow({ segments, cursors: bounded, maxBytes: this.limits.giveWayBytes })
  }
}
