/**
 * Where a relay's writes go first: on the disk, where it has a folder for that, then into memory,
 * where outputs find them.
 *
 *     append ──▶ disk: one sync for all that came meanwhile ──▶ ready, in the order of the appends
 *        └─────── without a disk: ready at once ──────────────────┘
 *
 * Promise: `onReady` comes only for what is on the disk, in order; `onFailed` for what is not, and
 * then no output has seen it.
 */

import type { DiskLog } from '../log/disk/disk-log.ts'
import type { Entry } from '../log/entry.ts'
import { MemoryLog } from '../log/memory-log.ts'
import type { Clock } from '../std/clock.ts'
import type { MemoryBudget } from '../std/memory-budget.ts'
import type { Write } from '../write/write.ts'
import type { WriteRefusal } from './admission.ts'

export interface WriteLogOptions {
  readonly memory: MemoryBudget
  readonly clock: Clock
  readonly disk: DiskLog | undefined
  /** The entry may be offered to outputs: it is to be pushed to `memoryLog`, or discarded. */
  readonly onReady: (entry: Entry) => void
  /** The disk did not take it; it is given back. */
  readonly onFailed: (entry: Entry) => void
}

export class WriteLog {
  readonly memoryLog: MemoryLog
  readonly disk: DiskLog | undefined
  readonly #options: WriteLogOptions

  constructor(options: WriteLogOptions) {
    this.#options = options
    this.memoryLog = new MemoryLog(options)
    this.disk = options.disk
  }

  /** @returns why not, when it is not taken; then nothing has changed */
  append(write: Write): Entry | WriteRefusal {
    if (this.disk !== undefined) return this.#appendDurable(write, this.disk)
    const entry = this.memoryLog.prepare(write)
    if (entry === undefined) return 'memory-full'
    this.#options.onReady(entry)
    return entry
  }

  #appendDurable(write: Write, disk: DiskLog): Entry | WriteRefusal {
    if (!disk.canAppend) return disk.isFailing ? 'log-failing' : 'log-full'
    const entry = this.memoryLog.prepare(write, disk.nextSequence)
    if (entry === undefined) return 'memory-full'
    entry.isDurable = false
    const appending = disk.append(write)
    if (appending === undefined) {
      this.memoryLog.discard(entry)
      return 'record-too-large'
    }
    // Never rejects; the results of one group come in the order of their numbers.
    void appending.result.then(({ kind }) => {
      entry.isDurable = kind === 'durable'
      if (entry.isDurable) return this.#options.onReady(entry)
      this.memoryLog.discard(entry)
      this.#options.onFailed(entry)
    })
    return entry
  }
}
