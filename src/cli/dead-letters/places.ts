/**
 * Finds the folders of dead letters for a command, by configuration or by the folder of one log.
 */

import type { Config } from '../../config/config.ts'
import { type DeadFolderReaderOptions, findDeadFolders } from '../../dead-letters/folder.ts'
import type { FileSystem } from '../../log/file-system.ts'
import type { Endpoint } from '../../net/endpoint.ts'
import { errorText } from '../../std/errors.ts'
import { printable } from '../../std/printable.ts'
import type { CommandIo } from '../io.ts'
import { loadConfig } from '../load-config.ts'
import type { DeadOptions } from './parse-dead-arguments.ts'

export interface DeadPlace extends DeadFolderReaderOptions {
  /** '' when only the folder is given. */
  readonly relay: string
  readonly logFolder: string
}

export interface DeadPlaces {
  /** Only outputs that have dead letters, or had some. */
  readonly places: readonly DeadPlace[]
  /** Folders of the logs that were searched. */
  readonly logFolders: readonly string[]
  /** Admin address of the running relay; `undefined` = off or unknown. */
  readonly adminAddress: Endpoint | undefined
}

type Choice = Pick<DeadOptions, 'relay' | 'output'>

/**
 * @returns the places, or a message that says why there can be none
 * @throws RelayError RELAY_CONFIG_INVALID
 */
export async function findPlaces(
  options: DeadOptions,
  io: CommandIo,
  files: FileSystem,
): Promise<DeadPlaces | string> {
  const { configPath = '', folder } = options
  if (folder !== undefined) {
    try {
      await files.list(folder)
    } catch (error) {
      return `cannot read -dir ${folder}: ${errorText(error)}`
    }
    return await placesIn([{ relay: '', logFolder: folder }], options, files, undefined)
  }
  return await placesOf(loadConfig(configPath, io.variables).config, options, files)
}

export async function placesOf(
  config: Config,
  choice: Choice,
  files: FileSystem,
): Promise<DeadPlaces | string> {
  const all = [...config.http, ...config.udp]
  const chosen = all.filter(({ name }) => choice.relay === undefined || name === choice.relay)
  if (chosen.length === 0) {
    const names = all.map(({ name }) => `"${name}"`).join(', ')
    return `there is no relay "${choice.relay}"; there are: ${names}`
  }
  const logs = chosen.flatMap(({ name, logDir }) => {
    return logDir === undefined ? [] : [{ relay: name, logFolder: logDir }]
  })
  if (logs.length === 0) {
    return 'without log-dir there are no dead letters: what outputs refuse is logged and counted'
  }
  return await placesIn(logs, choice, files, config.admin.bindAddress)
}

async function placesIn(
  logs: readonly { readonly relay: string; readonly logFolder: string }[],
  { output }: Choice,
  files: FileSystem,
  adminAddress: Endpoint | undefined,
): Promise<DeadPlaces> {
  const places: DeadPlace[] = []
  for (const log of logs) {
    for (const found of await findDeadFolders(files, log.logFolder)) {
      if (output === undefined || found.output === output) places.push({ ...log, ...found })
    }
  }
  return { places, logFolders: logs.map(({ logFolder }) => logFolder), adminAddress }
}

export function renderPlace({ relay, output }: DeadPlace): string {
  const name = `output "${printable(output)}"`
  return relay === '' ? name : `${name} of relay "${relay}"`
}

export function renderNone({ logFolders }: DeadPlaces, { output }: Choice): string {
  const whose = output === undefined ? '' : ` of output "${output}"`
  return `no dead letters${whose} in ${logFolders.join(', ')}`
}

/** The one output that replay or purge applies to. @returns the place, or an error message */
export function onlyPlace(places: DeadPlaces, choice: Choice): DeadPlace | string {
  const [place, another] = places.places
  if (place === undefined) return renderNone(places, choice)
  if (another === undefined) return place
  const relays = places.places.map(({ relay }) => `"${relay}"`).join(', ')
  return `several relays have an output "${place.output}" (${relays}); choose one with -relay`
}
