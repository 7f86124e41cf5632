/** A record on its way to the disk, from its append until its fate is known. */

import type { PreparedRecord } from './record.ts'

export type AppendResult =
  | { readonly kind: 'durable' }
  /** It may or may not come back after a restart; nobody may be told that it is stored. */
  | { readonly kind: 'failed'; readonly error: unknown; readonly failuresInRow: number }

const NOTHING = Buffer.alloc(0)
const SETTLED: PreparedRecord = { header: NOTHING, payload: NOTHING, bytes: 0 }

export class WaitingRecord {
  readonly sequence: number
  /** Never rejects. */
  readonly result: Promise<AppendResult>
  readonly #resolve: (result: AppendResult) => void
  #record: PreparedRecord

  constructor(record: PreparedRecord, sequence: number) {
    const { promise, resolve } = Promise.withResolvers<AppendResult>()
    this.sequence = sequence
    this.result = promise
    this.#resolve = resolve
    this.#record = record
  }

  /** Empty once it is settled. */
  get record(): PreparedRecord {
    return this.#record
  }

  /** Lets go of the bytes: V8 may keep this for longer (docs/decisions/young-bodies.md). */
  settle(result: AppendResult): void {
    this.#record = SETTLED
    this.#resolve(result)
  }
}

/** As many of those that wait as fit, at least one. */
export function firstThatFit(
  waiting: readonly WaitingRecord[],
  maxBytes: number,
): readonly WaitingRecord[] {
  let bytes = 0
  const tooMany = waiting.findIndex(({ record }, index) => {
    bytes += record.bytes
    return index > 0 && bytes > maxBytes
  })
  return tooMany < 0 ? [...waiting] : waiting.slice(0, tooMany)
}
