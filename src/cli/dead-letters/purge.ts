/**
 * `relay dead purge`: deletes an output's dead letters, all or the older ones.
 *
 * When no relay holds the folder's lock, this command locks the folder and deletes the letters
 * itself; otherwise it asks the relay that holds the lock.
 */

import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { renderLetters } from '../../dead-letters/reader.ts'
import { openDeadLetters, type Removal } from '../../dead-letters/store.ts'
import { type FolderLock, lockFolder } from '../../log/lock/folder-lock.ts'
import { systemClock } from '../../std/clock.ts'
import { errorText, RelayError } from '../../std/errors.ts'
import { type LogFields, type Logger, withPrefix } from '../../std/logger.ts'
import { adminOrigin, postToAdmin } from '../admin-client.ts'
import { type CommandIo, EXIT_OK, fail } from '../io.ts'
import type { DeadOptions } from './parse-dead-arguments.ts'
import { type DeadPlace, type DeadPlaces, onlyPlace, renderPlace } from './places.ts'

export async function purgeDead(
  places: DeadPlaces,
  options: DeadOptions,
  io: CommandIo,
): Promise<number> {
  const place = onlyPlace(places, options)
  if (typeof place === 'string') return fail(io, place)
  const { ageMinMs } = options
  const beforeMs = ageMinMs === undefined ? undefined : systemClock.wallMs() - ageMinMs
  if (!options.isConfirmed) {
    const which = beforeMs === undefined ? 'all dead letters' : 'the older dead letters'
    return fail(io, `this deletes ${which} of ${renderPlace(place)} for good; add -yes to do it`)
  }
  const uid = process.getuid?.()
  if (uid !== undefined && (await stat(place.logFolder)).uid !== uid) {
    // The relay could not read files that another user (root) wrote.
    return fail(io, `${place.logFolder} belongs to another user: run this as that user`)
  }
  const lock = await tryLock(place, io)
  const removal =
    lock === undefined
      ? await purgeByRelay(places, place, beforeMs)
      : await purgeHere({ place, beforeMs, lock, io })
  if ('failed' in removal) return fail(io, `nothing was deleted: ${errorText(removal.failed)}`)
  io.stdout.write(`deleted ${renderLetters(removal)} of ${renderPlace(place)}\n`)
  return EXIT_OK
}

/** @returns `undefined` when a running relay holds the lock */
async function tryLock({ logFolder }: DeadPlace, io: CommandIo): Promise<FolderLock | undefined> {
  const logger = printingLogger(io)
  const onLost = () => {} // `isOwner` is checked before each change.
  try {
    return await lockFolder({ folder: logFolder, clock: systemClock, logger, randomBytes, onLost })
  } catch (error) {
    if (error instanceof RelayError && error.code === 'RELAY_LOG_LOCKED') return undefined
    throw error
  }
}

async function purgeHere(purge: {
  readonly place: DeadPlace
  readonly beforeMs: number | undefined
  readonly lock: FolderLock
  readonly io: CommandIo
}): Promise<Removal> {
  await using lock = purge.lock
  const { logFolder, output, files } = purge.place
  await using letters = await openDeadLetters({
    ...{ files, logFolder, output, clock: systemClock, randomBytes },
    logger: printingLogger(purge.io),
    limitBytes: Number.MAX_SAFE_INTEGER,
    isOwner: () => lock.isOwner(),
  })
  return await letters.purge(purge.beforeMs)
}

async function purgeByRelay(
  { adminAddress }: DeadPlaces,
  { relay, output }: DeadPlace,
  beforeMs: number | undefined,
): Promise<Removal> {
  const origin = relay === '' ? undefined : adminOrigin(adminAddress)
  if (origin === undefined) {
    const how = 'give its -config, with an [admin] bind-addr of a fixed port, or stop it first'
    return { failed: new Error(`a running relay has the folder; ${how}`) }
  }
  const query = { relay, output, ...(beforeMs === undefined ? {} : { 'before-ms': `${beforeMs}` }) }
  const answer = await postToAdmin(origin, '/dead-letters/purge', query)
  if (answer.kind === 'problem') return { failed: new Error(answer.problem) }
  return { letters: answer.counts['letters'] ?? 0, lines: answer.counts['lines'] ?? 0 }
}

function printingLogger(io: CommandIo): Logger {
  const ignore = () => {}
  const print = (_: LogFields, message: string) => io.stderr.write(`${message}\n`)
  return withPrefix({ debug: ignore, info: ignore, warn: print, error: print }, 'relay: ')
}
