/**
 * The names of an output's files, younger to older: `name`, `name.1`, `name.2`, …
 */

import { errorCode } from '../../std/errors.ts'
import type { OutputFiles } from './output-files.ts'

/** At most so many files above `keepFiles`, left by an earlier configuration, are removed. */
const STALE_FILES_MAX = 1_000

export function nameOfAge(path: string, age: number): string {
  return age === 0 ? path : `${path}.${age}`
}

/**
 * Frees the name `path` for a new file: renames every file to the next older name, and removes
 * those that would exceed `keepFiles`. With `keepFiles` of 1 nothing is renamed.
 */
export async function rotateNames(
  files: OutputFiles,
  path: string,
  keepFiles: number,
): Promise<void> {
  for (let age = keepFiles; age < keepFiles + STALE_FILES_MAX; age++) {
    if (!(await isDone(files.unlink(nameOfAge(path, age))))) break
  }
  for (let age = keepFiles - 1; age > 0; age--) {
    await isDone(files.rename(nameOfAge(path, age - 1), nameOfAge(path, age)))
  }
}

/** @returns false when there is no such file; rejects with anything else */
async function isDone(change: Promise<void>): Promise<boolean> {
  try {
    await change
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}
