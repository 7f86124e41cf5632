/**
 * Signal handlers of the process: two signals stop it, the others must not end it by accident.
 *
 * The first SIGINT or SIGTERM requests a clean stop; the second one ends the process at once.
 * SIGHUP (a closed terminal), SIGUSR1 (which would start Node's debugger) and SIGUSR2 (which would
 * end the process) are only logged. SIGPIPE (a closed pipe) is ignored without a log line, and its
 * handler is never removed: without a handler Node lets SIGPIPE end the process, and the last log
 * lines of a stop are written after the other handlers are removed.
 */

import type { Logger } from '../std/logger.ts'

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const
const HARMLESS_SIGNALS = ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const

export interface StopSignals extends Disposable {
  /** Resolves with the first signal that asks for a stop. */
  readonly stopRequested: Promise<NodeJS.Signals>
}

/** @param exitNow ends the process at once */
export function watchStopSignals(logger: Logger, exitNow: () => void): StopSignals {
  let requested = false
  let resolve: (signal: NodeJS.Signals) => void = () => {}
  const stopRequested = new Promise<NodeJS.Signals>((settle) => {
    resolve = settle
  })
  const onStop = (signal: NodeJS.Signals) => {
    if (requested) {
      logger.warn({ signal }, `${signal}: ending at once, without draining`)
      return exitNow()
    }
    requested = true
    resolve(signal)
  }
  const onHarmless = (signal: NodeJS.Signals) => {
    logger.info({ signal }, `${signal} received; it changes nothing`)
  }
  if (!process.listeners('SIGPIPE').includes(ignore)) process.on('SIGPIPE', ignore)
  for (const signal of STOP_SIGNALS) process.on(signal, onStop)
  for (const signal of HARMLESS_SIGNALS) process.on(signal, onHarmless)
  return {
    stopRequested,
    [Symbol.dispose]() {
      for (const signal of STOP_SIGNALS) process.off(signal, onStop)
      for (const signal of HARMLESS_SIGNALS) process.off(signal, onHarmless)
    },
  }
}

function ignore(): void {}
