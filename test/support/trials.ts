/**
 * How long the tests that try the same thing many times go on: `RELAY_TRIALS=20` makes each of them
 * twenty times as long as they are in CI. On a desk they are half as long as there.
 */

const DEFAULT = process.env['CI'] === 'true' ? 1 : 0.5

export const TRIALS = Number(process.env['RELAY_TRIALS'] ?? DEFAULT)
if (!(TRIALS > 0)) throw new Error('RELAY_TRIALS must be a number above 0')

/** @param count what one run in CI does */
export function scaled(count: number): number {
  return Math.max(1, Math.round(count * TRIALS))
}
