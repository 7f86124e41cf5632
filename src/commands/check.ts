/**
 * `relay -check`: what is wrong with a configuration, or what the relay would do with it. Opens
 * nothing.
 */

import { renderPlan } from '../config/render-plan.ts'
import { type CommandIo, EXIT_OK } from './io.ts'
import { loadConfig } from './load-config.ts'

/** @throws RelayError RELAY_CONFIG_INVALID with every problem of the file */
export function check(configPath: string, io: CommandIo): number {
  const { config, warnings } = loadConfig(configPath, io.variables)
  for (const warning of warnings) io.stderr.write(`warning: ${warning}\n`)
  io.stdout.write(`${renderPlan(config).trimEnd()}\n`)
  return EXIT_OK
}
