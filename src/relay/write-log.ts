/**
 * Append path of a relay: a write goes to the log on disk, if there is one, then to the log in
 * memory, from which the outputs read.
 *
 *     append ──▶ disk: one sync for all waiting appends ──▶ ready, in the order of the appends
 *        └─────── without a disk: ready at once ──────────────────┘
 *
 * Promise with a log on disk: `onReady` is called only for entries that are on the disk, in order.
 * `onFailed` is called for all others, and no output has seen those.
 */

import type { DiskLog } from '../log/disk-log.ts'
import type { Entry } from '../log/entry.ts'
import { MemoryLog } from '../log/memory-log.ts'
import type { Clock } from '../std/clock.ts'
import type { Memory } from '../std/memory-budget.ts'
import type { Write } from '../write/write.ts'
import { refusalReply, type WriteRefusal } from './admission.ts'

interface Then {
  /** The only output that the write is for; absent = all outputs. */
  readonly output?: string
  /** The entry may be offered to outputs; the callee pushes it to `memoryLog`, or discards it. */
  readonly onReady: (entry: Entry) => void
  /** The entry could not be written to disk; its memory was released. */
  readonly onFailed: (entry: Entry) => void
}

export interface WriteLogOptions extends Then {
  readonly memory: Memory
  readonly clock: Clock
  readonly disk: DiskLog | undefined
  readonly outputCount: number
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

  /** @returns the entry; or, with nothing changed, why the write is refused */
  append(write: Write): Entry | WriteRefusal {
    if (this.disk !== undefined) return this.#appendDurable(write, this.disk, this.#options)
    const entry = this.memoryLog.prepare(write)
    if (entry === undefined) return 'memory-full'
    this.#options.onReady(entry)
    return entry
  }

  /**
   * Appends a write for one output only; needs a log on disk.
   *
   * @returns '' once the write is on the disk; else why it is not
   */
  appendFor(output: string, write: Write, onReady: (entry: Entry) => void): Promise<string> {
    const { disk } = this
    if (disk === undefined) return Promise.resolve('there is no log on disk')
    const { promise, resolve } = Promise.withResolvers<string>()
    const then = {
      output,
      onReady: (entry: Entry) => {
        onReady(entry)
        resolve('')
      },
      onFailed: (entry: Entry) => {
        this.#options.onFailed(entry)
        resolve('the log on disk cannot be written')
      },
    }
    const entry = this.#appendDurable(write, disk, then)
    if (typeof entry === 'string') resolve(refusalReply(entry).error)
    return promise
  }

  #appendDurable(write: Write, disk: DiskLog, then: Then): Entry | WriteRefusal {
    if (!disk.canAppend) return disk.isFailing ? 'log-failing' : 'log-full'
    const entry = this.memoryLog.prepare(write, disk.nextSequence)
    if (entry === undefined) return 'memory-full'
    entry.isDurable = false
    const appending = disk.append(write, then.output)
    if (appending === undefined) {
      this.memoryLog.discard(entry)
      return 'record-too-large'
    }
    // Never rejects. The results of one sync come in the order of their sequence numbers.
    void appending.result.then(({ kind }) => {
      entry.isDurable = kind === 'durable'
      if (entry.isDurable) return then.onReady(entry)
      this.memoryLog.discard(entry)
      then.onFailed(entry)
    })
    return entry
  }
}
