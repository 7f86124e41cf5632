/**
 * What stands in the file `lock` of a log's folder: who has the folder, or had it last.
 *
 *     {"token":"…","boot":"…","hasSocket":true,"beat":12}      padded to one length
 *
 * `boot` names a run of a machine's kernel: an owner of the same one whose socket is dead is dead,
 * and need not be watched. `released`: given back by an owner that has ended in order. So a folder
 * with segments and without this file was not left so by a relay: somebody has removed it, maybe
 * from under an owner that lives.
 */

import { type FileHandle, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../../std/errors.ts'

const NAME = 'lock'
const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id'
/** Always the same, so that rewriting needs no space on a disk that is full. */
const FILE_BYTES = 256

export interface Owner {
  readonly token: string
  /** '' = not known here. */
  readonly boot: string
  readonly hasSocket: boolean
  readonly beat: number
  readonly released?: boolean
}

export function lockPath(folder: string): string {
  return join(folder, NAME)
}

/** Where the file is written before it gets its name. */
export function newLockPath(folder: string, token: string): string {
  return join(folder, `${NAME}-${token}.new`)
}

/** @returns `undefined` when there is no file, or none that was written whole */
export async function readOwner(folder: string): Promise<Owner | undefined> {
  try {
    return parseOwner(JSON.parse(await readFile(lockPath(folder), 'utf8')))
  } catch (error) {
    if (error instanceof SyntaxError || errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** In place. Rejects with the system's error. */
export async function writeOwner(file: FileHandle, owner: Owner): Promise<void> {
  await file.write(JSON.stringify(owner).padEnd(FILE_BYTES), 0)
}

/** What tells this run of this machine's kernel from all others; '' where nothing does. */
export async function readBootId(): Promise<string> {
  try {
    return (await readFile(BOOT_ID_PATH, 'utf8')).trim()
  } catch {
    return '' // Not Linux, or no /proc: then owners are watched before they are taken for dead.
  }
}

function parseOwner(json: unknown): Owner | undefined {
  if (typeof json !== 'object' || json === null || !('token' in json)) return undefined
  const { token } = json
  if (typeof token !== 'string') return undefined
  const boot = 'boot' in json && typeof json.boot === 'string' ? json.boot : ''
  const hasSocket = 'hasSocket' in json && json.hasSocket === true
  const beat = 'beat' in json && typeof json.beat === 'number' ? json.beat : 0
  const released = 'released' in json && json.released === true
  return { token, boot, hasSocket, beat, released }
}
