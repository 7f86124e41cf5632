/** A record on its way to the disk, from its append until it is durable or has failed. */

import type { PreparedRecord } from './record.ts'

export type AppendResult =
  | { readonly kind: 'durable' }
  /** After a restart the record may be in the log or not; its client must not get a success. */
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

  /** Empty after `settle`. */
  get record(): PreparedRecord {
    return this.#record
  }

  /** Releases the bytes: V8 may keep this object for longer (docs/decisions/young-bodies.md). */
  settle(result: AppendResult): void {
    this.#record = SETTLED
    this.#resolve(result)
  }
}

/** The longest prefix of `waiting` that fits into `maxBytes`; at least one record. */
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
