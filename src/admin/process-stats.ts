/** Figures of this process from the operating system and from Node. */

import { monitorEventLoopDelay } from 'node:perf_hooks'

export interface ProcessStats {
  readonly residentBytes: number
  readonly heapUsedBytes: number
  readonly cpuSeconds: number
  /** Delay of timers since the last reading, in seconds. */
  readonly eventLoopDelayP50S: number
  readonly eventLoopDelayP99S: number
  readonly eventLoopDelayMaxS: number
}

export interface ProcessWatch extends Disposable {
  /** Begins a new window for the event loop delay. */
  read(): ProcessStats
}

const US_PER_S = 1e6
const NS_PER_S = 1e9
/** Interval of node's measurement. */
const RESOLUTION_MS = 20
const RESOLUTION_S = RESOLUTION_MS / 1000

/** The part of node's histogram that is used here. */
type Delays = Pick<
  ReturnType<typeof monitorEventLoopDelay>,
  'percentile' | 'max' | 'reset' | 'enable' | 'disable'
>

export function watchProcess(
  delay: Delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS }),
): ProcessWatch {
  delay.enable()
  return {
    read() {
      const { user, system } = process.cpuUsage()
      const { rss, heapUsed } = process.memoryUsage()
      const stats: ProcessStats = {
        residentBytes: rss,
        heapUsedBytes: heapUsed,
        cpuSeconds: (user + system) / US_PER_S,
        eventLoopDelayP50S: lateS(delay.percentile(50)),
        eventLoopDelayP99S: lateS(delay.percentile(99)),
        eventLoopDelayMaxS: lateS(delay.max),
      }
      delay.reset()
      return stats
    },
    [Symbol.dispose]: () => delay.disable(),
  }
}

/** Node measures the whole time between two checks, so the interval is subtracted. */
function lateS(betweenNs: number): number {
  return Math.max(0, betweenNs / NS_PER_S - RESOLUTION_S)
}
