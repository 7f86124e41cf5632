/** Room for a new write in the backlogs of all outputs, and who of them is how far. */

import type { Output } from '../delivery/output.ts'
import { entryBytes } from '../log/entry.ts'
import type { Write } from '../write/write.ts'
import type { WriteRefusal } from './admission.ts'

/**
 * Why an output has no room for the write; `undefined` if all have. All are asked before any makes
 * room: none drops an old write for a new one that is then refused.
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

/** Where the furthest of the other outputs stands; 0 without any. */
export function othersBelow(outputs: readonly Pick<Output, 'below'>[], index: number): number {
  return Math.max(0, ...outputs.map(({ below }, other) => (other === index ? 0 : below)))
}
