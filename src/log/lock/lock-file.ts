/**
 * The content of the file `lock` in a log's folder: the current or last owner of the folder.
 *
 *     {"token":"…","boot":"…","hasSocket":true,"beat":12}      padded to one length
 *
 * `boot` identifies a run of a machine's kernel: an owner from the same run whose socket does not
 * answer is dead, and need not be watched. `released`: the owner stopped cleanly and released the
 * folder; the file stays. So no relay leaves a folder with segments and without this file: somebody
 * removed the file, maybe while its owner was alive.
 */

import { type FileHandle, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../../std/errors.ts'

const NAME = 'lock'
const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id'
/** Constant, so that rewriting the file needs no space on a full disk. */
const FILE_BYTES = 256

export interface Owner {
  readonly token: string
  /** '' = unknown. */
  readonly boot: string
  readonly hasSocket: boolean
  readonly beat: number
  readonly released?: boolean
}

export function lockPath(folder: string): string {
  return join(folder, NAME)
}

/** The temporary path of the file until it gets its final name. */
export function newLockPath(folder: string, token: string): string {
  return join(folder, `${NAME}-${token}.new`)
}

/** @returns `undefined` when the file is missing or incomplete */
export async function readOwner(folder: string): Promise<Owner | undefined> {
  try {
    return parseOwner(JSON.parse(await readFile(lockPath(folder), 'utf8')))
  } catch (error) {
    if (error instanceof SyntaxError || errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Rewrites the file in place. Rejects with the system's error. */
export async function writeOwner(file: FileHandle, owner: Owner): Promise<void> {
  await file.write(JSON.stringify(owner).padEnd(FILE_BYTES), 0)
}

/** The identity of this run of the machine's kernel; '' when there is none. */
export async function readBootId(): Promise<string> {
  try {
    return (await readFile(BOOT_ID_PATH, 'utf8')).trim()
  } catch {
    return '' // Not Linux, or no /proc: then a lock watches owners before it counts them as dead.
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
