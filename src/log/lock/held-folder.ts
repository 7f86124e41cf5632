/**
 * Holds a folder open to detect whether its path still leads to it.
 *
 *     The path leads elsewhere after the folder was removed, moved away or replaced, or after
 *     another file system was mounted over it.
 *
 * While the folder is open, the system does not reuse its inode number. A check is one system call;
 * it changes nothing and does not prevent the removal of the folder.
 */

import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { identityOf } from '../file-system.ts'

const { O_RDONLY } = constants
const O_DIRECTORY = constants.O_DIRECTORY ?? 0

export class HeldFolder implements AsyncDisposable {
  readonly path: string
  readonly #handle: FileHandle
  readonly #identity: string
  /** The folder is a mount point. */
  readonly isMount: boolean

  private constructor(path: string, handle: FileHandle, found: FoundFolder) {
    this.path = path
    this.#handle = handle
    this.#identity = found.identity
    this.isMount = found.isMount
  }

  /** Rejects with the system's error when there is no folder. */
  static async open(path: string): Promise<HeldFolder> {
    const handle = await open(path, O_RDONLY | O_DIRECTORY)
    try {
      const stats = await handle.stat({ bigint: true })
      const above = await stat(dirname(resolve(path)), { bigint: true })
      const found = { identity: identityOf(stats), isMount: stats.dev !== above.dev }
      return new HeldFolder(path, handle, found)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Never rejects: false when the path cannot be read. */
  async isAtItsPath(): Promise<boolean> {
    try {
      return identityOf(await stat(this.path, { bigint: true })) === this.#identity
    } catch {
      return false
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
  }
}

interface FoundFolder {
  readonly identity: string
  readonly isMount: boolean
}
