/**
 * One write in the log, and what the outputs together know of it.
 *
 * The counts decide four things: an entry leaves the log when nobody owes it any more; it may be
 * withdrawn while no output has begun it; an output over its bound may lose it only when it is
 * stored elsewhere or the client was told no; and an output that misses its database keeps it only
 * while another one has stored it, or still may.
 */

import { packedBody, type Write, type WriteTarget } from '../write/write.ts'

/** Every write counts so much against bounds beside its body: tiny ones are bounded as well. */
const ENTRY_OVERHEAD_BYTES = 256
/**
 * Every entry takes so much more of memory than it counts: the objects that describe it, and those
 * of its body outside of V8's heap. Measured with 641,000 one-line writes waiting, which took 706
 * bytes each beside their bodies.
 */
const RESIDENT_OVERHEAD_BYTES = 512

const TARGET_COPIES = 6

export interface Entry {
  /** Rises by one with every append to this log; never reused. */
  readonly sequence: number
  /** Place in its stream's log; rises by one with every append to it. */
  position: number
  /** Read again for one output that is behind; others may have stored it, or may yet. */
  readonly isFromDisk: boolean
  readonly write: Write
  /** What it counts against bounds. */
  readonly bytes: number
  /** What it takes of the memory budget. */
  readonly residentBytes: number
  /** Monotonic milliseconds at append. */
  readonly appendedAtMs: number
  /** Taken of the memory budget for its stream, should that have to be made. */
  claimedBytes: number
  /** Outputs that have stored it. */
  storedCount: number
  /** Attempts at any output that were begun, and are not known to have done nothing. */
  begunCount: number
  /** Outputs that still owe it. */
  owedCount: number
  /** Of those, the ones that miss its database or retention policy. */
  heldCount: number
  /** Lines that the first output to settle it has refused; `undefined` before. */
  firstRefusedLineCount: number | undefined
  /** On the disk, where the log is kept there: no output sees it before, and no client is told. */
  isDurable: boolean
  /** The client was told anything but yes. */
  isDisowned: boolean
}

/** What `write` will count against bounds once it is in the log. */
export function entryBytes(write: Write): number {
  return write.body.length + (packedBody(write)?.length ?? 0) + ENTRY_OVERHEAD_BYTES
}

/**
 * What an entry of so many bytes takes of the memory budget. Its target counts several times: its
 * strings and their key, and what each output makes of them. A client may send other ones with
 * every write, as long as a head may be.
 */
export function residentEntryBytes(bytes: number, { key }: WriteTarget): number {
  return residentBytes(bytes) + TARGET_COPIES * key.length
}

/** What `count` entries that count `bytes` together against bounds take of the memory budget. */
export function residentBytes(bytes: number, count = 1): number {
  return bytes + count * RESIDENT_OVERHEAD_BYTES
}
