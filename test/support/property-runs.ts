/**
 * How often a property is tried.
 *
 * The count is fixed: a loaded machine takes longer, but tries as much as an idle one. With
 * `FUZZ_MS=60000` a property is tried for so long instead.
 */

const FUZZ_MS = process.env['FUZZ_MS']

/** Whether this is a long run, which tries other cases each time. */
export const IS_LONG_RUN = FUZZ_MS !== undefined

export function propertyRuns(count: number) {
  if (FUZZ_MS === undefined) return { numRuns: count }
  return {
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: Number(FUZZ_MS),
    markInterruptAsFailure: false,
  }
}
