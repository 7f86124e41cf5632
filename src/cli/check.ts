/**
 * `relay -check`: prints the errors of a configuration, or the values that the relay would run
 * with. Opens no socket and creates no file.
 */

import { renderPlan } from '../config/render/plan.ts'
import { RelayError } from '../std/errors.ts'
import { folderFaults } from './check-folders.ts'
import { type CommandIo, EXIT_OK } from './io.ts'
import { loadConfig } from './load-config.ts'

/** @throws RelayError RELAY_CONFIG_INVALID with every problem of the file */
export function check(configPath: string, io: CommandIo): number {
  const { config, warnings } = loadConfig(configPath, io.variables)
  for (const warning of warnings) io.stderr.write(`warning: ${warning}\n`)
  const faults = folderFaults(config)
  if (faults.length > 0) throw new RelayError('RELAY_CONFIG_INVALID', faults.join('\n'))
  io.stdout.write(`${renderPlan(config).trimEnd()}\n`)
  return EXIT_OK
}
