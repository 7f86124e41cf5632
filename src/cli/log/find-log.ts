/** Finds the log folder for a `relay log` command, and its relay in the configuration. */

import { statSync } from 'node:fs'
import type { Config, OutputConfig } from '../../config/config.ts'
import { errorCode, errorText, RelayError } from '../../std/errors.ts'
import type { CommandIo } from '../io.ts'
import { loadConfig } from '../load-config.ts'
import type { LogWhere } from './parse-log-command.ts'

export interface FoundLog {
  readonly folder: string
  /** `undefined` without a configuration. */
  readonly relay: string | undefined
  /** `undefined` without a configuration. */
  readonly outputs: readonly OutputConfig[] | undefined
  /** Flags that name this log in another command. */
  readonly flags: string
}

/** @throws RelayError that says what to do when there is no such log */
export function findLog(where: LogWhere, io: CommandIo): FoundLog {
  const { folder, configPath } = where
  if (folder !== undefined) {
    checkFolder(folder, '')
    return { folder, relay: undefined, outputs: undefined, flags: `-dir ${folder}` }
  }
  if (configPath === undefined) throw new Error('BUG: neither a folder nor a configuration')
  const { config, warnings } = loadConfig(configPath, io.variables)
  for (const warning of warnings) io.stderr.write(`warning: ${warning}\n`)
  const { name, logDir, outputs } = chooseRelay(config, where, configPath)
  checkFolder(logDir, `, the log-dir of relay "${name}"; the relay makes it when it is started`)
  const relayFlag = where.relay === undefined ? '' : ` -relay "${name}"`
  return { folder: logDir, relay: name, outputs, flags: `-config ${configPath}${relayFlag}` }
}

interface Chosen {
  readonly name: string
  readonly logDir: string
  readonly outputs: readonly OutputConfig[]
}

function chooseRelay(config: Config, { relay }: LogWhere, path: string): Chosen {
  const relays = [...config.http, ...config.udp]
  const named = relay === undefined ? relays : relays.filter(({ name }) => name === relay)
  if (named.length === 0) {
    const names = relays.map(({ name }) => `"${name}"`).join(', ')
    throw usage(`there is no relay "${relay}" in ${path}; there is ${names}`)
  }
  const withLog = named.flatMap(({ name, logDir, outputs }) => {
    return logDir === undefined ? [] : [{ name, logDir, outputs }]
  })
  const [first, second] = withLog
  if (first === undefined) {
    const which = relay === undefined ? `no relay in ${path} has` : `relay "${relay}" has no`
    const what = `${which} ${relay === undefined ? 'a log-dir' : 'log-dir'}`
    throw usage(`${what}: the log is in memory only. For a folder from elsewhere: -dir FOLDER`)
  }
  if (second !== undefined) {
    const names = withLog.map(({ name }) => `"${name}"`).join(', ')
    throw usage(`several relays in ${path} have a log-dir: ${names}. Say which: -relay NAME`)
  }
  return first
}

function checkFolder(folder: string, what: string): void {
  try {
    if (statSync(folder).isDirectory()) return
  } catch (error) {
    if (errorCode(error) === 'ENOENT') throw unusable(`there is no folder ${folder}${what}`)
    throw unusable(`cannot look at ${folder}${what}: ${errorText(error)}`)
  }
  throw unusable(`${folder} is not a folder; name the one that holds the segments (*.seg)`)
}

function usage(message: string): RelayError {
  return new RelayError('RELAY_USAGE', message)
}

function unusable(message: string): RelayError {
  return new RelayError('RELAY_LOG_UNUSABLE', message)
}
