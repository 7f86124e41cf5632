/**
 * The running program: the only file that names concrete parts.
 *
 *     Config → per relay: destinations → outputs → relay → listener; then the admin server
 *
 * Opens the parts in that order and closes them in reverse: listeners first, so that no new write
 * comes in while outputs drain.
 */

import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import type { DeadLetterHandlers } from './admin/dead-letter-requests.ts'
import { openAdmin } from './admin/server.ts'
import type { ServiceSnapshot } from './admin/snapshot.ts'
import type { Config, OutputConfig, RelayConfig } from './config/config.ts'
import { type DeadLetters, openDeadLetters } from './dead-letters/store.ts'
import type { Destination } from './destinations/destination.ts'
import { openFileDestination } from './destinations/file/file-destination.ts'
import { openHttpDestination } from './destinations/http/http-destination.ts'
import { openUdpDestination } from './destinations/udp/udp-destination.ts'
import type { Precision } from './line-protocol/precision.ts'
import { healthOf } from './listeners/http/health.ts'
import { openHttpListener } from './listeners/http/listener.ts'
import { openUdpListener } from './listeners/udp/listener.ts'
import { makeAnsweringFolder } from './log/answering-folder.ts'
import type { FileKeeper } from './log/cursors/file-checkpoint.ts'
import type { DiskLog } from './log/disk-log.ts'
import { nodeFileSystem } from './log/file-system.ts'
import { openDiskLog } from './log/open-disk-log.ts'
import type { LossKind } from './log/recovery/log-loss.ts'
import type { Endpoint } from './net/endpoint.ts'
import { BodyGarbage } from './process/garbage-collection.ts'
import { memoryLimit } from './process/memory-limit.ts'
import type { Heap } from './process/v8-heap.ts'
import { openRelay } from './relay/open-relay.ts'
import type { Relay } from './relay/relay.ts'
import { type Clock, sleep } from './std/clock.ts'
import { errorText, RelayError, unreachable } from './std/errors.ts'
import { type Logger, ofRelay } from './std/logger.ts'
import { type Memory, MemoryBudget } from './std/memory-budget.ts'
import { ClockSteps } from './write/clock-steps.ts'
import { RisingClock } from './write/rising-clock.ts'

/** Longest time that the start waits for the first probes of the outputs. */
const FIRST_PROBE_MAX_MS = 1_000
/** Share of `log-max-mb` for the dead letters of all outputs. */
const DEAD_LETTER_SHARE = 1 / 8
/** Longest time for closing all parts after the drain. */
const DISPOSE_MAX_MS = 1_000

export interface ServiceOptions {
  readonly config: Config
  readonly version: string
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly logger: Logger
  readonly heap: Heap
}

/** The undelivered writes of one output when the service has stopped. */
export interface Leftover {
  readonly relay: string
  readonly output: string
  readonly lines: number
  readonly writes: number
  /** Writes that earlier processes left in the log, by sequence number; not part of `writes`. */
  readonly formerLagWrites: number
  /** State of the log on disk. If it is `ours`, the writes in it are sent after the next start. */
  readonly log: 'none' | 'ours' | Exclude<LossKind, 'none'>
  /** Those of `writes` and `formerLagWrites` that no log holds: they are lost with the process. */
  readonly unkeptWrites: number
  /** Writes that were lost with removed files of the log; not part of the other counts. */
  readonly lostWrites: number
  /** Dead letters that were lost with removed files; not part of the other counts. */
  readonly lostLetters: number
}

export interface Service {
  readonly addresses: readonly ServiceAddress[]
  /** Rejects when a part dies that the service needs. Never resolves. */
  readonly failed: Promise<never>
  snapshot(): ServiceSnapshot
  /**
   * Closes the listeners, answers requests in flight, drains outputs that are up, closes all parts.
   *
   * Takes at most `shutdownTimeoutMs` plus one second. @returns the undelivered writes.
   */
  stop(): Promise<readonly Leftover[]>
}

export interface ServiceAddress {
  readonly relay: string
  readonly kind: 'http' | 'https' | 'udp' | 'admin'
  readonly endpoint: Endpoint
}

interface Listener extends AsyncDisposable {
  readonly address: Endpoint
  readonly closed: Promise<void>
  /** Like disposing, but cuts connections that are still open at the deadline. */
  close(deadline: AbortSignal): Promise<void>
  snapshot(): ServiceSnapshot['listeners'][number]
}

interface OpenRelay {
  readonly config: RelayConfig
  readonly relay: Relay
  readonly listener: Listener
}

/** Opens everything that `config` names. If it rejects, nothing is left open. */
export async function openService(options: ServiceOptions): Promise<Service> {
  await using opened = new AsyncDisposableStack()
  const garbage = new BodyGarbage(options.heap, () => memory)
  const memory = new MemoryBudget(
    memoryLimit(options.config.maxMemoryBytes, options.logger),
    (bytes) => garbage.add(bytes),
  )
  const startedAtMs = options.clock.wallMs()
  const steps = opened.use(new ClockSteps(options))
  const relays: OpenRelay[] = []
  let isStopping = false
  let stopped: Promise<readonly Leftover[]> | undefined
  const snapshot = (): ServiceSnapshot => ({
    version: options.version,
    startedAtMs,
    clockSteps: steps.count,
    isStopping,
    memoryUsedBytes: memory.usedBytes,
    memoryLimitBytes: memory.clients.limitBytes,
    relays: relays.map(({ relay }) => relay.snapshot()),
    listeners: relays.map(({ listener }) => listener.snapshot()),
  })
  const unheard: Pick<OpenRelay, 'config' | 'relay'>[] = []
  for (const config of [...options.config.http, ...options.config.udp]) {
    unheard.push({ config, relay: opened.use(await openRelayOf(config, options, memory)) })
  }
  const watching = Promise.all(unheard.map(({ relay }) => relay.start()))
  await Promise.race([watching, sleep(options.clock, FIRST_PROBE_MAX_MS)])
  for (const { config, relay } of unheard) {
    const listener = opened.use(await openListener(config, relay, options, steps))
    relays.push({ config, relay, listener })
  }
  const { bindAddress, isConfigured } = options.config.admin
  const { logger, clock } = options
  const deadLetters = deadLetterHandlers(relays)
  const admin =
    bindAddress &&
    opened.use(await openAdmin({ bindAddress, isConfigured, snapshot, logger, deadLetters, clock }))
  const parts = opened.move() // All are open: from here on the service closes them.
  const addresses = relays.map(addressOf)
  if (admin) addresses.push({ relay: '', kind: 'admin', endpoint: admin.address })
  const failed = firstFailure(relays)
  failed.catch(() => {}) // The caller may attach a handler later.
  return {
    addresses,
    failed,
    snapshot,
    stop: () => {
      isStopping = true
      stopped ??= stopService(relays, parts, options)
      return stopped
    },
  }
}

async function openRelayOf(
  config: RelayConfig,
  options: ServiceOptions,
  memory: MemoryBudget,
): Promise<Relay> {
  const { clock, random, version } = options
  const logger = ofRelay(options.logger, config.name)
  const precision = config.kind === 'udp' ? config.precision : 'ns'
  const userAgent = `line-relay/${version}`
  const openDestination = (output: OutputConfig, keeper?: FileKeeper) =>
    openDestinationOf(output, { clock, logger, userAgent, precision, memory, keeper })
  const common = { config, openDestination, memory, clock, random, logger }
  if (config.logDir === undefined) return await openRelay(common)
  const folder = resolve(config.logDir)
  try {
    return await openRelay({ ...common, ...(await openStored(config, folder, { clock, logger })) })
  } catch (error) {
    const isOfSystem = error instanceof Error && 'syscall' in error
    throw isOfSystem ? unusableLog(config.name, folder, error) : error
  }
}

/** The log on disk, and the dead letters beside it. */
async function openStored(
  config: RelayConfig,
  folder: string,
  options: Pick<ServiceOptions, 'clock' | 'logger'>,
): Promise<{ readonly disk: DiskLog; readonly deadLetters: readonly DeadLetters[] }> {
  const { clock, logger } = options
  const { outputs, logMaxBytes } = config
  const common = { clock, logger, randomBytes, files: nodeFileSystem }
  await makeAnsweringFolder(folder, clock)
  await using opened = new AsyncDisposableStack()
  const disk = opened.use(
    await openDiskLog({
      ...{ ...common, folder },
      outputs: outputs.map(({ name, bufferBytes }) => ({ name, boundBytes: bufferBytes })),
      maxBytes: logMaxBytes * (1 - DEAD_LETTER_SHARE),
    }),
  )
  const deadLetters: DeadLetters[] = []
  const limitBytes = Math.floor((logMaxBytes * DEAD_LETTER_SHARE) / outputs.length)
  for (const { name: output } of outputs) {
    const { isOwner } = disk
    const letters = { ...common, logFolder: folder, output, limitBytes, isOwner }
    deadLetters.push(opened.use(await openDeadLetters(letters)))
  }
  opened.move() // From here on the relay closes them.
  return { disk, deadLetters }
}

/** Handles the requests of `relay dead replay` and `purge` to the admin address. */
function deadLetterHandlers(relays: readonly OpenRelay[]): DeadLetterHandlers {
  const find = (name: string) => relays.find(({ relay }) => relay.name === name)?.relay
  const unknown = (name: string) => ({ problem: `there is no relay "${name}"` })
  return {
    replay: async (name, output) => (await find(name)?.deadLetters.replay(output)) ?? unknown(name),
    purge: async (name, output, beforeMs) =>
      (await find(name)?.deadLetters.purge(output, beforeMs)) ?? unknown(name),
  }
}

function unusableLog(relay: string, folder: string, cause: Error): RelayError {
  const text = `relay "${relay}": log-dir ${folder} cannot be used: ${errorText(cause)}`
  return new RelayError('RELAY_LOG_UNUSABLE', text, { cause })
}

async function openDestinationOf(
  config: OutputConfig,
  options: {
    readonly clock: Clock
    readonly logger: Logger
    readonly userAgent: string
    /** Precision that a UDP receiver expects. */
    readonly precision: Precision
    readonly memory: Memory
    readonly keeper: FileKeeper | undefined
  },
): Promise<Destination> {
  const { clock, logger, userAgent, precision, memory, keeper } = options
  switch (config.kind) {
    case 'http':
      return openHttpDestination({ config, clock, userAgent, memory })
    case 'udp':
      return await openUdpDestination({ config, clock, logger, precision })
    case 'file':
      return await openFileDestination({ config, clock, logger, keeper })
    default:
      return unreachable(config)
  }
}

async function openListener(
  config: RelayConfig,
  relay: Relay,
  options: ServiceOptions,
  steps: ClockSteps,
): Promise<Listener> {
  const { clock } = options
  const logger = ofRelay(options.logger, config.name)
  const { memory } = relay
  const stampClock = new RisingClock(clock, steps)
  switch (config.kind) {
    case 'http':
      return await openHttpListener({
        ...{ config, relay, memory, clock, logger, stampClock },
        health: () => healthOf(relay.snapshot()),
      })
    case 'udp':
      return await openUdpListener({ config, relay, clock, logger, stampClock })
    default:
      return unreachable(config)
  }
}

function addressOf({ config, listener }: OpenRelay): ServiceAddress {
  const isTls = config.kind === 'http' && config.tlsPemPath !== undefined
  const kind = isTls ? 'https' : config.kind
  return { relay: config.name, kind, endpoint: listener.address }
}

/** Rejects when a listener dies: the service cannot go on without it. */
async function firstFailure(relays: readonly OpenRelay[]): Promise<never> {
  await Promise.race(relays.map(({ listener }) => listener.closed))
  return await new Promise<never>(() => {}) // `stop` closed the listener: nothing has failed.
}

async function stopService(
  relays: readonly OpenRelay[],
  parts: AsyncDisposableStack,
  options: ServiceOptions,
): Promise<readonly Leftover[]> {
  const deadline = new AbortController()
  const { shutdownTimeoutMs } = options.config
  const timer = options.clock.startTimer(shutdownTimeoutMs, () => deadline.abort())
  await Promise.all(relays.map(({ listener }) => listener.close(deadline.signal)))
  await Promise.all(relays.map(({ relay }) => relay.drain(deadline.signal)))
  const overdue = sleep(options.clock, DISPOSE_MAX_MS)
  await Promise.race([Promise.all(relays.map(({ relay }) => relay.saveNow())), overdue])
  const leftover = relays.flatMap(leftoverOf)
  await Promise.race([parts.disposeAsync(), overdue])
  timer.cancel()
  deadline.abort()
  return leftover
}

function isLeft(left: Leftover): boolean {
  const { writes, formerLagWrites, unkeptWrites, lostWrites, lostLetters } = left
  return writes + formerLagWrites + unkeptWrites + lostWrites + lostLetters > 0
}

function leftoverOf({ config, relay }: OpenRelay): Leftover[] {
  const { outputs, disk } = relay.snapshot()
  const ofDisk = disk?.loss === 'none' ? 'ours' : disk?.loss
  const log: Leftover['log'] = ofDisk ?? 'none'
  return outputs
    .map(
      ({
        name: output,
        pendingLines: lines,
        pendingWrites: writes,
        formerLagWrites,
        deadLetters,
      }) => ({
        ...{ relay: config.name, output, lines, writes, formerLagWrites, log },
        unkeptWrites: disk?.unkeptWrites.get(output) ?? writes,
        lostWrites: disk?.lostWrites.get(output) ?? 0,
        lostLetters: deadLetters?.removed.lost.letters ?? 0,
      }),
    )
    .filter(isLeft)
}
