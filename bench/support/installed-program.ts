/** Programs of others that a benchmark can use where they are installed. */
import { execFile } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const VERSION_LIMIT_MS = 5_000

/**
 * Looked for in the environment, by its name in capitals (`INFLUXDB_RELAY=…`), then on the PATH.
 *
 * @returns its path
 */
export function findProgram(name: string): string | undefined {
  const chosen = process.env[environmentName(name)]
  if (chosen !== undefined) return isProgram(chosen) ? chosen : undefined
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean)
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

/** `influxdb-relay` → `INFLUXDB_RELAY` */
export function environmentName(program: string): string {
  return program.toUpperCase().replaceAll('-', '_')
}

/** The first version in what it prints when it is asked for it; not every program tells. */
export async function askVersion(path: string, option: string): Promise<string> {
  const text = await new Promise<string>((resolve) => {
    execFile(path, [option], { timeout: VERSION_LIMIT_MS }, (_, stdout, stderr) => {
      resolve(stdout + stderr) // Some print it to one, some to the other, some end with an error.
    })
  })
  return /\d+\.\d+(\.\d+)*/.exec(text)?.[0] ?? 'tells no version'
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
