/**
 * `relay -config relay.toml`: opens the service, runs it until a signal, stops it cleanly.
 *
 * Exit codes: 0 stopped, and all accepted writes are delivered or kept on disk; 1 the configuration
 * or an address is unusable, a listener died, or accepted writes were lost; 130 a second signal cut
 * the stop short.
 */

import type { Config, LogFormat, LogLevel } from '../config/config.ts'
import { simdProblem } from '../line-protocol/fast/simd-module.ts'
import { renderAddress } from '../net/endpoint.ts'
import { createLogger } from '../process/create-logger.ts'
import { type StopSignals, watchStopSignals } from '../process/stop-signals.ts'
import { openHeap } from '../process/v8-heap.ts'
import { type Leftover, openService, type Service } from '../service.ts'
import { sleep, systemClock } from '../std/clock.ts'
import { errorText, unreachable } from '../std/errors.ts'
import type { Logger } from '../std/logger.ts'
import { renderCount, renderWait } from '../std/units.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK } from './io.ts'
import { loadConfig } from './load-config.ts'
import { renderStopped } from './stop-summary.ts'
import { renderVersion } from './version.ts'

/** The exit code that a shell reports for a process ended by SIGINT. */
const EXIT_CUT_SHORT = 130

export interface RunOptions {
  readonly configPath: string
  /** The command line overrides the configuration file. */
  readonly logLevel: LogLevel | undefined
  readonly logFormat: LogFormat | undefined
}

/** @param onReady called once everything is open */
export async function run(
  options: RunOptions,
  io: CommandIo,
  onReady?: (service: Service) => void,
): Promise<number> {
  const { config, warnings } = loadConfig(options.configPath, io.variables)
  const { logger, flush } = createLogger({
    level: options.logLevel ?? config.logLevel,
    format: options.logFormat ?? config.logFormat,
    descriptor: io.logDescriptor,
    isTerminal: io.stdout.isTerminal,
  })
  let isEnding = false
  const exitNow = () => {
    // A third signal: exit without flushing the log, since standard output may be blocked.
    if (isEnding) process.exit(EXIT_CUT_SHORT)
    isEnding = true
    void flush().then(() => process.exit(EXIT_CUT_SHORT)) // Never rejects.
  }
  // A stop requested while the service opens happens once the service is open, or at the latest
  // after `shutdown-timeout`: a network folder may never answer.
  using signals = watchStopSignals(logger, exitNow)
  const { configPath } = options
  const what = `${renderVersion(io.version)}, configuration ${configPath}`
  logger.info({ ...io.version, config: configPath }, what)
  for (const warning of warnings) logger.warn({}, warning)
  if (simdProblem !== '') logger.debug({}, `lines are checked without SIMD: ${simdProblem}`)
  try {
    return await serve(config, { io, logger, flush, signals, onReady })
  } finally {
    await flush()
  }
}

async function serve(
  config: Config,
  parts: {
    readonly io: CommandIo
    readonly logger: Logger
    readonly signals: StopSignals
    readonly flush: () => Promise<void>
    readonly onReady: ((service: Service) => void) | undefined
  },
): Promise<number> {
  const { io, logger, flush, signals, onReady } = parts
  const opening = openService({
    config,
    version: io.version.version,
    clock: systemClock,
    random: Math.random,
    logger,
    heap: openHeap(),
  })
  const overdue = signals.stopRequested.then(() => sleep(systemClock, config.shutdownTimeoutMs))
  const service = await Promise.race([opening, overdue])
  if (!service) {
    logger.warn({}, 'stopped while it was being opened; nothing was accepted')
    return EXIT_OK
  }
  logAddresses(service, logger)
  await flush() // What `onReady` prints comes after these lines.
  onReady?.(service)
  const cause = await Promise.race([signals.stopRequested, failure(service)])
  if (cause instanceof Error) {
    logger.error({ error: errorText(cause) }, `stopping: a listener died: ${errorText(cause)}`)
  } else {
    const bound = renderWait(config.shutdownTimeoutMs)
    logger.info({ signal: cause }, `${cause}: stopping; outputs drain for at most ${bound}`)
  }
  const isClean = await stop(service, logger)
  return isClean && !(cause instanceof Error) ? EXIT_OK : EXIT_FAILURE
}

async function failure(service: Service): Promise<Error> {
  try {
    return await service.failed
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

function logAddresses(service: Service, logger: Logger): void {
  for (const { relay, kind, endpoint } of service.addresses) {
    const { host, port } = endpoint
    const what = relay === '' ? 'metrics and health' : `relay "${relay}"`
    logger.info({ relay, kind, host, port }, `${what} on ${kind} ${renderAddress(endpoint)}`)
  }
  logger.info({}, 'ready')
}

/** @returns whether all accepted writes are delivered or kept on disk */
async function stop(service: Service, logger: Logger): Promise<boolean> {
  const leftover = await service.stop()
  for (const left of leftover) tellLeftover(left, logger)
  logger.info({}, renderStopped(service.snapshot(), leftover.length > 0))
  return leftover.every(({ unkeptWrites, lostWrites, lostLetters }) => {
    return unkeptWrites + lostWrites + lostLetters === 0
  })
}

const WITH_FILES = 'lost with files of the log on disk'

function tellLeftover(left: Leftover, logger: Logger): void {
  const { relay, output, lines, writes, formerLagWrites, unkeptWrites, lostWrites } = left
  const fields = { relay, output, lines, writes, formerLagWrites, unkeptWrites }
  const who = `relay "${relay}": output "${output}"`
  if (lostWrites > 0) {
    const amount = renderCount(lostWrites, 'write')
    logger.error({ ...fields, lostWrites }, `${who} will not get ${amount}: ${WITH_FILES}`)
  }
  if (left.lostLetters > 0) {
    const amount = renderCount(left.lostLetters, 'dead letter')
    logger.error({ ...fields, lostLetters: left.lostLetters }, `${who}: ${amount} ${WITH_FILES}`)
  }
  const amounts = [
    ...(writes === 0 ? [] : [`${renderCount(lines, 'line')} in ${renderCount(writes, 'write')}`]),
    ...(formerLagWrites === 0 ? [] : [`${renderCount(formerLagWrites, 'write')} of former runs`]),
  ]
  if (amounts.length > 0) {
    const text = `${who} did not get ${amounts.join(' and ')}`
    if (unkeptWrites > 0) logger.error(fields, `${text}${unkeptText(left)}`)
    else if (left.log === 'taken')
      logger.info(fields, `${text}: another process has its log on disk`)
    else logger.info(fields, `${text} yet: kept on disk for the next start`)
  } else if (unkeptWrites > 0) {
    logger.error(fields, `${who}: what became of it is not on record${unkeptText(left)}`)
  }
}

function unkeptText({ log, unkeptWrites }: Leftover): string {
  const unkept = `${renderCount(unkeptWrites, 'write')} in no log, and ending with the process`
  switch (log) {
    case 'none':
      return ', and never will: without log-dir they end with the process'
    case 'ours':
    case 'gone':
      return `; the folder of the log is not whole: ${unkept}`
    case 'taken':
      return `; another process has the folder of the log: ${unkept}`
    default:
      return unreachable(log)
  }
}
