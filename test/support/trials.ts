/**
 * How long the tests that try the same thing many times go on: `RELAY_TRIALS=20` makes each of them
 * twenty times as long as the default, which is meant for every run of the suite.
 */

export const TRIALS = Number(process.env['RELAY_TRIALS'] ?? 1)
if (!(TRIALS > 0)) throw new Error('RELAY_TRIALS must be a number above 0')

/** @param count what one default run does */
export function scaled(count: number): number {
  return Math.max(1, Math.round(count * TRIALS))
}
