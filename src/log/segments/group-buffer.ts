/**
 * Encodes the records of a group for one write, into a buffer that is reused.
 *
 * The result is valid until the next call. That is enough: the log writes one group at a time and
 * encodes the next group only after that write. A group larger than KEPT_MAX_BYTES, which is one
 * large record, gets a new buffer.
 */

import { encodeRecord, type RecordSeal } from './record.ts'
import type { WaitingRecord } from './waiting-record.ts'

const KEPT_MIN_BYTES = 64 * 1024
const KEPT_MAX_BYTES = 4 * 1024 * 1024

export class GroupBuffer {
  #kept: Buffer = Buffer.allocUnsafeSlow(KEPT_MIN_BYTES)

  encode(group: readonly WaitingRecord[], seal: RecordSeal): Buffer {
    const into = this.#room(group.reduce((sum, { record }) => sum + record.bytes, 0))
    let at = 0
    for (const { record, sequence } of group) {
      encodeRecord(record, sequence, seal, { into, at })
      at += record.bytes
    }
    return into
  }

  #room(bytes: number): Buffer {
    if (bytes > KEPT_MAX_BYTES) return Buffer.allocUnsafeSlow(bytes)
    if (bytes > this.#kept.length) {
      const keptBytes = Math.min(Math.max(bytes, 2 * this.#kept.length), KEPT_MAX_BYTES)
      this.#kept = Buffer.allocUnsafeSlow(keptBytes)
    }
    return this.#kept.subarray(0, bytes)
  }
}
