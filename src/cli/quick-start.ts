/**
 * `relay quick-start`: runs the packaged quick-start.toml (HTTP and UDP in, files out) and prints
 * commands to try.
 */

import { join, relative } from 'node:path'
import { renderAddress } from '../net/endpoint.ts'
import type { Service } from '../service.ts'
import type { CommandIo } from './io.ts'
import { type RunOptions, run } from './run.ts'

/** `src/cli` and `dist/cli` lie equally deep in the package. */
const CONFIG_PATH = join(import.meta.dirname, '../../quick-start.toml')

export async function quickStart(
  { logLevel, logFormat }: Omit<RunOptions, 'configPath'>,
  io: CommandIo,
): Promise<number> {
  const configPath = relative(process.cwd(), CONFIG_PATH) || CONFIG_PATH
  const options = { configPath, logLevel, logFormat }
  return await run(options, io, (service) => io.stdout.write(renderHint(service, configPath)))
}

function renderHint(service: Service, configPath: string): string {
  const http = service.addresses.find(({ kind }) => kind === 'http')
  const outputs = service.snapshot().relays.flatMap((relay) => relay.outputs)
  const files = outputs.map(({ location }) => location.replace(/^file:/, ''))
  const url = `http://${http && renderAddress(http.endpoint)}/write?db=demo`
  return `
  Write a line:   curl -i '${url}' --data-binary 'room,floor=1 temperature=21.5'
  Look at it:     tail ${files.join(' ')}
  Configuration:  ${configPath}   (a commented one: npx relay config)
  Stop:           Ctrl-C

`
}
