/** What the operating system and Node say of this process. */

import { monitorEventLoopDelay } from 'node:perf_hooks'

export interface ProcessStats {
  readonly residentBytes: number
  readonly heapUsedBytes: number
  readonly cpuSeconds: number
  /** How late timers were since the last reading, seconds. */
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

export function watchProcess(): ProcessWatch {
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  return {
    read() {
      const { user, system } = process.cpuUsage()
      const { rss, heapUsed } = process.memoryUsage()
      const stats: ProcessStats = {
        residentBytes: rss,
        heapUsedBytes: heapUsed,
        cpuSeconds: (user + system) / US_PER_S,
        eventLoopDelayP50S: delay.percentile(50) / NS_PER_S,
        eventLoopDelayP99S: delay.percentile(99) / NS_PER_S,
        eventLoopDelayMaxS: delay.max / NS_PER_S,
      }
      delay.reset()
      return stats
    },
    [Symbol.dispose]: () => delay.disable(),
  }
}
