/**
 * `relay dead list|show|replay|purge`: tools for dead letters, the lines that outputs refused for
 * good. They are kept beside a relay's log.
 *
 * `list` and `show` only read and take no lock, so they work while the relay runs. Only the holder
 * of the folder's lock changes anything: the running relay, which gets a request at its `[admin]`
 * address, or this command, when no relay runs. So there are never two writers.
 *
 * Exit codes: 0 done; 1 the command could not be done, or was not confirmed.
 */

import { nodeFileSystem } from '../../log/file-system.ts'
import { errorCode, errorText, RelayError, unreachable } from '../../std/errors.ts'
import { type CommandIo, fail } from '../io.ts'
import { listDead } from './list.ts'
import type { DeadOptions } from './parse-dead-arguments.ts'
import { type DeadPlaces, findPlaces } from './places.ts'
import { purgeDead } from './purge.ts'
import { replayDead } from './replay.ts'
import { showDead } from './show.ts'

/** @throws RelayError RELAY_CONFIG_INVALID */
export async function dead(options: DeadOptions, io: CommandIo): Promise<number> {
  try {
    const places = await findPlaces(options, io, nodeFileSystem)
    return typeof places === 'string' ? fail(io, places) : await deadAt(places, options, io)
  } catch (error) {
    // An error of the operating system: its message names the file and the reason.
    if (error instanceof RelayError || errorCode(error) === '') throw error
    const hint = errorCode(error) === 'EACCES' ? "; run this as the relay's user" : ''
    return fail(io, `cannot use the dead letters: ${errorText(error)}${hint}`)
  }
}

/** As `dead`, for places that are already found. */
export async function deadAt(
  places: DeadPlaces,
  options: DeadOptions,
  io: CommandIo,
): Promise<number> {
  switch (options.action) {
    case 'list':
      return await listDead(places, options, io)
    case 'show':
      return await showDead(places, options, io)
    case 'replay':
      return await replayDead(places, options, io)
    case 'purge':
      return await purgeDead(places, options, io)
    default:
      return unreachable(options.action)
  }
}
