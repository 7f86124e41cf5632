/**
 * The real clock with timers that are many times shorter, for parts that do something every second
 * and in real files, so that a test neither waits nor has to know when they are done.
 */
import { type Clock, systemClock } from '../../src/std/clock.ts'

const TIMES = 50

export const hurriedClock: Clock = {
  ...systemClock,
  startTimer: (delayMs, fire, options) => systemClock.startTimer(delayMs / TIMES, fire, options),
}
