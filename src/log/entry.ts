/**
 * One write in the log, and its state over all outputs.
 *
 * The counts decide four things. An entry is removed when it is pending at no output any more. It
 * may be withdrawn while no output has begun to send it. An output over its bound may drop it only
 * when another output has stored it or the client did not get a success. An output whose server
 * lacks the entry's database keeps the entry only while another output has stored it or still may.
 */

import { packedBody, type Write, type WriteTarget } from '../write/write.ts'

/** Added to the body of every write for the bounds, so that the bounds also limit tiny writes. */
const ENTRY_OVERHEAD_BYTES = 256
/**
 * Memory of an entry beyond its bytes against the bounds: the objects that describe it, and those
 * of its body outside V8's heap. Measured with 641,000 one-line writes waiting, which took 706
 * bytes each beside their bodies.
 */
const RESIDENT_OVERHEAD_BYTES = 512

const TARGET_COPIES = 6

export interface Entry {
  /** Rises by one with every append to this log; never reused. */
  readonly sequence: number
  /** Position in the entry's stream; rises by one with every append to that stream. */
  position: number
  /** Read from disk for one output that is catching up; others may have stored it, or may yet. */
  readonly isFromDisk: boolean
  readonly write: Write
  /** Bytes that count against the bounds. */
  readonly bytes: number
  /** Bytes taken from the memory budget. */
  readonly residentBytes: number
  /** Monotonic milliseconds at append. */
  readonly appendedAtMs: number
  /** Bytes taken from the memory budget for the entry's stream, in case it must be made. */
  claimedBytes: number
  /** Count of the outputs that have stored it. */
  storedCount: number
  /** Count of the attempts, at any output, that were begun and may have had an effect. */
  begunCount: number
  /** Count of the outputs at which it is still pending. */
  pendingAtCount: number
  /** Count of those outputs whose server lacks its database or retention policy. */
  heldCount: number
  /** Lines that the first output to settle it refused; `undefined` before. */
  firstRefusedLineCount: number | undefined
  /** On the disk, if the log is there. Before that no output sees it and no client is answered. */
  isDurable: boolean
  /** The client got an answer other than success. */
  wasClientRefused: boolean
}

/** Bytes that `write` will count against the bounds once it is in the log. */
export function entryBytes(write: Write): number {
  return write.body.length + (packedBody(write)?.length ?? 0) + ENTRY_OVERHEAD_BYTES
}

/**
 * Bytes of the memory budget for an entry of `bytes` bytes. The target counts several times: its
 * strings, their key, and the copies that each output makes. A client may send a new target with
 * every write, as long as a request head may be.
 */
export function residentEntryBytes(bytes: number, { key }: WriteTarget): number {
  return residentBytes(bytes) + TARGET_COPIES * key.length
}

/** Bytes of the memory budget for `count` entries that count `bytes` together for the bounds. */
export function residentBytes(bytes: number, count = 1): number {
  return bytes + count * RESIDENT_OVERHEAD_BYTES
}
