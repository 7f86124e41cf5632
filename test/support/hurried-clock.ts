/**
 * The real clock with timers that are many times shorter, for code that works on real files every
 * second: the test does not wait, and need not know when the code is done.
 */
import { type Clock, systemClock } from '../../src/std/clock.ts'

const TIMES = 50

export const hurriedClock: Clock = {
  ...systemClock,
  startTimer: (delayMs, fire, options) => systemClock.startTimer(delayMs / TIMES, fire, options),
}
