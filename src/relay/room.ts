/** Compares the outputs of a relay: room for a new write in each backlog, and their positions. */

import type { Output } from '../delivery/output.ts'
import { entryBytes } from '../log/entry.ts'
import type { Write } from '../write/write.ts'
import type { WriteRefusal } from './admission.ts'

/**
 * Why an output has no room for the write; `undefined` if all outputs have room. All outputs are
 * asked before any of them makes room, so no old write is dropped for a new write that is refused.
 */
export function refusalByOutputs(
  outputs: readonly Pick<Output, 'refusalOf'>[],
  write: Write,
): WriteRefusal | undefined {
  const bytes = entryBytes(write)
  for (const output of outputs) {
    const refusal = output.refusalOf(write, bytes)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

/** Position of the leading other output; 0 if there is no other output. */
export function othersBelow(outputs: readonly Pick<Output, 'below'>[], index: number): number {
  return Math.max(0, ...outputs.map(({ below }, other) => (other === index ? 0 : below)))
}
