/**
 * An output's cursor in one stream: what is out in a request, and from where to read on.
 *
 *     settled │ batch: taken, not settled │ not yet read …
 *             │  [ e4  e5  e6 ]           │  e7  e8  e9
 *                                         └ next
 *
 * Neighbours of one target are taken together up to `batchMaxBytes`; a larger write goes alone.
 * What was taken stays in `batch` until it is settled, over as many attempts as that needs, so
 * order is kept by construction.
 *
 * Invariant: every entry of `batch` has a position below `next`, and they are in order.
 */

import type { Entry } from '../log/entry.ts'
import type { StreamLog } from '../log/stream-log.ts'
import type { Timer } from '../std/clock.ts'
import type { Write } from '../write/write.ts'
import type { Batch } from './destination.ts'

/** A taken entry, as this output sends it. */
export interface Taken {
  readonly entry: Entry
  /** The entry's write without the lines that the output's filters hold back. */
  readonly write: Write
  readonly filteredLineCount: number
}

export class StreamDrain {
  readonly log: StreamLog
  /** In position order; the head of it is what the next attempt carries. */
  batch: Taken[] = []
  /** Position from which to read on. */
  next: number
  /** A request is out, or its answer is being dealt with. */
  isBusy = false
  /** Attempts that have failed in a row. */
  failures = 0
  /** Runs while the stream waits for its next attempt. */
  retryTimer: Timer | undefined
  /** Writes that this output still owes here, taken or not. */
  pendingCount = 0
  /** After a merged request was refused: its writes go one by one. */
  isSplit = false
  /**
   * Attempts fail, or what they left waiting is still being worked off: no client waits for this.
   */
  isBehind = false
  /** The last `take` left nothing unread. */
  hasReadAll = false

  constructor(log: StreamLog, next: number) {
    this.log = log
    this.next = next
  }

  /** The oldest entry that has not been taken; moves `next` past withdrawn ones. */
  peek(): Entry | undefined {
    while (this.next < this.log.end) {
      const entry = this.log.at(this.next)
      if (entry !== undefined) return entry
      this.next++
    }
    return undefined
  }

  /**
   * Appends entries to an empty `batch`: the first, and its neighbours that may be merged with it.
   */
  take(batchMaxBytes: number, view: (entry: Entry) => Taken | undefined): void {
    let bytes = 0
    for (let entry = this.peek(); entry !== undefined; entry = this.peek()) {
      const first = this.batch[0]
      if (first !== undefined) {
        if (!isMergeable(first.write, entry.write)) break
        if (bytes + entry.write.body.length > batchMaxBytes) break
      }
      this.next++
      const taken = view(entry)
      if (taken === undefined) continue
      bytes += taken.write.body.length
      this.batch.push(taken)
    }
    this.hasReadAll = this.next === this.log.end
  }

  /** How many entries at the head of `batch` the next attempt carries. */
  attemptSize(): number {
    return this.isSplit ? Math.min(1, this.batch.length) : this.batch.length
  }

  /** Takes an entry out of `batch`. */
  drop(entry: Entry): Taken | undefined {
    const index = this.batch.findIndex((taken) => taken.entry === entry)
    return index < 0 ? undefined : this.batch.splice(index, 1)[0]
  }
}

function isMergeable(first: Write, second: Write): boolean {
  if (first.kind !== 'lines' || second.kind !== 'lines') return false
  return first.target === second.target || first.target.key === second.target.key
}

export function toBatch(taken: readonly Taken[]): Batch {
  const first = taken[0]
  if (first === undefined) throw new Error('BUG: a batch without writes')
  let bytes = 0
  for (const { write } of taken) bytes += write.body.length
  return { target: first.write.target, writes: taken.map(({ write }) => write), bytes }
}
