/**
 * A relay with a log on disk and scripted servers. Its segments and window are tiny, so that
 * rotation, trimming and falling behind happen at once.
 *
 *     const servers = [new Server(), new Server()]
 *     const { relay, disk } = await openDurableRelay(folder, servers)
 *
 * For the relay, a restart without a close is the same as a restart after a kill.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type DeadLetters, openDeadLetters } from '../../src/dead-letters/store.ts'
import type { Payload, Verdict } from '../../src/destinations/destination.ts'
import { type Cursor, loadAllCursors } from '../../src/log/cursors/cursor-file.ts'
import type { DiskLog } from '../../src/log/disk-log.ts'
import { nodeFileSystem } from '../../src/log/file-system.ts'
import { openDiskLog } from '../../src/log/open-disk-log.ts'
import type { Relay } from '../../src/relay/relay.ts'
import { type Clock, systemClock } from '../../src/std/clock.ts'
import type { Logger } from '../../src/std/logger.ts'
import type { MemoryBudget } from '../../src/std/memory-budget.ts'
import type { AckPolicy } from '../../src/write/acks.ts'
import {
  DECLINED,
  DELIVERED,
  MISSING,
  REFUSED,
  ScriptedDestination,
  UNREACHABLE,
} from './scripted-destination.ts'
import { openTestRelay, outputOf, SILENT } from './scripted-relay.ts'
import { until } from './wait.ts'

/** Keeps the writes that it receives while it is up. */
export class Server extends ScriptedDestination {
  readonly stored: string[] = []
  /** Name of a database to which it answers with a temporary failure. */
  busyWith = ''
  /** Name of a database or retention policy that it lacks. */
  missing = ''
  /** It refuses writes that contain this text for good. */
  refuses = '\0'
  override verdict = async ({ writes, target }: Payload): Promise<Verdict> => {
    const { database, retentionPolicy } = target
    if (!this.isUp) return UNREACHABLE
    if (database === this.busyWith) return DECLINED
    if (this.missing !== '' && [database, retentionPolicy].includes(this.missing)) return MISSING
    if (writes.some(({ body }) => body.includes(this.refuses))) return REFUSED
    for (const { body } of writes) this.stored.push(String(body).trim())
    return DELIVERED
  }
}

export interface DurableOptions {
  readonly boundBytes?: number
  readonly maxBytes?: number
  readonly windowBytes?: number
  readonly memoryBytes?: number
  readonly acknowledgement?: AckPolicy
  /** Whether refused lines become dead letters, or storing dead letters fails. */
  readonly letters?: 'kept' | 'failing'
  /** Default: as in the relay. 0: writes that another output has stored are dropped at once. */
  readonly lagMaxMs?: number
  /** The clock of the log on disk; the relay has the real one. */
  readonly clock?: Clock
  readonly logger?: Logger
}

export interface DurableRelay {
  readonly relay: Relay
  readonly disk: DiskLog
  readonly memory: MemoryBudget
}

/** Opens the relay; the outputs are named a, b, c … */
export async function openDurableRelay(
  folder: string,
  servers: readonly Server[],
  options: DurableOptions = {},
): Promise<DurableRelay> {
  const { clock = systemClock, logger = SILENT, memoryBytes, boundBytes = 1e9 } = options
  const disk = await openDiskLog({
    ...{ folder, randomBytes, files: nodeFileSystem, clock, logger },
    outputs: servers.map((_, index) => ({ name: nameOf(index), boundBytes })),
    maxBytes: options.maxBytes ?? 1e9,
    segmentBytes: 4096,
    lagMaxMs: options.lagMaxMs,
  })
  const deadLetters = await openLetters(folder, servers, options)
  const { relay, memory } = await openTestRelay(servers, {
    ...(deadLetters.length === 0 ? {} : { deadLetters }),
    ...{ disk, logger },
    windowBytes: options.windowBytes ?? 2000,
    relay: { acknowledgement: options.acknowledgement ?? 'any', ackTimeoutMs: 3_600_000 },
    output: { batchMaxBytes: 500, delayMaxMs: 1 },
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
  })
  return { relay, disk, memory }
}

async function openLetters(
  folder: string,
  servers: readonly Server[],
  { letters, logger = SILENT }: DurableOptions,
): Promise<DeadLetters[]> {
  if (letters === undefined) return []
  const isOwner = async () => letters === 'kept'
  const common = { randomBytes, files: nodeFileSystem, clock: systemClock, logger, isOwner }
  const opening = servers.map((_, index) =>
    openDeadLetters({ ...common, logFolder: folder, output: nameOf(index), limitBytes: 1e8 }),
  )
  return await Promise.all(opening)
}

function nameOf(index: number): string {
  return String.fromCharCode(97 + index)
}

/** Resolves when nothing is pending at these outputs. */
export async function drained(relay: Relay, names: readonly string[]): Promise<void> {
  const isDone = (name: string) => {
    const { pendingLines, formerLagWrites } = outputOf(relay, name)
    return pendingLines + formerLagWrites === 0
  }
  await until(async () => names.every(isDone), { what: 'nothing is pending' })
}

/** The output's cursor as it is on the disk. */
export async function savedCursor(folder: string, output: string): Promise<Cursor | undefined> {
  const { cursors } = await loadAllCursors(nodeFileSystem, join(folder, 'cursors'))
  return cursors.find((cursor) => cursor.output === output)
}

/** Resolves when the output's current cursor is on the disk. */
export async function saved(
  folder: string,
  output: string,
  { nextSequence }: DiskLog,
): Promise<void> {
  const isSaved = async () => (await savedCursor(folder, output))?.doneBelow === nextSequence
  await until(isSaved, { what: `the cursor of ${output} is saved` })
}
