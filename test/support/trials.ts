/**
 * The number of trials in tests that repeat something: `RELAY_TRIALS=20` runs twenty times as many
 * as CI does. On a developer's machine the default is half of CI's.
 */

const DEFAULT = process.env['CI'] === 'true' ? 1 : 0.5

export const TRIALS = Number(process.env['RELAY_TRIALS'] ?? DEFAULT)
if (!(TRIALS > 0)) throw new Error('RELAY_TRIALS must be a number above 0')

/** @param count the number of trials in CI */
export function scaled(count: number): number {
  return Math.max(1, Math.round(count * TRIALS))
}
