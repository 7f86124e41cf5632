/**
 * Path of a configuration file → `Config`, or one error with all problems of the file.
 */

import { closeSync, openSync, readSync } from 'node:fs'
import type { Config } from '../config/config.ts'
import { parseConfig, renderProblem } from '../config/parse-config.ts'
import { errorCode, errorText, RelayError } from '../std/errors.ts'
import { renderCount } from '../std/units.ts'

/** Above the parser's limit in characters, even if each takes the most bytes of UTF-8. */
const READ_MAX_BYTES = 5 * 1024 * 1024

export interface LoadedConfig {
  readonly config: Config
  /** Problems that the operator should know of, but that do not keep the relay from starting. */
  readonly warnings: readonly string[]
}

type Variables = Readonly<Record<string, string | undefined>>

/** @throws RelayError RELAY_CONFIG_INVALID, with one line per problem and a line of advice */
export function loadConfig(path: string, variables: Variables): LoadedConfig {
  const text = readConfigText(path)
  const parsed = parseConfig({ path, text }, { variables, readFile: readText })
  if (parsed.kind === 'config') return parsed
  const count = renderCount(parsed.problems.length, 'problem')
  throw invalid([
    ...parsed.problems.map((problem) => renderProblem(path, problem)),
    `${count} in ${path}; run "relay config" for a commented example`,
  ])
}

function readConfigText(path: string): string {
  try {
    return readText(path)
  } catch (error) {
    throw invalid([`cannot read the configuration ${path}: ${whyUnreadable(error)}`], error)
  }
}

/** Reads a file up to READ_MAX_BYTES: some files (/dev/zero) never end. */
function readText(path: string): string {
  const descriptor = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(READ_MAX_BYTES)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(descriptor, bytes, length, bytes.length - length, null)
    }
    return bytes.toString('utf8', 0, length)
  } finally {
    closeSync(descriptor)
  }
}

function whyUnreadable(error: unknown): string {
  switch (errorCode(error)) {
    case 'ENOENT':
      return 'there is no such file; "relay config" prints one to begin with'
    case 'EISDIR':
      return 'it is a folder; name the file in it'
    case 'EACCES':
    case 'EPERM':
      return 'this user may not read it; check its owner and mode'
    default:
      return errorText(error)
  }
}

function invalid(lines: readonly string[], cause?: unknown): RelayError {
  return new RelayError('RELAY_CONFIG_INVALID', lines.join('\n'), { cause })
}
