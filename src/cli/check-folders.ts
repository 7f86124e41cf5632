/**
 * `relay -check`: whether this user could create the folders and files that the configuration
 * names, on this machine. Creates none.
 *
 * Not part of reading the configuration: a user who may read a log but not write to it can still
 * run the tools that only read.
 */

import { accessSync, constants, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Config } from '../config/config.ts'
import { errorCode, errorText } from '../std/errors.ts'

/** One line for each folder or file that the relay could not use. */
export function folderFaults({ http, udp }: Config): readonly string[] {
  const faults: string[] = []
  const note = (what: string, fault: string | undefined) => {
    if (fault !== undefined) faults.push(`${what}: ${fault}`)
  }
  for (const { name, logDir, outputs } of [...http, ...udp]) {
    if (logDir !== undefined) note(`relay "${name}": log-dir "${logDir}"`, folderFault(logDir))
    for (const output of outputs) {
      if (output.kind !== 'file') continue
      note(`output "${output.name}": file "${output.path}"`, fileFault(output.path))
    }
  }
  return faults
}

function fileFault(path: string): string | undefined {
  const there = statSync(path, { throwIfNoEntry: false })
  if (there === undefined) return folderFault(dirname(resolve(path)))
  if (there.isDirectory()) return 'is a folder'
  return accessFault(path, constants.W_OK)
}

/** Checks that the folder, or else its nearest existing ancestor, can be written to. */
function folderFault(path: string): string | undefined {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    try {
      const there = statSync(folder, { throwIfNoEntry: false })
      if (there === undefined && folder !== dirname(folder)) continue
      if (there?.isDirectory() !== true) return `"${folder}" is no folder`
      return accessFault(folder, constants.W_OK | constants.X_OK)
    } catch (error) {
      // A file stands where a folder should be: a later turn of the loop reports that file.
      if (errorCode(error) !== 'ENOTDIR') return errorText(error)
    }
  }
}

function accessFault(path: string, mode: number): string | undefined {
  try {
    accessSync(path, mode)
    return undefined
  } catch (error) {
    return errorCode(error) === 'EROFS'
      ? `"${path}" is on a file system that is read-only`
      : `this user may not write to "${path}"`
  }
}
