/** Compares the outputs of a relay: room for a new write in each backlog, and their positions. */

import type { Output } from '../delivery/output.ts'
import { entryBytes } from '../log/entry.ts'
import type { Write } from '../write/write.ts'
import type { WriteRefusal } from './admission.ts'

/**
 * Why an output has no room for the write; `undefined` if all outputs have room. All outputs are
 * asked before any of them makes room, so no old write is dropped for a new write that is refused.
 * All are asked even if one refuses: each output knows then how often its own backlog was full.
 */
export function refusalByOutputs(
  outputs: readonly Pick<Output, 'refusalOf'>[],
  write: Write,
): WriteRefusal | undefined {
  const bytes = entryBytes(write)
  let first: WriteRefusal | undefined
  for (const output of outputs) {
    const refusal = output.refusalOf(write, bytes)
    first ??= refusal
  }
  return first
}

/** Whether the backlog of the leading other output is mostly empty. */
export function othersEmpty(
  outputs: readonly Pick<Output, 'below' | 'isMostlyEmpty'>[],
  index: number,
): boolean {
  const below = othersBelow(outputs, index)
  return outputs.some((other, at) => at !== index && other.below === below && other.isMostlyEmpty)
}

/** Position of the leading other output; 0 if there is no other output. */
export function othersBelow(outputs: readonly Pick<Output, 'below'>[], index: number): number {
  return Math.max(0, ...outputs.map(({ below }, other) => (other === index ? 0 : below)))
}
