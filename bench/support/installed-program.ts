/** Other programs that a benchmark uses if they are installed. */
import { execFile } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const VERSION_LIMIT_MS = 5_000

/**
 * Looks in the environment for the program's name in capitals (`INFLUXDB_RELAY=…`), then on the
 * PATH.
 *
 * @returns the program's path
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

/** The first version in the program's output when asked for it; not every program prints one. */
export async function askVersion(path: string, option: string): Promise<string> {
  const text = await new Promise<string>((resolve) => {
    execFile(path, [option], { timeout: VERSION_LIMIT_MS }, (_, stdout, stderr) => {
      resolve(stdout + stderr) // Programs print it to either stream, and some end with an error.
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
